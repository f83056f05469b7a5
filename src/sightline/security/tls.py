"""The server's certificate, kept current while it serves, and the machine's addresses and names."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import ssl
from abc import ABC, abstractmethod
from pathlib import Path

import psutil

from sightline.core.errors import ConfigError, SightlineError

log = logging.getLogger(__name__)

LOOK_S = 10.0
"""Seconds between checks of addresses, dates and files."""
CERTIFICATE, KEY = b"CERTIFICATE-----", b"PRIVATE KEY-----"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def addresses() -> list[Address]:
    """This machine's addresses, without link-local IPv6 ones."""
    found: set[Address] = set()
    for listed in psutil.net_if_addrs().values():
        for one in listed:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(one.address.partition("%")[0])
                if not (address.version == 6 and address.is_link_local):
                    found.add(address)
    return sorted(found, key=lambda a: (a.version, int(a)))


def main_address() -> str:
    """The address at which others in the network reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; it only selects the route
            return str(probe.getsockname()[0])
        except OSError:
            own = [a for a in addresses() if a.version == 4 and not a.is_loopback]
            return str(own[0]) if own else "127.0.0.1"


def host_names() -> list[str]:
    """Names by which this machine may be known. Bare names are left out, as one could be part of another's domain."""
    name = socket.gethostname().lower().partition(".")[0]
    return ["localhost", f"{name}.local"] if re.fullmatch(r"[a-z0-9-]{1,63}", name) else ["localhost"]


class Certificate(ABC):
    """Certificate that the server presents to its clients."""

    authority: Path | None = None
    """File of the authority that people can choose to trust; None if it is not this machine's own."""
    fingerprint: str | None = None
    """SHA-256 of that authority, in the form that phones show."""

    @abstractmethod
    def renew(self) -> bool:
        """Update the certificate if needed. Returns True if it has changed. Raises ConfigError."""

    @property
    @abstractmethod
    def files(self) -> tuple[Path, Path]:
        """The certificate chain, with the server's own first, and the key."""

    def load(self, context: ssl.SSLContext) -> None:
        """Present the current certificate to new connections. Raises ConfigError, and leaves the context as it was."""
        chain, key = self.files
        what = f"certificate {chain} with key {key}"

        def encrypted() -> str:
            raise ConfigError(f"{what}: the key is encrypted; expected one without a passphrase (openssl pkey)")

        try:
            if CERTIFICATE not in chain.read_bytes():
                raise ConfigError(f"{what}: the first has no certificate; expected PEM files")
            if KEY not in key.read_bytes():
                raise ConfigError(f"{what}: the second has no private key; expected PEM files")
            # One that does not fit takes the key from a context, so it is tried with another.
            for tried in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
                tried.load_cert_chain(chain, key, encrypted)
        except OSError as e:  # SSLError is one
            other = isinstance(e, ssl.SSLError) and e.reason == "KEY_VALUES_MISMATCH"
            why = "the key is another certificate's than the first one's" if other else e.strerror or e
            raise ConfigError(f"{what}: {why}; expected PEM files") from None

    def context(self) -> ssl.SSLContext:
        """TLS context for servers. Raises ConfigError."""
        self.renew()
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        self.load(made)
        return made

    async def keep(self, context: ssl.SSLContext) -> None:
        """Keep the certificate current. Runs until cancelled."""
        trouble = ""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if await asyncio.to_thread(self.renew):
                    self.load(context)
                    log.info("the certificate was renewed")
                trouble = ""
            except (SightlineError, OSError) as e:  # the current certificate still serves
                if trouble != str(e):
                    log.error("the certificate can't be renewed: %s", e)
                trouble = str(e)


class Given(Certificate):
    """The operator's own certificate."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = chain, key
        self._seen = self._stamps()

    @property
    def files(self) -> tuple[Path, Path]:
        return self._files

    def renew(self) -> bool:
        """True if the files have been replaced, for example by certbot."""
        before, self._seen = self._seen, self._stamps()
        return before != self._seen

    def _stamps(self) -> list[tuple[int, int]]:
        try:  # the second changes with the rights
            return [(found.st_mtime_ns, found.st_ctime_ns) for found in (file.stat() for file in self._files)]
        except OSError as e:
            raise ConfigError(f"{e.filename}: {e.strerror}; expected the file of a certificate or key") from None
