"""The HTTP API of replays: recordings that are looked at again, beside what was found then."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound
from sightline.core.openapi import refusals
from sightline.core.types import check_stream_name
from sightline.recordings.replay.report import ReplayReport
from sightline.security.authorization import access_of, needs
from sightline.security.tokens import Role
from sightline.server.api.recorded import Moment
from sightline.server.state import state_of
from sightline.streams.replays import MOST_S, Replay, ReplayState, ReplayWish

router = APIRouter(tags=["recordings"])


class AskedReplay(BaseModel):
    """What to look at again, and how. Zones, lines and rules are those of the stream as they are now."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[Moment, Field(alias="from")]
    """Seconds since 1970, as `to`."""
    to: Moment
    model: Annotated[str, Field(strict=True, min_length=1, max_length=200)] | None = None
    """The name of a model that `GET /api/models` calls usable; null for the stream's."""
    confidence: Annotated[float, Field(strict=True, gt=0, lt=1)] | None = None
    """null for the stream's."""


class ReplayDetail(BaseModel):
    """A replay: how far it is."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    stream: str
    from_: float = Field(validation_alias="from", serialization_alias="from")
    to: float
    model: str
    confidence: float
    state: ReplayState
    progress: float
    """0 to 1."""
    made_at: float
    """When it was asked for, seconds since 1970."""
    why: str
    """Why it failed."""


class ReplayList(BaseModel):
    """Newest first."""

    replays: list[ReplayDetail]


@router.post(
    "/api/recordings/{stream}/replays",
    status_code=201,
    responses=refusals(BadRequest, BadSetting, LimitReached, NotFound),
    dependencies=[needs("publish")],
)
async def add(request: Request, stream: str, asked: AskedReplay) -> ReplayDetail:
    """Look at a recording again, at most an hour of it, behind all live streams. One at a time; the last four are kept.

    Nothing is stored, sent or notified of what is found.
    """
    check_stream_name(stream)
    if not 0 < asked.to - asked.from_ <= MOST_S:
        given = f"from {asked.from_:.3f} to {asked.to:.3f}"
        raise BadRequest(f"{given}: expected from < to, and at most {MOST_S:g} seconds")
    wish = ReplayWish(stream, asked.from_, asked.to, asked.model, asked.confidence)
    return _detail(await state_of(request).replays.add(wish))


@router.get("/api/replays", dependencies=[needs()])
async def replays(request: Request) -> ReplayList:
    """All of the streams that one may see."""
    identity = access_of(request).require(request, stream=None)
    return ReplayList(replays=[_detail(one) for one in state_of(request).replays if identity.sees(one.wish.stream)])


@router.get("/api/replays/{id}", responses=refusals(NotFound), dependencies=[needs()])
async def replay(request: Request, id: str) -> ReplayDetail:
    """How far it is."""
    return _detail(_found(request, id))


@router.get("/api/replays/{id}/outcome", responses=refusals(NotFound))
async def outcome(request: Request, id: str) -> ReplayReport:
    """What was found then and now, side by side, once it is done. Boxes are in pixels of `width` and `height`."""
    found = _found(request, id, "view")
    if found.outcome is None:
        raise NotFound(f"the replay is {found.state}" + (f": {found.why}" if found.why else ""))
    return found.outcome


@router.delete("/api/replays/{id}", status_code=204, responses=refusals(NotFound))
async def delete(request: Request, id: str) -> Response:
    """Forget it, or look no further."""
    state_of(request).replays.remove(_found(request, id, "publish"))
    return Response(status_code=204)


def _found(request: Request, id: str, *roles: Role) -> Replay:
    """Return a replay. One of a stream that the caller may not see is as good as none."""
    access = access_of(request)
    own = access.require(request, stream=None)
    access.check(own, *roles, stream=own.stream)
    found = state_of(request).replays.get(id)
    if not own.sees(found.wish.stream):
        raise NotFound(f"there is no replay {id[:40]!r}")
    return found


def _detail(one: Replay) -> ReplayDetail:
    return ReplayDetail(
        id=one.id,
        stream=one.wish.stream,
        from_=one.wish.start,
        to=one.wish.end,
        model=one.model,
        confidence=one.confidence,
        state=one.state,
        progress=round(one.progress, 3),
        made_at=one.made_at,
        why=one.why,
    )
