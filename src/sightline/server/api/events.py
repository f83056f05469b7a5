"""The HTTP API of events: what happened, with pictures, and what happens, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from msgspec import structs
from pydantic import BaseModel

from sightline.core.errors import (
    BadImage,
    BadRequest,
    BadSetting,
    LimitReached,
    NotFound,
    Shortage,
    ShuttingDown,
    StreamEnded,
)
from sightline.core.events import Event, EventFilter, EventRecord
from sightline.core.openapi import StreamQuery, gives, refusals
from sightline.core.types import check_stream_name
from sightline.events.journal import Journal
from sightline.security.authorization import Identity, access_of
from sightline.security.tokens import ALL, Role
from sightline.server.state import state_of
from sightline.transports._results import streamed

router = APIRouter(tags=["events"])
SSE = "text/event-stream"
QUIET_S = 15.0
"""Seconds without an event after which a sign of life is sent."""
AGAIN_MS = 1000
"""Milliseconds after which a browser that lost the connection comes back."""

Word = Annotated[str | None, Query(max_length=200)]
Number = Annotated[int | None, Query(ge=0, le=2**53)]
Time = Annotated[float | None, Query(ge=0, le=1e11)]


class EventReport(BaseModel):
    """Something that happened, or lasts."""

    id: str
    stream: str
    kind: str
    """object, zone, line, loiter, scene, stream, rule, or a stage's own word."""
    class_name: str
    zone: str
    """Name of the zone or line."""
    rule: str
    direction: Literal["in", "out", ""]
    track: int | None
    box: tuple[float, float, float, float] | None
    """Where it was in its picture: x1, y1, x2, y2 in pixels."""
    started_at: float
    """Seconds since 1970 on the clock of the frames."""
    ended_at: float | None
    """Null while it lasts."""
    seconds: float | None
    speed: tuple[float, float, float] | None
    """Mean, least and most, in metres a second."""
    reason: str
    start_seq: int
    end_seq: int | None
    snapshot: str
    """Path of its picture; empty where there is none."""
    clip: str
    """Path of its clip, which grows until its last second is recorded; empty where none was kept."""


class EventsPage(BaseModel):
    """Happenings, newest first."""

    events: list[EventReport]
    next: str | None
    """``before`` of the next page; null at the end."""


def wanted_events(
    stream: StreamQuery = None,
    kind: Word = None,
    class_name: Annotated[str | None, Query(alias="class", max_length=200)] = None,
    zone: Word = None,
    rule: Word = None,
) -> EventFilter:
    """Which happenings a request is about."""
    return EventFilter(None if stream is None else check_stream_name(stream), kind, class_name, zone, rule)


Wanted = Annotated[EventFilter, Depends(wanted_events)]


@router.get("/api/events", responses=refusals(BadRequest, BadSetting))
async def events(
    request: Request,
    wanted: Wanted,
    since: Time = None,
    until: Time = None,
    lasting: Annotated[bool | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(pattern=r"^\d{1,16}$")] = None,
) -> EventsPage:
    """What happened, newest first: of a stream, or of all that one may view.

    `since` and `until` are about the start, in seconds since 1970. For the next page `before` is this one's `next`.
    """
    _, wanted = _allowed(request, wanted)
    if since is not None and until is not None and since > until:
        raise BadRequest(f"since {since:.3f} until {until:.3f}: expected a time that ends after it begins")
    at = None if before is None else int(before)
    found = await _journal(request).search(wanted, limit + 1, before=at, since=since, until=until, lasting=lasting)
    following = str(found[limit - 1].number) if len(found) > limit else None
    return EventsPage(events=[_report(one.record) for one in found[:limit]], next=following)


@router.get(
    "/api/events/live",
    response_class=StreamingResponse,
    responses=gives(SSE) | refusals(BadRequest, BadSetting, LimitReached, ShuttingDown),
)
async def live(
    request: Request,
    wanted: Wanted,
    after: Number = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """What happens, as server-sent events. With `after`, or Last-Event-ID, first what was stored since that number."""
    identity, wanted = _allowed(request, wanted)
    if last_event_id is not None and last_event_id.isdecimal() and len(last_event_id) < 17:
        after = int(last_event_id)
    answer = await streamed(_parts(request, identity, wanted, after), SSE)
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


@router.get("/api/events/{id}", responses=refusals(NotFound))
async def event(request: Request, id: str) -> EventReport:
    """Something that happened."""
    return _report(await found_event(request, id, "view"))


@router.get(
    "/api/events/{id}/picture.jpg",
    response_class=Response,
    responses=gives("image/jpeg") | refusals(NotFound),
)
async def picture(request: Request, id: str) -> Response:
    """The frame that shows it best, as the camera sent it."""
    return await _picture(request, id, crop=False)


@router.get(
    "/api/events/{id}/crop.jpg",
    response_class=Response,
    responses=gives("image/jpeg") | refusals(NotFound, BadImage),
)
async def crop(request: Request, id: str) -> Response:
    """The object, cut out of its picture, with its box and name."""
    return await _picture(request, id, crop=True)


@router.delete("/api/events/{id}", status_code=204, responses=refusals(NotFound, Shortage))
async def delete(request: Request, id: str) -> Response:
    """Forget something that happened, and its picture."""
    await found_event(request, id, "publish")
    await _journal(request).delete(id)
    return Response(status_code=204)


def _journal(request: Request) -> Journal:
    journal = state_of(request).hub.journal
    assert journal is not None, "a server has one"
    return journal


def _allowed(request: Request, wanted: EventFilter) -> tuple[Identity, EventFilter]:
    """Return who asks, and what of it they may see. Raises Unauthorized or Forbidden."""
    stream = _own(request) if wanted.stream is None else wanted.stream
    return access_of(request).require(request, "view", stream=stream), structs.replace(wanted, stream=stream)


def _own(request: Request) -> str | None:
    """Return the stream that the caller's right is for; None for all. Raises Unauthorized."""
    stream = access_of(request).require(request, stream=None).stream
    return None if stream == ALL else stream


async def found_event(request: Request, id: str, role: Role) -> EventRecord:
    """Return a happening of a stream on which the caller has that role. Raises NotFound or Forbidden."""
    identity = access_of(request).require(request, role, stream=_own(request))
    found = await _journal(request).find(id)
    if found is None or not identity.sees(found.stream):
        raise NotFound(f"no event has the id {id[:80]!r}: it was deleted, or is older than events are kept")
    return found


async def _picture(request: Request, id: str, *, crop: bool) -> Response:
    found = await found_event(request, id, "view")
    data = await _journal(request).picture(id, crop=crop)
    if data is None:
        raise NotFound("this event has no picture")
    kept = "no-store" if found.ended_at is None else "private, max-age=86400"  # it may get a better one until then
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": kept})


async def _parts(request: Request, identity: Identity, wanted: EventFilter, after: int | None) -> AsyncGenerator[bytes]:
    hub, access = state_of(request).hub, access_of(request)
    async with hub.subscribe_events(wanted.stream, wanted=wanted, after=after) as mailbox, AsyncExitStack() as stack:
        stack.callback(access.watch(identity, lambda error: mailbox.end(error.message)))
        yield f"retry: {AGAIN_MS}\n\n".encode()
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    happened = await mailbox.get()
            except TimeoutError:
                yield b":\n\n"
            except StreamEnded:
                return
            else:
                yield _line(happened)


def _line(event: Event) -> bytes:
    number = f"id: {event.number}\n" if event.number else ""
    return b"%bdata: %b\n\n" % (number.encode(), msgspec.json.encode(event))


def _report(record: EventRecord) -> EventReport:
    return EventReport.model_validate(structs.asdict(record))
