"""What FFmpeg's errors mean to a person."""

from __future__ import annotations

import contextlib
import re
import socket
from urllib.parse import urlsplit

from sightline.core.errors import SourceError, SourceRefused

UNESCAPED = re.compile(r"[^/?#@]*:[^@]*[/?#][^@]*@")
"""An address after its scheme, where the password has a / ? or # as it is. A path with an @ looks like one."""


def unescaped(url: str) -> str | None:
    """Message if a password seems to contain what ends the name of a host; else None."""
    rest = url.partition("://")[2]
    if not UNESCAPED.match(rest):
        return None
    try:
        parts = urlsplit("//" + rest)
        known = parts.port is not None and _known(parts.hostname)
    except ValueError:
        known = False
    return None if known else "in a password write %23 for #, %2F for /, %3F for ? and %40 for @"


def source_error(name: str, error: Exception, seconds: float, url: str = "") -> SourceError:
    """What FFmpeg raised, as a source's error without the address.

    ``name`` stands for the source. ``seconds`` is the timeout. ``url`` is given for what never opened.
    """
    import av

    refused = isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError))
    return (SourceRefused if refused else SourceError)(f"{name}: {_reason(error, seconds, url)}")


def _reason(error: Exception, seconds: float, url: str) -> str:
    import av

    if url and not _known(urlsplit(url).hostname):
        return "no machine of that name is known here; check the name, and that this machine is on the network"
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return f"nothing came for {seconds:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return (
            "the installed PyAV can't speak this; it needs an FFmpeg built with it (SRT: --enable-libsrt), or the "
            "ffmpeg program to pass it on, as docs/sources.md shows"
        )
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return _refused(url)
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if url and isinstance(error, av.error.EOFError):
        return "it ends the connection without an answer"
    reason = getattr(error, "strerror", None)
    return f"can't be read ({reason})" if reason else "can't be read"


def _refused(url: str) -> str:
    """What is wrong with user and password of an address that its machine does not let in; "" where it did once."""
    parts = urlsplit(url)
    if url and not parts.username:
        return "it asks for a user and a password, which the address does not have"
    if url and not parts.password:
        return "it asks for a password, which the address does not have"
    return "it refuses the user or the password"


def _known(host: str | None) -> bool:
    """False if a host's name can't be resolved, which FFmpeg reports as an input/output error."""
    with contextlib.suppress(ValueError):
        try:
            socket.getaddrinfo(host, None)
        except (socket.gaierror, UnicodeError):
            return False
    return True
