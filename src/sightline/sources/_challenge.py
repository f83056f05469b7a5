"""What a machine answers to a plain request, where FFmpeg says no more than that it failed."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sightline.core.errors import SourceError
from sightline.sources import _foreign

ASKED = {
    "rtsp": (554, "DESCRIBE {} RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    "http": (80, "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"),
}
"""By scheme: its port, and a request without a password."""
ASK_S = 2.0
"""Seconds to wait for an answer, or the next part of it."""
MOST_PARTS = 16
KNOWN = ("", "MD5", "MD5-SESS")
"""Digests that FFmpeg can give."""
_DIGEST = re.compile(r"(?im)^www-authenticate:[ \t]*digest\b(.*)$")
_MOVED = re.compile(r"(?is)^RTSP/1\.\d 3\d\d .*?^location:[ \t]*(\S+)", re.M)
_ALGORITHM = re.compile(r'(?i)\balgorithm="?([\w-]{1,20})')


def unknown_digest(url: str) -> str | None:
    """Return the kind of digest that is asked for where FFmpeg can't give it, by the address's own password; else None.

    Of several digests FFmpeg takes the last.
    """
    parts = urlsplit(url)
    if parts.scheme not in ASKED or not parts.password:
        return None
    digests = [_ALGORITHM.search(one) for one in _DIGEST.findall(_asked(url))]
    kind = digests[-1][1] if digests and digests[-1] is not None else ""
    return None if kind.upper() in KNOWN else kind


def redirected_to(url: str) -> str | None:
    """Return host and port to which an RTSP camera sends those who ask for this address; None for one that doesn't.

    FFmpeg follows, as often as it is told to.
    """
    moved = _MOVED.search(_asked(url)) if url.startswith("rtsp:") else None
    if moved is None:
        return None
    try:
        parts = urlsplit(moved[1])
        return f"{parts.hostname}:{parts.port or ASKED['rtsp'][0]}" if parts.hostname else None
    except ValueError:
        return None


def _asked(url: str) -> str:
    """Return the head of what a machine answers to a request without a password; empty where it doesn't."""
    parts = urlsplit(url)
    port, request = ASKED[parts.scheme]
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "rtsp":
        target = parts._replace(netloc=host, fragment="").geturl()
    else:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        return _answer((parts.hostname or "", parts.port or port), request.format(target, host))
    except (SourceError, OSError, ValueError):
        return ""


def _answer(place: tuple[str, int], request: str) -> str:
    """Return the head of what a machine answers. Raises SourceError or OSError."""
    head = b""
    with _foreign.connect(place, ASK_S) as connection:
        connection.settimeout(ASK_S)
        connection.sendall(request.encode())
        for _ in range(MOST_PARTS):
            more = connection.recv(4096)
            head += more
            if not more or b"\r\n\r\n" in head:
                break
    return head.partition(b"\r\n\r\n")[0].decode("latin-1").replace("\r", "")
