"""The HTTP API of exports: clips of recordings, made in the background."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound, Shortage
from sightline.core.openapi import gives, refusals
from sightline.core.types import check_stream_name
from sightline.recordings.clip import ClipWish, Format, Kind
from sightline.recordings.exports import Export, Exports, State
from sightline.renderers.base import modes
from sightline.security.authorization import access_of, needs
from sightline.security.tokens import Role
from sightline.server.api.recorded import Moment
from sightline.server.kept_file import KeptFile
from sightline.server.state import state_of

router = APIRouter(tags=["recordings"])
MOST_S = 6 * 3600
MOST_RECORDED_S = 86400
MEDIA = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif", ".zip": "application/zip"}


class ExportWish(BaseModel):
    """What to make a clip of."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[Moment, Field(alias="from")]
    """Seconds since 1970, as `to`."""
    to: Moment
    kind: Kind = "recorded"
    """As recorded (without encoding, cut at key frames), with what was found drawn in, or with people blurred."""
    mode: str = "auto"
    """How to draw."""
    opacity: Annotated[float, Field(strict=True, ge=0, le=100)] | None = None
    """Percent; null for the mode's own."""
    format: Format = "mp4"
    """pictures: a ZIP file with COCO annotations."""
    speed: Annotated[float, Field(strict=True, ge=1, le=3600)] = 1
    """Times real time."""
    every_s: Annotated[float, Field(strict=True, ge=0.1, le=3600)] = 1
    """Seconds from one picture to the next, where the format is pictures."""
    hidden: Annotated[list[Annotated[str, Field(strict=True, max_length=200)]], Field(max_length=64)] = []
    """Classes that are not drawn."""


class ExportReport(BaseModel):
    """A clip that is made, or was."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    stream: str
    from_: float = Field(validation_alias="from", serialization_alias="from")
    to: float
    kind: Kind
    mode: str
    format: Format
    speed: float
    every_s: float
    hidden: list[str]
    state: State
    progress: float
    """0 to 1."""
    bytes: int
    made_at: float
    ends_at: float
    """When it is deleted."""
    why: str
    """Why it failed, or what to know of it."""
    file: str | None
    """Where it is, once it is done."""


class ExportList(BaseModel):
    """Newest first."""

    exports: list[ExportReport]


@router.post(
    "/api/recordings/{stream}/exports",
    status_code=201,
    responses=refusals(BadRequest, BadSetting, LimitReached, NotFound, Shortage),
    dependencies=[needs("publish")],
)
async def add(request: Request, stream: str, wish: ExportWish) -> ExportReport:
    """Have a clip made of a time, at most a day, that lasts six hours: one at a time; eight of a stream may wait.

    It is kept for two days, and as long as a link leads to it.
    """
    check_stream_name(stream)
    most = min(MOST_S * wish.speed, MOST_RECORDED_S)
    if not 0 < wish.to - wish.from_ <= most:
        raise BadRequest(f"from {wish.from_:.3f} to {wish.to:.3f}: expected from < to, and at most {most:g} seconds")
    if wish.mode not in modes():
        raise BadSetting.of("mode", wish.mode, f"one of {', '.join(modes())}")
    opacity = None if wish.opacity is None else wish.opacity / 100
    how = (wish.kind, wish.mode, opacity, wish.format, wish.speed, wish.every_s, tuple(wish.hidden))
    made = ClipWish(wish.from_, wish.to, *how)
    made.check()
    return _report(await _exports(request).add(stream, made))


@router.get("/api/exports", dependencies=[needs()])
async def exports(request: Request) -> ExportList:
    """All of the streams that one may see."""
    identity = access_of(request).require(request, stream=None)
    return ExportList(exports=[_report(one) for one in _exports(request) if identity.sees(one.stream)])


@router.get("/api/exports/{id}", responses=refusals(NotFound), dependencies=[needs()])
async def export(request: Request, id: str) -> ExportReport:
    """How far it is."""
    return _report(_found(request, id))


@router.get(
    "/api/exports/{id}/file",
    response_class=FileResponse,
    responses=gives(*MEDIA.values()) | refusals(NotFound),
)
async def file(request: Request, id: str) -> FileResponse:
    """The clip, of which a player may ask for parts."""
    found = _found(request, id, "view")
    day = int(found.start)
    path = _exports(request).file(found)
    name = f"{found.stream}-{day}-{found.kind}{path.suffix}"
    return KeptFile(path, media_type=MEDIA[path.suffix], filename=name, headers={"Cache-Control": "private, no-cache"})


@router.delete("/api/exports/{id}", status_code=204, responses=refusals(NotFound))
async def delete(request: Request, id: str) -> Response:
    """Delete it, or stop making it."""
    await _exports(request).remove(_found(request, id, "publish"))
    return Response(status_code=204)


def _exports(request: Request) -> Exports:
    return state_of(request).exports


def _found(request: Request, id: str, *roles: Role) -> Export:
    """Return an export. One of a stream that the caller may not see is as good as none."""
    access = access_of(request)
    own = access.require(request, stream=None)
    access.check(own, *roles, stream=own.stream)
    found = _exports(request).get(id)
    if not own.sees(found.stream):
        raise NotFound(f"there is no export {id[:40]!r}")
    return found


def _report(one: Export) -> ExportReport:
    return ExportReport(
        id=one.id,
        stream=one.stream,
        from_=one.start,
        to=one.end,
        kind=one.kind,
        mode=one.mode,
        format=one.format,
        speed=one.speed,
        every_s=one.every_s,
        hidden=list(one.hidden),
        state=one.state,
        progress=round(one.progress, 3),
        bytes=one.bytes,
        made_at=one.made_at,
        ends_at=one.ends_at,
        why=one.why,
        file=f"/api/exports/{one.id}/file" if one.state == "done" else None,
    )
