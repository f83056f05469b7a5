"""The HTTP API of search: when something was seen, or happened, as moments with pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from sightline.core.errors import BadRequest, BadSetting, Shortage
from sightline.core.events import EventFilter
from sightline.core.openapi import refusals
from sightline.core.types import STREAM_NAME
from sightline.events.store import StoredEvent
from sightline.recordings.recordings import Recordings
from sightline.security.authorization import access_of
from sightline.security.tokens import ALL
from sightline.server.api.recorded import FOREVER, From, To, check_order, recordings_of
from sightline.server.state import state_of

router = APIRouter(tags=["recordings"])

Word = Annotated[str | None, Query(min_length=1, max_length=200)]
SIGHTING, EVENT = r"\d{1,12}(\.\d{1,6})?~[A-Za-z0-9_-]{1,64}", r"\d{1,16}"
"""What ``before`` looks like: moment and stream, or the number of an event."""


class FoundMoment(BaseModel):
    """A class came into sight, or something happened."""

    stream: str
    at: float
    class_name: str
    count: int
    """How many were seen at once; of what happened, 1."""
    zone: str = ""
    """Zone or line of what happened."""
    rule: str = ""
    event: str = ""
    """Id of what happened; empty for what was only seen."""
    recorded: bool = True
    """Whether the moment is recorded. Else there is the event's picture alone."""


class FoundPage(BaseModel):
    """Moments, newest first."""

    found: list[FoundMoment]
    next: str | None
    """``before`` of the next page; null at the end."""


def searched(request: Request) -> str | None:
    """Return the stream that is asked for; None for all. Raises what access to it raises."""
    access, stream = access_of(request), request.query_params.get("stream")
    if stream is None:
        own = access.require(request, stream=None).stream
        stream = None if own == ALL else own
    access.require(request, "view", stream=stream)
    return stream


@router.get("/api/search", responses=refusals(BadRequest, BadSetting, Shortage))
async def search(
    request: Request,
    only: Annotated[str | None, Depends(searched)],
    class_name: Annotated[str | None, Query(alias="class", min_length=1, max_length=200)] = None,
    zone: Word = None,
    rule: Word = None,
    stream: Annotated[str | None, Query(pattern=f"^{STREAM_NAME.pattern}$")] = None,
    from_: From = 0,
    to: To = FOREVER,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(pattern=f"^({SIGHTING}|{EVENT})$")] = None,
) -> FoundPage:
    """When a class came into sight, or something happened in a zone, at a line or by a rule, newest first.

    In a stream, or in all that one may view. At least one of `class`, `zone` and `rule` is needed. For the next page
    `before` is this one's `next`.
    """
    if class_name is None and zone is None and rule is None:
        raise BadRequest("expected class, zone or rule: what to look for")
    check_order(from_, to)
    by_events = zone is not None or rule is not None
    if before is not None and ("~" in before) == by_events:
        raise BadRequest(f"before={before}: expected the next of a page of the same search")
    if by_events:
        wanted = EventFilter(only, None, class_name, zone, rule)
        return await _happened(request, wanted, from_, to, limit, None if before is None else int(before))
    assert class_name is not None
    after = None if before is None else (float(before.partition("~")[0]), before.partition("~")[2])
    streams = None if only is None else [only]
    ask = recordings_of(request).search
    found = await asyncio.to_thread(ask, class_name, streams, from_, to, limit + 1, after)
    last = found[limit - 1] if len(found) > limit else None
    following = None if last is None else f"{last.at:.3f}~{last.stream}"
    moments = [FoundMoment(stream=f.stream, at=f.at, class_name=f.class_name, count=f.count) for f in found[:limit]]
    return FoundPage(found=moments, next=following)


async def _happened(
    request: Request, wanted: EventFilter, start: float, end: float, limit: int, before: int | None
) -> FoundPage:
    journal = state_of(request).hub.journal
    assert journal is not None, "a server has one"
    found = await journal.search(wanted, limit + 1, before=before, since=start, until=end)
    following = str(found[limit - 1].number) if len(found) > limit else None
    moments = await asyncio.to_thread(_moments, recordings_of(request), found[:limit])
    return FoundPage(found=moments, next=following)


def _moments(recordings: Recordings, found: Sequence[StoredEvent]) -> list[FoundMoment]:
    return [_moment(recordings, one) for one in found]


def _moment(recordings: Recordings, found: StoredEvent) -> FoundMoment:
    one = found.record
    segment = recordings.at(one.stream, one.started_at)
    return FoundMoment(
        stream=one.stream,
        at=one.started_at,
        class_name=one.class_name,
        count=1,
        zone=one.zone,
        rule=one.rule,
        event=one.id,
        recorded=segment is not None and segment.started_at <= one.started_at,
    )
