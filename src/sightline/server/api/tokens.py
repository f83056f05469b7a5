"""The HTTP API of tokens: who may use this server. A token is shown once, to whoever makes it."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sightline.core.errors import BadRequest, ConfigError, LimitReached, NotFound, Shortage
from sightline.core.openapi import refusals
from sightline.core.types import STREAM_OR_ALL
from sightline.security.authorization import IDENTITY, Identity, access_of, needs
from sightline.security.tokens import Role, TokenRecord

log = logging.getLogger(__name__)
router = APIRouter(tags=["access"])

USUAL_S = 30 * 86400.0
"""Seconds that a token is valid where nothing else is said."""
MOST_S = 10 * 365 * 86400.0


class ListedToken(BaseModel):
    """A token without its secret."""

    id: str
    """Name for people; reveals nothing about the token."""
    role: Role
    stream: str
    """Name of the stream, or * for all."""
    created_at: float
    """Milliseconds since 1970."""
    expires_at: float | None
    """End in milliseconds since 1970; null for never."""
    kind: Literal["token", "browser"]
    """browser: made when a page exchanged its code, kept in a cookie."""
    own: bool
    """Whether it is the one by which this request was let in."""


class TokenList(BaseModel):
    """All tokens, the newest first. Those that have expired stay for a week."""

    enabled: bool
    """Whether this server asks for tokens; without that there are none."""
    tokens: list[ListedToken]


class WantedToken(BaseModel):
    """What the holder of a new token shall be allowed."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    stream: Annotated[str, StringConstraints(pattern=STREAM_OR_ALL)]
    """Name of the stream, or * for all."""
    expires_s: Annotated[float, Field(ge=1, le=MOST_S)] | None = USUAL_S
    """Seconds until it ends; null for never."""


class MadeToken(ListedToken):
    """A new token. It is not shown again."""

    token: str


@router.get("/api/tokens", dependencies=[needs("admin")], responses=refusals(ConfigError, Shortage))
async def tokens(request: Request, response: Response) -> TokenList:
    """All tokens of all hubs, without their secrets."""
    response.headers["Cache-Control"] = "no-store"
    access = access_of(request)
    own = await asyncio.to_thread(access.store.records) if access.active else []
    records = {record.id: record for record in (*access.shared, *own)}.values()
    newest_first = sorted(records, key=lambda record: record.created, reverse=True)
    return TokenList(enabled=access.active, tokens=[ListedToken(**_told(request, one)) for one in newest_first])


@router.post(
    "/api/tokens",
    status_code=201,
    dependencies=[needs("admin")],
    responses=refusals(BadRequest, ConfigError, LimitReached, Shortage),
)
async def make_token(request: Request, response: Response, wanted: WantedToken) -> MadeToken:
    """Make a token. The answer is the only place where it is shown."""
    response.headers["Cache-Control"] = "no-store"
    access = access_of(request)
    made, record = await asyncio.to_thread(access.store.create, wanted.role, wanted.stream, lifetime=wanted.expires_s)
    access.refresh()
    log.info("token %s is made: %s of %s", record.id, record.role, record.stream)
    return MadeToken(token=made, **_told(request, record))


@router.delete(
    "/api/tokens/{id}",
    status_code=204,
    dependencies=[needs("admin")],
    responses=refusals(BadRequest, NotFound, ConfigError, Shortage),
)
async def revoke_token(request: Request, id: str) -> Response:
    """Take a token back. Its sessions end within a second."""
    access = access_of(request)
    record = await asyncio.to_thread(access.store.revoke, id)
    access.refresh()
    log.info("token %s is revoked", record.id)
    return Response(status_code=204)


def _told(request: Request, record: TokenRecord) -> dict[str, Any]:
    identity: Identity | None = request.scope.get(IDENTITY)
    return {
        "id": record.id,
        "role": record.role,
        "stream": record.stream,
        "created_at": record.created * 1000,
        "expires_at": None if record.expires is None else record.expires * 1000,
        "kind": record.kind,
        "own": identity is not None and identity.id == record.id,
    }
