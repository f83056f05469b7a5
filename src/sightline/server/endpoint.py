"""Where a server listens: its sockets, their addresses, and the certificate that they show."""

from __future__ import annotations

import errno
import ipaddress
import socket

from sightline.core.errors import ConfigError
from sightline.core.net import is_address
from sightline.security import files as private
from sightline.security.tls import Certificate, Given
from sightline.settings.settings import Settings, data_folder

SEND_BUFFER = 128 * 1024
"""Send buffer of each peer in bytes; the kernel's default hides megabytes, which are seconds of lag."""


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """Bind an address. Raises ConfigError if that fails, naming the option that chooses another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR means something else
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # inherited by accepted sockets
    try:
        listener.bind((host, port))
    except OSError as e:
        listener.close()
        elsewhere = isinstance(e, socket.gaierror) or e.errno == errno.EADDRNOTAVAIL  # no address of this machine
        other = "--host" if elsewhere else option
        raise ConfigError(f"can't listen on {host}:{port}: {e.strerror}; choose another with {other}") from None
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def url(scheme: str, listener: socket.socket) -> str:
    """Address at which a person reaches the listener."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{shown}:{port}"


def certificate_of(settings: Settings) -> Certificate | None:
    """Certificate for these settings; None for plain HTTP. Raises ConfigError."""
    if settings.tls_cert is not None and settings.tls_key is not None:
        return Given(settings.tls_cert, settings.tls_key)
    if not settings.lan:
        return None
    from sightline.security.authority import Own  # who needs none doesn't wait for its library

    more = [ipaddress.ip_address(settings.host)] if is_address(settings.host) else []
    folder = data_folder(settings)
    private.make_folder(folder)
    return Own(folder / "tls", more=[a for a in more if not a.is_unspecified])
