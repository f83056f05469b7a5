"""The HTTP API of LAN mode: the operator opens a server on loopback to phones, and closes it again."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import ConfigError, Forbidden, Shortage
from sightline.core.net import is_loopback, split_host
from sightline.core.openapi import refusals
from sightline.security.authentication import opening_of
from sightline.security.authorization import needs
from sightline.server.state import state_of

router = APIRouter(tags=["settings"], dependencies=[needs("admin")])

PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers of requests that a program on this machine makes for somebody elsewhere."""


class LanWanted(BaseModel):
    """How LAN mode is to be opened."""

    model_config = ConfigDict(extra="forbid")
    port: int | None = Field(None, strict=True, ge=0, le=65535)
    """Port to listen on; 0 takes a free one. Without it 8443, or where that is taken, a free one."""


class LanReport(BaseModel):
    """LAN mode of a server that was started without it."""

    open: bool
    url: str | None
    """Address by which phones reach the server while it is open."""
    since: float | None
    """When it was opened, in milliseconds since 1970."""
    here: bool
    """Whether who asks is at the server's own machine. Nobody else can open or close it."""
    why_not: str
    """Why it can't be opened; empty where it can."""


@router.get("/api/lan")
async def lan(request: Request, response: Response) -> LanReport:
    """Whether LAN mode was opened while the server runs, and whether it can be."""
    response.headers["Cache-Control"] = "no-store"
    mode = state_of(request).lan
    return LanReport(
        open=mode.since is not None,
        url=mode.url,
        since=None if mode.since is None else mode.since * 1000,
        here=_is_here(request),
        why_not=mode.why_not or "",
    )


@router.post("/api/lan", responses=refusals(ConfigError, Shortage))
async def open_lan(request: Request, response: Response, wanted: LanWanted | None = None) -> LanReport:
    """Open LAN mode until it is closed or the server ends. Only at the server's own machine.

    Whoever comes that way needs a token, or a code of `POST /api/tickets`.
    """
    mode = state_of(request).lan
    if (why := mode.why_not) is not None:
        raise ConfigError(why)
    _check_here(request)
    await mode.open(None if wanted is None else wanted.port)
    return await lan(request, response)


@router.delete("/api/lan")
async def close_lan(request: Request, response: Response) -> LanReport:
    """Close LAN mode: who came that way is told so, and gone within a second. Only at the server's own machine."""
    _check_here(request)
    await state_of(request).lan.close()
    return await lan(request, response)


def _is_here(request: Request) -> bool:
    """True for a request that somebody at this machine made, to the server's own listener, as this machine."""
    return (
        opening_of(request.scope) == 0
        and request.client is not None
        and is_loopback(request.client.host)
        and is_loopback(split_host(request.headers["host"])[0])
        and not any(name in request.headers for name in PASSED_ON)
    )


def _check_here(request: Request) -> None:
    if not _is_here(request):
        raise Forbidden("LAN mode is opened and closed at the server's own machine: open this page there, as localhost")
