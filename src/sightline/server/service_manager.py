"""What the service manager that started us is told: systemd's protocol of datagrams (``man sd_notify``)."""

from __future__ import annotations

import logging
import socket

log = logging.getLogger(__name__)


class ServiceManager:
    """Whoever waits for word of this process; nobody, where there is no ``address``."""

    def __init__(self, address: str | None) -> None:
        """``address``: of a datagram socket; ``@`` begins one that is in no folder."""
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def ready(self) -> None:
        """Connections are accepted."""
        self._tell("READY=1")

    def alive(self, status: str) -> None:
        """All is well. systemd restarts a service that does not say so for ``WatchdogSec``. ``status``: in words."""
        self._tell(f"WATCHDOG=1\nSTATUS={' '.join(status.split())}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), self._address)
        except OSError as e:  # it hears the next one, or finds that we are silent
            log.debug("the service manager can't be told %s: %s", state, e)
