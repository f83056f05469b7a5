"""The HTTP API of several hubs: how they stand, for people, and what they tell each other under their seal."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sightline.core.errors import NotFound
from sightline.core.version import __version__
from sightline.security.authentication import CONNECTION
from sightline.security.authorization import needs
from sightline.server.state import state_of

router = APIRouter()


class HubReport(BaseModel):
    """A hub of the cluster."""

    address: str
    own: bool
    """Whether it is the one that answers."""
    state: str
    """ready, unready (its frames get no results), waiting (it has no streams yet) or gone."""
    version: str
    streams: int
    trouble: str
    """What is wrong with it; empty while all is well."""


class HubReports(BaseModel):
    """All hubs in the order of the settings; none where there is one server only."""

    hubs: list[HubReport]


@router.get("/api/hubs", tags=["health"], dependencies=[needs("admin")])
async def hubs(request: Request) -> HubReports:
    """How all hubs stand, as this one sees them."""
    found = state_of(request).hubs
    return HubReports(hubs=[] if found is None else [HubReport(**one) for one in found.report()])


@router.get("/api/hubs/state", include_in_schema=False)
async def state(request: Request) -> Response:
    """How this hub is, for another one: the seal is checked here."""
    return _sealed(request, "state")


@router.get("/api/hubs/shared", include_in_schema=False)
async def shared(request: Request) -> Response:
    """What the others keep of this hub."""
    return _sealed(request, "shared")


def _sealed(request: Request, what: str) -> Response:
    server = state_of(request)
    if server.hubs is None:
        raise NotFound(f"this server, version {__version__}, works alone: expected [cluster] hubs in its settings")
    body = server.hubs.answer(request.headers, request.method, request.url.path, what)
    if (connection := request.scope["state"].get(CONNECTION)) is not None:
        connection.heard("hubs")  # no stranger, which might have to give way to others
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})
