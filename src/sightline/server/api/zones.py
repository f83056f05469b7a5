"""The HTTP API of zones and lines: what a stream has, what they counted, and how they are set."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from sightline.analytics.zones.totals import HOUR, InOut, Totals
from sightline.core.errors import BadRequest
from sightline.core.openapi import gives, refusals
from sightline.core.versions import version_of
from sightline.core.zones import CrossingLine, Zone, bad_shape
from sightline.media.codecs import encode_overlay
from sightline.security.authorization import needs
from sightline.server.api.items import ItemKind, item_routes, unknown_classes
from sightline.server.state import state_of
from sightline.streams.boards import Boards
from sightline.streams.hub import Hub

HEATMAP_SIZE = 640, 360
"""Width and height in pixels."""


router = APIRouter(tags=["zones"])


class Movements(BaseModel):
    """Objects by class that went into a zone or over a line, and those that went back."""

    into: dict[str, int] = Field(alias="in")
    out: dict[str, int]


class ShapeCounts(BaseModel):
    """What a zone or a line counted."""

    since: float | None
    """Seconds since 1970 of the first count; null while there is none."""
    total: Movements
    hours: dict[str, Movements]
    """By hour of the server's time zone, such as 2026-11-29T20: the newest 48 in which something was counted."""
    days: dict[str, Movements]
    """By day, such as 2026-11-29: the newest 31."""


class ClassDwell(BaseModel):
    """Seconds that objects of a class stayed in a zone: visits that have ended."""

    visits: int
    mean: float
    longest: float


class ZoneReport(BaseModel):
    """A zone and what it counted."""

    zone: Zone
    version: str
    """Another one with each change of the zone, for If-Match."""
    unknown_classes: list[str]
    """Of its classes, those that the stream's model does not have: they count nothing."""
    now: dict[str, int]
    """Objects that are in it, by class."""
    most: int
    """Most objects that were in it at a time."""
    dwell: dict[str, ClassDwell]
    counts: ShapeCounts


class LineReport(BaseModel):
    """A line and what it counted."""

    line: CrossingLine
    version: str
    """Another one with each change of the line, for If-Match."""
    unknown_classes: list[str]
    """Of its classes, those that the stream's model does not have: they count nothing."""
    counts: ShapeCounts


class ZonesOfStream(BaseModel):
    """A stream's zones and lines by name."""

    zones: dict[str, ZoneReport]
    lines: dict[str, LineReport]
    revision: int
    """Changes whenever other zones or lines are set; results have it in `extras.zones`, but where it is 0."""
    hour: str
    """The present hour, by whose name it is counted."""


@router.get(
    "/api/streams/{stream}/zones",
    responses=refusals(BadRequest),
    dependencies=[needs("view", "publish")],
)
async def zones_of_stream(request: Request, stream: str) -> ZonesOfStream:
    """The zones and lines of a stream, live or not, and what they counted."""
    hub = state_of(request).hub
    boards = hub.boards.of(stream)
    return ZonesOfStream(
        zones={name: _zone_report(hub, boards, name) for name in boards.zones.zones},
        lines={name: _line_report(hub, boards, name) for name in boards.zones.lines},
        revision=boards.zones.revision,
        hour=time.strftime(HOUR),
    )


@router.get(
    "/api/streams/{stream}/heatmap.png",
    response_class=Response,
    responses=gives("image/png") | refusals(BadRequest),
    dependencies=[needs("view")],
)
async def heatmap(request: Request, stream: str) -> Response:
    """Where a stream's objects have been of late, to be laid over its picture: what was seen most is opaque.

    A second weighs half after ten minutes. The picture is 640 x 360, whatever the stream's shape.
    """
    board = state_of(request).hub.boards.of(stream).zones
    picture = await asyncio.to_thread(lambda: encode_overlay(board.heatmap(), HEATMAP_SIZE))
    return Response(picture, media_type="image/png", headers={"Cache-Control": "no-store"})


def _zone_report(hub: Hub, boards: Boards, name: str) -> ZoneReport:
    board = boards.zones
    counted, totals = board.counted().zones[name], board.totals("zone", name)
    dwell = {
        class_name: ClassDwell(visits=one.visits, mean=round(one.seconds / one.visits, 2), longest=one.longest)
        for class_name, one in totals.dwell.items()
    }
    zone, counts = board.zones[name], _counts(totals)
    unknown = unknown_classes(hub, board.stream, zone.classes)
    return ZoneReport(
        zone=zone,
        version=version_of(zone.model_dump_json()),
        unknown_classes=unknown,
        now=counted.now,
        most=counted.most,
        dwell=dwell,
        counts=counts,
    )


def _line_report(hub: Hub, boards: Boards, name: str) -> LineReport:
    line = boards.zones.lines[name]
    unknown = unknown_classes(hub, boards.stream, line.classes)
    counts = _counts(boards.zones.totals("line", name))
    return LineReport(line=line, version=version_of(line.model_dump_json()), unknown_classes=unknown, counts=counts)


def _counts(totals: Totals) -> ShapeCounts:
    return ShapeCounts(
        since=totals.since or None,
        total=_movements(totals.total),
        hours={key: _movements(one) for key, one in totals.hours.items()},
        days={key: _movements(one) for key, one in totals.days.items()},
    )


def _movements(one: InOut) -> Movements:
    return Movements.model_validate({"in": one.into, "out": one.out})


router.include_router(
    item_routes(
        ItemKind(
            kind="zones",
            called="zone",
            item=Zone,
            bad=partial(bad_shape, Zone),
            report=ZoneReport,
            reported=_zone_report,
            setting="Set a zone. It takes the place of the one of this name, whose counts it has.",
            removing="Remove a zone and its counts. The visits to it end.",
            resetting="Have a zone count from nothing. Who is in it has entered it.",
        )
    )
)
router.include_router(
    item_routes(
        ItemKind(
            kind="lines",
            called="line",
            item=CrossingLine,
            bad=partial(bad_shape, CrossingLine),
            report=LineReport,
            reported=_line_report,
            setting="Set a line. It takes the place of the one of this name, whose counts it has.",
            removing="Remove a line and its counts.",
            resetting="Have a line count from nothing.",
        )
    )
)
