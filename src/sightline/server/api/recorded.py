"""The HTTP API of recordings: what is recorded, and what was, with the files themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound, Shortage
from sightline.core.openapi import gives, refusals
from sightline.core.types import check_stream_name
from sightline.recordings.index import NO_CAMERA, VideoSegment
from sightline.recordings.lines import SECONDS
from sightline.recordings.recorder import Kept
from sightline.recordings.recordings import Recordings
from sightline.recordings.unscheduled import UNSCHEDULED
from sightline.security.authorization import access_of, needs
from sightline.server.kept_file import KeptFile
from sightline.server.state import state_of
from sightline.streams.hub import Hub

router = APIRouter(tags=["recordings"])
MOST_BUCKETS = 20_000
FOREVER = 1e11

From = Annotated[float, Query(alias="from", ge=0, le=FOREVER)]
To = Annotated[float, Query(ge=0, le=FOREVER)]
Moment = Annotated[float, Field(strict=True, ge=0, le=FOREVER)]
"""Of a JSON body: seconds since 1970."""


class StreamRecording(BaseModel):
    """What is recorded of a stream. recorded = written + lost + waiting since the server's start, always, exactly."""

    mode: Literal["off", "events", "always"]
    schedule: str
    """Times of the week at which its mode holds; empty for all."""
    recording: bool
    """Whether what comes is recorded now."""
    by_hand: bool
    """Whether somebody has it recorded, whatever its mode."""
    why: str | None
    """Why nothing is recorded of it; null while it is, or where nobody wants it."""
    bytes: int
    first_at: float | None
    """Seconds since 1970, as ``last_at``; null where there is no recording."""
    last_at: float | None
    recorded: int
    """Frames that were to be recorded."""
    written: int
    lost: dict[str, int]
    """Those that could not be, by reason."""
    waiting: int


class RecordingsOverview(BaseModel):
    """What is recorded, by stream."""

    streams: dict[str, StreamRecording]
    free_bytes: int
    """On the disk of the recordings."""
    used_bytes: int
    """By all recordings."""
    stopped: str | None
    """Why nothing can be recorded at the moment."""


class RecordedSegment(BaseModel):
    """A piece of a recording, about a minute."""

    id: int
    started_at: float
    """Time of its first frame, seconds since 1970."""
    ended_at: float
    frames: int
    bytes: int
    codec: str
    width: int
    height: int
    protected: bool
    event: bool
    """Something happened in it, so that it is kept for longer."""
    open: bool
    """It is being recorded now."""


class RecordedGap(BaseModel):
    """A time of which nothing is recorded."""

    model_config = ConfigDict(populate_by_name=True)

    from_: float = Field(validation_alias="from", serialization_alias="from")
    to: float
    reason: str


class RecordedTime(BaseModel):
    """What is recorded of a time, in order."""

    segments: list[RecordedSegment]
    gaps: list[RecordedGap]


class RecordedMarks(BaseModel):
    """What was seen in a time, in equal parts."""

    model_config = ConfigDict(populate_by_name=True)

    bucket_s: float
    from_: float = Field(validation_alias="from", serialization_alias="from")
    """Start of the first part."""
    motion: list[float | None]
    """Largest share of the picture that moved, 0 to 1; null where nothing is recorded."""
    classes: dict[str, list[int]]
    """Most of each class at once."""


def silence(hub: Hub, name: str) -> str:
    """Say why nothing comes of a stream; empty where something should."""
    stream = hub.streams.get(name)
    if stream is None or stream.publisher is None:
        return NO_CAMERA
    return stream.paused or ""


def check_order(start: float, end: float) -> None:
    """Raise BadRequest for a time that ends before it begins."""
    if start > end:
        raise BadRequest(f"from {start:.3f} to {end:.3f}: expected a time that ends after it begins")


def kept(hub: Hub, name: str) -> Kept:
    """Say what of a stream is recorded now. Any thread may ask."""
    mode = hub.cameras.record_now(name)
    return "clips" if mode == "off" and hub.boards.keeps_clips(name) else mode


def recordings_of(request: Request) -> Recordings:
    """Return the server's recordings."""
    recordings = state_of(request).hub.listeners.recordings
    assert recordings is not None, "a server has them"
    return recordings


@router.get("/api/recordings", dependencies=[needs()])
async def overview(request: Request) -> RecordingsOverview:
    """What is recorded, and how much room that takes: of the streams that one may see."""
    recordings, hub = recordings_of(request), state_of(request).hub
    identity = access_of(request).require(request, stream=None)
    names = {*recordings.totals, *recordings.recorders, *hub.settings.streams}
    seen = sorted(name for name in names if identity.sees(name))
    return RecordingsOverview(
        streams={name: _stream(recordings, hub, name) for name in seen},
        free_bytes=recordings.free_bytes,
        used_bytes=recordings.used_bytes,
        stopped=recordings.stopped,
    )


def _stream(recordings: Recordings, hub: Hub, name: str) -> StreamRecording:
    recorder, silent = recordings.recorders.get(name), silence(hub, name)
    size, first, last = recordings.totals.get(name, (0, None, None))
    mode = hub.cameras.record(name)
    asked = recorder is not None and recorder.recording
    unscheduled = hub.cameras.unscheduled(name) and not asked
    why = recordings.stopped or (UNSCHEDULED if unscheduled else silent) or None
    return StreamRecording(
        mode=mode,
        schedule=hub.cameras.record_schedule(name),
        recording=asked and why is None,
        by_hand=recorder is not None and recorder.by_hand,
        why=why if asked or mode == "always" else None,
        bytes=size,
        first_at=first,
        last_at=last,
        recorded=0 if recorder is None else recorder.recorded,
        written=0 if recorder is None else recorder.written,
        lost={} if recorder is None else dict(recorder.lost),
        waiting=0 if recorder is None else recorder.waiting,
    )


@router.get(
    "/api/recordings/{stream}",
    responses=refusals(BadRequest, BadSetting, Shortage),
    dependencies=[needs("view")],
)
async def recorded(request: Request, stream: str, from_: From = 0, to: To = FOREVER) -> RecordedTime:
    """What is recorded of a time, and where something is missing, and why. At most a week at once."""
    recordings = recordings_of(request)
    check_stream_name(stream)
    check_order(from_, to)
    segments, gaps = await asyncio.to_thread(
        lambda: (recordings.segments(stream, from_, to), recordings.gaps(stream, from_, to))
    )
    return RecordedTime(
        segments=[_segment(one) for one in segments],
        gaps=[RecordedGap(from_=gap.started_at, to=gap.ended_at, reason=gap.reason) for gap in gaps],
    )


def _segment(one: VideoSegment) -> RecordedSegment:
    return RecordedSegment.model_validate(one, from_attributes=True)


@router.get(
    "/api/recordings/{stream}/marks",
    responses=refusals(BadRequest, BadSetting, Shortage),
    dependencies=[needs("view")],
)
async def marks(
    request: Request,
    stream: str,
    from_: From,
    to: To,
    bucket_s: Annotated[int, Query(ge=SECONDS, le=86400, multiple_of=SECONDS)] = SECONDS,
) -> RecordedMarks:
    """Motion and classes in a time, in parts of `bucket_s` seconds: ten, or a multiple."""
    check_stream_name(stream)
    if not 0 < to - from_ <= MOST_BUCKETS * bucket_s:
        given = f"from {from_:.3f} to {to:.3f}"
        raise BadRequest(f"{given}: expected from < to, and at most {MOST_BUCKETS} parts of {bucket_s} s")
    found = await asyncio.to_thread(recordings_of(request).marks, stream, from_, to, bucket_s)
    return RecordedMarks(bucket_s=found.bucket_s, from_=found.started_at, motion=found.motion, classes=found.classes)


FileResponses = gives("video/mp4") | refusals(BadRequest, BadSetting, NotFound, Shortage)


@router.get(
    "/api/recordings/{stream}/segments/{id}.mp4",
    response_class=FileResponse,
    responses=FileResponses,
    dependencies=[needs("view")],
)
async def video(request: Request, stream: str, id: int) -> FileResponse:
    """A segment's pictures: an MP4 file, of which a player may ask for parts."""
    found = await _found(request, stream, id)
    return await _file(recordings_of(request).video(found), found, "video/mp4")


@router.get(
    "/api/recordings/{stream}/segments/{id}.jsonl",
    response_class=FileResponse,
    responses=gives("application/jsonl") | refusals(BadRequest, BadSetting, NotFound, Shortage),
    dependencies=[needs("view")],
)
async def lines(request: Request, stream: str, id: int) -> FileResponse:
    """A segment's results: a JSON line for each frame, as docs/recording.md describes it."""
    found = await _found(request, stream, id)
    return await _file(recordings_of(request).lines(found), found, "application/jsonl")


async def _found(request: Request, stream: str, id: int) -> VideoSegment:
    check_stream_name(stream)
    found = await asyncio.to_thread(recordings_of(request).find, stream, id) if id < 2**63 else None
    if found is None:
        raise NotFound(f"stream {stream!r} has no segment {id}: it was deleted, or is older than recordings are kept")
    return found


async def _file(path: Path, segment: VideoSegment, media_type: str) -> FileResponse:
    if not await asyncio.to_thread(path.is_file):
        raise NotFound(f"segment {segment.id} was deleted")
    kept = "no-store" if segment.open else "private, max-age=86400"
    name = f"{segment.name.replace('/', '_')}{path.suffix}"
    return KeptFile(
        path, media_type=media_type, filename=name, content_disposition_type="inline", headers={"Cache-Control": kept}
    )


class RecordByHand(BaseModel):
    """Whether to record by hand."""

    model_config = ConfigDict(extra="forbid")

    on: Annotated[bool, Field(strict=True)]
    seconds: Annotated[float, Field(strict=True, gt=0, le=86400)] | None = None
    """For how long; null until it is switched off, or the server ends."""


@router.post(
    "/api/recordings/{stream}/record",
    responses=refusals(BadRequest, BadSetting, Shortage),
    dependencies=[needs("publish")],
)
async def record(request: Request, stream: str, wish: RecordByHand) -> StreamRecording:
    """Record a stream from now on, or no longer, whatever its settings say. One that is to come is recorded then."""
    recordings, hub = recordings_of(request), state_of(request).hub
    recorder = hub.open_stream(stream).recorder
    if recorder is None:
        raise Shortage(recordings.stopped or "nothing can be recorded")
    recorder.hand(wish.seconds if wish.on else 0)
    return _stream(recordings, hub, stream)


class SavedTime(BaseModel):
    """A time that is kept for good."""

    model_config = ConfigDict(populate_by_name=True)

    from_: float = Field(validation_alias="from", serialization_alias="from")
    """Seconds since 1970, as `to`."""
    to: float
    """When the last of it will be recorded."""
    before_s: float
    """How many of its seconds had been recorded before."""
    page: str
    """Path of the page that shows it."""


@router.post(
    "/api/recordings/{stream}/clips",
    status_code=201,
    responses=refusals(BadRequest, BadSetting, LimitReached, Shortage),
    dependencies=[needs("publish")],
)
async def save_clip(request: Request, stream: str) -> SavedTime:
    """Keep the last 30 seconds, as far as they are recorded or in memory, and the next 10, protected.

    Where nothing was recorded before, the next 30 seconds are.
    """
    state_of(request).hub.open_stream(stream)
    clip = await recordings_of(request).save_clip(stream)
    page = f"/timeline?stream={stream}&at={clip.start:.1f}"
    return SavedTime(from_=clip.start, to=clip.end, before_s=clip.before_s, page=page)


class Protection(BaseModel):
    """A time of which nothing is to be deleted."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[Moment, Field(alias="from")]
    to: Moment
    on: Annotated[bool, Field(strict=True)]


class Touched(BaseModel):
    """How many segments it was."""

    segments: int


@router.put(
    "/api/recordings/{stream}/protected",
    responses=refusals(BadRequest, BadSetting, Shortage),
    dependencies=[needs("publish")],
)
async def protect(request: Request, stream: str, what: Protection) -> Touched:
    """Keep what is recorded of a time until this is taken back, however old it gets and however full the disk is."""
    check_stream_name(stream)
    check_order(what.from_, what.to)
    ask = recordings_of(request).protect
    count = await asyncio.to_thread(lambda: ask(stream, what.from_, what.to, on=what.on))
    return Touched(segments=count)


@router.delete(
    "/api/recordings/{stream}",
    responses=refusals(BadRequest, BadSetting, Shortage),
    dependencies=[needs("admin")],
)
async def delete(request: Request, stream: str, from_: From, to: To) -> Touched:
    """Delete what is recorded of a time: whole segments, and none that is protected or being recorded."""
    check_stream_name(stream)
    check_order(from_, to)
    return Touched(segments=await asyncio.to_thread(recordings_of(request).delete, stream, from_, to))
