"""Embedding: what pages of the setting ``allowed_origins`` may ask for, and the headers by which a browser lets them.

Such a page is a guest. It is known by its ``Origin``, or where a browser sends none, as for an image, by its
``Referer``: a page can leave that out, but can't write another page's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Scope

READ = ("GET", "HEAD")
SOCKET = ("WEBSOCKET",)
OPEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"/embed\.js|/static/.+", READ),
    (r"/embed/[^/]+", READ),
    (r"/mjpeg/[^/]+|/video/[^/]+\.mp4|/snapshot/[^/]+\.jpg", READ),
    (r"/api/streams/[^/]+/(thumbnail\.jpg|zones)|/api/webrtc", READ),
    (r"/whep/[^/]+", ("OPTIONS", "POST")),
    (r"/whep/[^/]+/[^/]+", ("PATCH", "DELETE")),
    (r"/ws/view/[^/]+|/ws", SOCKET),
)
"""What is open to guests: patterns of paths, and the methods. All of it is for viewing."""
PREFLIGHT_S = 600
DEFAULT_PORT = {"https": ":443", "http": ":80"}


def normal(origin: str) -> str:
    """An origin as browsers write it: lower case, without a default port or a slash at the end."""
    scheme, _, host = origin.rstrip("/").lower().partition("://")
    return f"{scheme}://{host.removesuffix(DEFAULT_PORT[scheme])}"


@lru_cache(8)
def _all_normal(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(normal, origins)))


def methods(path: str) -> tuple[str, ...]:
    """Methods by which guests may ask for a path; empty for most."""
    return next((allowed for pattern, allowed in OPEN if re.fullmatch(pattern, path)), ())


class Embedding:
    """The origins that are allowed, and the headers for their pages."""

    def __init__(self, origins: Callable[[], tuple[str, ...]]) -> None:
        """``origins`` returns those that are allowed now."""
        self._given = origins

    @property
    def _origins(self) -> tuple[str, ...]:
        return _all_normal(self._given())

    def guest(self, scope: Scope, headers: Headers) -> str | None:
        """The allowed origin that asks for something which is open to it; None for everything else."""
        if not self._origins:
            return None
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        if is_preflight(scope, headers):
            method = headers["access-control-request-method"]
        origin = _asking(scope, headers)
        return origin if origin in self._origins and method in methods(scope["path"]) else None

    def policy(self, path: str, policy: str) -> str:
        """The Content-Security-Policy of a path: the page for frames may stand in those of allowed origins."""
        if not (self._origins and path.startswith("/embed/")):
            return policy
        return policy.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(self._origins)}")

    def tell(self, path: str, headers: MutableHeaders, guest: str | None) -> None:
        """Add to an answer's headers what lets a guest have it, and that others have it otherwise.

        Browsers keep answers for longer than a setting: the latter is said of one without guests, too.
        """
        if not methods(path):
            return
        headers.add_vary_header("Origin")
        if guest is not None:
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers["Access-Control-Allow-Origin"] = guest
            headers["Access-Control-Expose-Headers"] = "Location"


def is_preflight(scope: Scope, headers: Headers) -> bool:
    """True where a browser asks whether it may ask."""
    return bool(scope.get("method") == "OPTIONS" and "access-control-request-method" in headers)


def preflight(path: str) -> dict[str, str]:
    """Headers of the answer to a guest's preflight."""
    return {
        "Access-Control-Allow-Methods": ", ".join(methods(path)),
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Max-Age": str(PREFLIGHT_S),
    }


def without_cookie(scope: Scope) -> Scope:
    """A guest's request. It comes with its own token or with none, never with the rights of whoever looks at it."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"cookie"]}


def _asking(scope: Scope, headers: Headers) -> str:
    """Origin of the page that asks; empty where nothing tells it."""
    origins = headers.getlist("origin")
    if origins:
        return origins[0] if len(origins) == 1 else ""
    referers = headers.getlist("referer")
    if scope["type"] != "http" or scope["path"].startswith("/static/") or len(referers) != 1:
        return ""
    try:
        parts = urlsplit(referers[0])
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
