"""Sightline turns any camera into a live, annotated, machine-readable stream.

``load_model`` gives a model to call on pictures; ``Client`` and ``AsyncClient`` talk to a server; ``create_app`` is the
server as an ASGI application.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sightline.core.version import __version__ as __version__

if TYPE_CHECKING:
    from sightline.client import AsyncClient as AsyncClient
    from sightline.client import Client as Client
    from sightline.client import Detection as Detection
    from sightline.client import Result as Result
    from sightline.core.events import Event as Event
    from sightline.core.predictions import Detections as Detections
    from sightline.server.app import create_app as create_app
    from sightline.zoo.loader import load_model as load_model

_PLACES = {
    "AsyncClient": "client",
    "Client": "client",
    "Detection": "client",
    "Detections": "core.predictions",
    "Event": "core.events",
    "Result": "client",
    "create_app": "server.app",
    "load_model": "zoo.loader",
}
"""Module of each public name. It is imported when the name is asked for."""
__all__ = ["AsyncClient", "Client", "Detection", "Detections", "Event", "Result", "create_app", "load_model"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"sightline.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
