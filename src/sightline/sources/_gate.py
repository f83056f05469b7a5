"""A proxy in this process, through which FFmpeg reaches the machines that the operator named, and no others.

A camera's playlist or redirection may name any address: a router's page, a cloud's metadata. FFmpeg follows them, and
has no option against it but one for a proxy, which it keeps to for whatever an HTTP address leads to.
"""

from __future__ import annotations

import functools
import logging
import os
import selectors
import socket
import socketserver
import threading
import time
from urllib.parse import unquote, urlsplit

from sightline.sources import _foreign

log = logging.getLogger(__name__)

CONNECT_S = 10.0
"""Seconds within which a machine has to accept a connection."""
MAX_HEAD = 64 * 1024
"""Bytes of a request's head."""
CHUNK = 64 * 1024
PAUSE_S, PAUSE_BYTES = 0.4, 192 * 1024
"""While nobody wants what comes, it is left in the network for so long, or until about so many bytes have come: to wake
threads costs more than what they then do."""
KEPT = 512 * 1024
"""Bytes that the system is asked to keep for a camera's connection, so that it does not notice. It needs about half of
them for itself, and may give less."""
PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, *, foreign: bool = False) -> str:
    """Let FFmpeg reach the machine of this HTTP address. Returns the proxy's address, for the option ``http_proxy``.

    ``foreign``: a client has named it, so that what the name means is checked whenever it is connected to.
    """
    gate = _gate()
    gate.allow(url, foreign=foreign)
    return gate.url


def error_of(url: str) -> OSError | None:
    """Return why the machine of this address could not be reached the last time; None where it was."""
    return _gate().errors.get(_place(url))


def refused_since(began: float) -> str | None:
    """Return the last machine that was not asked since then (``time.monotonic()``), as nobody named it; else None."""
    at, place = _gate().refused
    return place if at >= began else None


def interest_in(url: str) -> Interest:
    """Return who wants what comes from an HTTP address."""
    return _gate().interests.setdefault(_bare(url), Interest())


class Interest:
    """Who wants what comes from an address. While all who read it say that they don't, it is passed on with pauses: to
    wake a thread takes more than what it then does."""

    def __init__(self) -> None:
        self.awake = threading.Event()
        """Set but while they say so."""
        self.awake.set()
        self._wants: dict[object, bool] = {}
        self._lock = threading.Lock()

    def note(self, who: object, *, wants: bool | None) -> None:
        """Somebody who reads it wants it, or doesn't for now; None: reads it no more."""
        with self._lock:
            self._wants.pop(who, None)
            if wants is not None:
                self._wants[who] = wants
            if self._wants and not any(self._wants.values()):
                self.awake.clear()
            else:
                self.awake.set()


@functools.cache
def _gate() -> Gate:
    if hasattr(os, "unsetenv"):
        os.unsetenv("no_proxy")  # FFmpeg would go past the proxy; Python's own copy of the environment keeps it
    gate = Gate()
    threading.Thread(target=gate.serve_forever, name="gate", daemon=True).start()
    return gate


class Gate(socketserver.ThreadingTCPServer):
    """The proxy. Nothing of it is ever closed, as FFmpeg may ask at any time."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.errors: dict[tuple[str, int], OSError] = {}
        self.refused = (0.0, "")
        """When a machine was last not asked, and which."""
        self.interests: dict[str, Interest] = {}
        """By address; without one for those to which others lead, and for what is encrypted."""
        self._allowed: set[tuple[str, int]] = set()
        self._foreign: set[tuple[str, int]] = set()
        """Those of them that clients have named."""

    def allow(self, url: str, *, foreign: bool = False) -> None:
        """Let through to a machine: at the port that is named, and at that for TLS, to which cameras redirect."""
        host, port = _place(url)
        places = {(host, port), (host, PORTS["https"])}
        self._allowed |= places
        if foreign:
            self._foreign |= places

    def connect(self, place: tuple[str, int]) -> socket.socket:
        """Connect to an allowed machine. Raises PermissionError for others, or OSError."""
        if place not in self._allowed:
            log.warning("a camera leads to %s:%d, which nobody named: it is not asked", *place)
            self.refused = time.monotonic(), "{}:{}".format(*place)
            raise PermissionError
        try:
            if place in self._foreign:
                connected = _foreign.connect(place, CONNECT_S)
            else:
                connected = socket.create_connection(place, CONNECT_S)
        except _foreign.Refused as e:
            log.warning("%s: it is not asked", e.message)
            raise PermissionError from None
        except OSError as e:
            self.errors[place] = e
            raise
        self.errors.pop(place, None)
        connected.settimeout(None)
        return connected


class _Asked(socketserver.BaseRequestHandler):
    """One connection of FFmpeg's."""

    server: Gate
    request: socket.socket

    def handle(self) -> None:
        head, rest = self._head()
        try:
            method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            tunnel = method == "CONNECT"
            place = _place(f"https://{target}" if tunnel else target)
            with self.server.connect(place) as other:
                if tunnel:
                    self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    parts = urlsplit(target)
                    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                    first = f"{method} {path} {version}".encode("latin-1")
                    other.sendall(first + head[head.index(b"\r\n") :] + rest)
                self._relay(other, None if tunnel else self.server.interests.get(_bare(target)))
        except PermissionError:
            self.request.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except (OSError, ValueError):  # FFmpeg sees the end of the connection
            return

    def _head(self) -> tuple[bytes, bytes]:
        """Read a request's head, with the empty line at its end, and what came after it."""
        data = b""
        while b"\r\n\r\n" not in data and len(data) < MAX_HEAD:
            more = self.request.recv(CHUNK)
            if not more:
                break
            data += more
        head, mark, rest = data.partition(b"\r\n\r\n")
        return head + mark, rest

    def _relay(self, other: socket.socket, interest: Interest | None) -> None:
        """Pass on what comes from either side until one of them ends."""
        began, came = time.monotonic(), 0
        pause_bytes = 0 if interest is None else _room(other)
        to = {self.request: other, other: self.request}
        with selectors.DefaultSelector() as ready:
            for side in to:
                ready.register(side, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(CHUNK)  # type: ignore[union-attr]
                    if not data:
                        return
                    to[key.fileobj].sendall(data)  # type: ignore[index]
                    came += len(data)
                if interest is not None and not interest.awake.is_set() and len(data) < CHUNK:
                    pause_s = min(PAUSE_S, (time.monotonic() - began) * pause_bytes / came)
                    began, came = time.monotonic(), 0
                    interest.awake.wait(pause_s)


def _room(camera: socket.socket) -> int:
    """Have the system keep more of what a camera sends; return how much may wait there."""
    camera.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KEPT)
    return min(PAUSE_BYTES, camera.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 4)


def _bare(url: str) -> str:
    """Return an address without user and password, which FFmpeg sends apart."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _place(url: str) -> tuple[str, int]:
    """Host and port of an address. FFmpeg escapes what is not ASCII. Raises ValueError."""
    parts = urlsplit(url)
    return unquote(parts.hostname or "").lower().rstrip("."), parts.port or PORTS.get(parts.scheme.lower(), 0)
