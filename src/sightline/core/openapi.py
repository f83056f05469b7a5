"""What routes say of themselves for OpenAPI, where their types don't say it."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import WithJsonSchema

from sightline.core.errors import SightlineError
from sightline.core.types import STREAM_NAME

Responses: TypeAlias = dict[int | str, dict[str, Any]]
"""Responses of a route by status, as FastAPI takes them."""
StreamQuery: TypeAlias = (
    Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{STREAM_NAME.pattern}$"})] | None
)
"""A stream that a query may name. The route itself checks the name."""
_BYTES = {"schema": {"type": "string", "format": "binary"}}


def gives(*kinds: str, status: int = 200) -> Responses:
    """Say that a route answers with bytes of these media types."""
    return {status: {"content": dict.fromkeys(kinds, _BYTES)}}


def takes(*kinds: str) -> dict[str, Any]:
    """Say that a route's body is of one of these media types. For ``openapi_extra``."""
    return {"requestBody": {"required": True, "content": dict.fromkeys(kinds, _BYTES)}}


def refusals(*errors: type[SightlineError]) -> Responses:
    """Say that a route may answer with these errors."""
    found: Responses = {}
    for error in errors:
        why = (error.__doc__ or "").strip()
        before = found.get(error.status)
        found[error.status] = {"description": why if before is None else f"{before['description']} Or: {why}"}
    return found
