"""The HTTP API of a stream's figures over the last day."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sightline.core.errors import BadRequest
from sightline.core.openapi import refusals
from sightline.core.types import check_stream_name
from sightline.security.authorization import needs
from sightline.server.state import state_of
from sightline.streams.minute import Minute

router = APIRouter()


class MinuteFigures(BaseModel):
    """A stream's figures in one minute."""

    at: int
    """When it began, in seconds since 1970."""
    fps: float
    """Results a second."""
    latency_ms: float | None
    """Mean time from a frame's arrival to its result's delivery; null where there was no result."""
    lost: int
    """Frames without the result that somebody wanted."""
    objects: dict[str, int]
    """Most objects of each class that were in one picture."""
    shares: dict[str, float]
    """Largest share of a picture that each class had, 0 to 1, for a segmentation."""


class StreamHistory(BaseModel):
    """A stream's figures over the last day."""

    now: float
    """Seconds since 1970."""
    minutes: list[MinuteFigures]
    """Those in which frames came that somebody wanted, oldest first. The last one may not be over yet."""


@router.get(
    "/api/streams/{stream}/history",
    tags=["streams"],
    responses=refusals(BadRequest),
    dependencies=[needs("view")],
)
async def history(request: Request, stream: str) -> StreamHistory:
    """The figures of a stream by the minute, live or not: of the last day at most, and since the server's start."""
    now = time.time()
    found = state_of(request).histories.minutes(check_stream_name(stream), now)
    return StreamHistory(now=round(now, 3), minutes=[_figures(minute) for minute in found])


def _figures(minute: Minute) -> MinuteFigures:
    return MinuteFigures(
        at=minute.at,
        fps=round(minute.delivered / max(minute.seconds, 1.0), 2),
        latency_ms=round(minute.latency_ms / minute.delivered, 2) if minute.delivered else None,
        lost=minute.lost,
        objects=minute.objects,
        shares={name: round(share, 4) for name, share in minute.shares.items()},
    )
