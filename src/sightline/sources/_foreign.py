"""Sources that clients of the server name, not its operator: what they may be, and which machines are never asked.

A name may mean another machine each time it is asked for. So what is checked is the address that is then connected to.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sightline.core.errors import SourceError
from sightline.core.net import is_address
from sightline.sources._ffmpeg import unescaped
from sightline.sources._reconnecting import plain
from sightline.sources.base import find_source, shown

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""How an address begins. One letter is a drive of Windows."""
UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")
"""Spaces, control characters and backslashes, which programs read in different ways."""
MOST_CHARACTERS = 2000
DEMO = "synthetic:street"
"""A drawn street, which is no machine and no file, so that it may be named on every server."""
CONNECT_S = 3.0
"""Seconds within which one of several addresses of a machine has to accept a connection."""

_METADATA = tuple(
    map(ipaddress.ip_network, ("169.254.0.0/16", "100.100.100.200/32", "192.0.0.0/24", "168.63.129.16/32"))
)
_METADATA_6 = tuple(map(ipaddress.ip_network, ("fd00:ec2::/32", "fd20:ce::/32", "fec0::/10")))
"""Where clouds tell machines their passwords, besides link-local addresses; and what IPv6 had for such once."""
_CARRIERS = tuple(map(ipaddress.ip_network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96")))
"""IPv6 addresses with an IPv4 address in their last 32 bits."""


class Refused(SourceError):
    """A source that clients may not name."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What clients may name."""

    schemes: tuple[str, ...]
    media_folder: Path | None = None
    """Folder below which files may be; None for no files at all."""

    def check(self, spec: str) -> str:
        """Return ``spec``, a file's with its whole path. Raises Refused. Asks what machine a name means: may block."""
        checked = self.check_form(plain(spec))
        if "://" in checked:
            _check_machine(checked)
        return checked + spec[len(plain(spec)) :]

    def check_form(self, spec: str) -> str:
        """Do what ``check`` does, but for asking what machine a name means."""
        if len(spec) > MOST_CHARACTERS:
            raise Refused(f"an address of {len(spec)} characters: expected at most {MOST_CHARACTERS}")
        if spec == DEMO:
            return spec
        scheme = SCHEME.match(spec)
        if scheme is None:
            return str(self._file(spec))
        name = scheme[1].lower()
        if name not in self.schemes:
            raise Refused(f"an address that begins with {name[:20]}: expected one with {', '.join(self.schemes)}")
        if UNSEEN.search(spec):
            raise Refused(f"{shown(spec)}: expected an address without spaces, control characters or backslashes")
        try:
            if "://" not in spec and Path(spec).exists():
                raise Refused(f"{spec[:80]} is a file here: expected an address")
            find_source(spec)
        except OSError:  # a name of a file that is too long
            raise Refused(f"{spec[:80]}...: expected an address") from None
        return spec

    def _file(self, spec: str) -> Path:
        if self.media_folder is None:
            expected = " or ".join(f"{scheme}:" for scheme in self.schemes)
            raise Refused(
                f"expected an address that begins with {expected}; files only where the operator has set media_folder"
            )
        try:
            folder = self.media_folder.resolve()
            path = (folder / spec).resolve()
            inside = path != folder and path.is_relative_to(folder) and path.exists()
        except (OSError, ValueError):
            inside = False
        if not inside:
            raise Refused(f"{Path(spec).name[:80]!r}: expected a file in the folder media_folder of the settings")
        return path


def _check_machine(spec: str) -> None:
    """Raise Refused if the machine is one that is never asked. One whose name is not known now may be later."""
    if (wrong := unescaped(spec)) is not None:
        raise Refused(f"{shown(spec)}: {wrong}")
    host, port = place_of(spec)
    try:
        addresses(host, port)
    except OSError:
        return


def place_of(url: str) -> tuple[str, int]:
    """Return host and port of an address; 0 for none. Raises Refused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 0
    except ValueError:
        host = None
    if not host:
        raise Refused(f"{shown(url)}: expected an address with a host, and a port up to 65535: rtsp://HOST:PORT/...")
    return host.rstrip("."), port


def addresses(host: str, port: int) -> list[tuple[str, int]]:
    """Return the addresses of a machine that may be asked. Raises Refused if any of them may not, or OSError."""
    literal = host.partition("%")[0]  # the interface of a link-local one may be unknown here
    try:
        found = [] if is_address(literal) else socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (UnicodeError, ValueError):
        raise Refused(f"{host[:80]!r} is no name of a machine") from None
    given = list(dict.fromkeys((str(entry[4][0]), port) for entry in found)) or [(literal, port)]
    for address, _ in given:
        if (why := forbidden(address)) is not None:
            raise Refused(f"{host[:80]} is {why} address, which is never asked: expected another")
    return given


def forbidden(address: str) -> str | None:
    """Return what is wrong with an address, in words; None for one that may be asked."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and (inner := _carried(ip)) is not None:
        return forbidden(str(inner))
    if ip.is_link_local or any(ip in net for net in (_METADATA if ip.version == 4 else _METADATA_6)):
        return "a link-local or metadata"
    if ip.is_unspecified or (ip.version == 4 and ip.packed[0] == 0):
        return "an unspecified"
    if ip.is_multicast:
        return "a multicast"
    return "a reserved" if ip.version == 4 and ip.is_reserved else None


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if int(ip) <= 1:  # :: and ::1
        return None
    last = ipaddress.IPv4Address(ip.packed[-4:])
    carrier = any(ip in net for net in _CARRIERS)
    teredo = None if ip.teredo is None else ip.teredo[1]
    return ip.ipv4_mapped or ip.sixtofour or teredo or (last if carrier else None)


def connect(place: tuple[str, int], seconds: float) -> socket.socket:
    """Connect to a machine at an address that was checked. Raises Refused or OSError."""
    error = OSError()
    for address in addresses(*place):
        try:
            return socket.create_connection(address, seconds)
        except OSError as e:
            error = e
    raise error


def reachable(host: str, port: int) -> str:
    """Return an address of a machine that was checked; of several the first that accepts a connection.

    Raises Refused or OSError.
    """
    found = addresses(host, port)
    if len(found) == 1:
        return found[0][0]
    with connect((host, port), CONNECT_S) as connected:
        return str(connected.getpeername()[0])


def pinned(url: str, port: int) -> str:
    """Return ``url`` with an address that was checked in place of the host's name, for who connects by itself.

    Raises Refused or OSError.
    """
    host, named = place_of(url)
    address = reachable(host, port)
    literal = f"[{address}]" if ":" in address else address
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{literal}" + (f":{named}" if named else "")).geturl()
