"""The HTTP API of events' clips: what was recorded while something happened, with the seconds before and after."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from sightline.core.errors import NotFound, Shortage
from sightline.core.events import EventRecord
from sightline.core.openapi import gives, refusals
from sightline.recordings.recorder import MOST_EVENT_S
from sightline.server.api.events import found_event
from sightline.server.api.recorded import recordings_of
from sightline.server.kept_file import KeptFile
from sightline.server.state import state_of

router = APIRouter(tags=["events"])


class EventClip(BaseModel):
    """The time of a happening, with the seconds before and after."""

    from_: float = Field(serialization_alias="from")
    """Seconds since 1970, as `to`."""
    to: float
    file: str | None
    """Where the clip is; null where nothing is recorded of it."""


@router.get("/api/events/{id}/clip", responses=refusals(NotFound, Shortage))
async def clip(request: Request, id: str) -> EventClip:
    """Whether it was recorded, and from when to when its clip would be."""
    found = await found_event(request, id, "view")
    start, end = _span(request, found)
    segments = await asyncio.to_thread(recordings_of(request).segments, found.stream, start, end)
    return EventClip(from_=start, to=end, file=f"/api/events/{found.id}/clip.mp4" if segments else None)


@router.get(
    "/api/events/{id}/clip.mp4",
    response_class=FileResponse,
    responses=gives("video/mp4") | refusals(NotFound, Shortage),
)
async def clip_file(request: Request, id: str) -> FileResponse:
    """Its clip as recorded, from the key frame before it on, and five minutes of what lasts. It is made when asked."""
    found = await found_event(request, id, "view")
    path = await state_of(request).exports.cut(found.stream, *_span(request, found))
    return KeptFile(
        path,
        media_type="video/mp4",
        filename=f"sightline-{found.id}.mp4",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _span(request: Request, found: EventRecord) -> tuple[float, float]:
    settings = state_of(request).hub.settings
    ended = time.time() if found.ended_at is None else found.ended_at
    end = min(max(ended, found.started_at), found.started_at + MOST_EVENT_S)
    return found.started_at - settings.record_before_s, end + settings.record_after_s
