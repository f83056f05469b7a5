"""Sightline turns any camera into a live, annotated, machine-readable stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sightline.core.version import __version__ as __version__

if TYPE_CHECKING:
    from sightline.client import AsyncClient as AsyncClient
    from sightline.client import Client as Client


def __getattr__(name: str) -> Any:
    """The SDK's two names, imported when they are asked for."""
    if name in ("AsyncClient", "Client"):
        from sightline import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
