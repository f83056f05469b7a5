"""The HTTP API of zones and lines: what a stream has, what they counted, and how they are set."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from sightline.analytics.zones.board import ZoneBoard
from sightline.analytics.zones.register import Kind
from sightline.analytics.zones.totals import InOut, Totals
from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound, Shortage
from sightline.core.events import Event
from sightline.core.openapi import gives, refusals
from sightline.core.zones import BaseShape, CrossingLine, Zone, bad_shape
from sightline.media.codecs import encode_overlay
from sightline.security.authorization import needs
from sightline.server.api.checked import CheckedRoute
from sightline.server.state import state_of
from sightline.streams.hub import Hub

HEATMAP_SIZE = 640, 360
"""Width and height in pixels."""


class _ZoneRoute(CheckedRoute):
    def told(self, problem: Mapping[str, Any]) -> BadSetting:
        return bad_shape(Zone, problem)


class _LineRoute(CheckedRoute):
    def told(self, problem: Mapping[str, Any]) -> BadSetting:
        return bad_shape(CrossingLine, problem)


router, zones, lines = APIRouter(), APIRouter(route_class=_ZoneRoute), APIRouter(route_class=_LineRoute)


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
    unknown_classes: list[str]
    """Of its classes, those that the stream's model does not have: they count nothing."""
    counts: ShapeCounts


class ZonesOfStream(BaseModel):
    """A stream's zones and lines by name."""

    zones: dict[str, ZoneReport]
    lines: dict[str, LineReport]


@router.get(
    "/api/streams/{stream}/zones",
    tags=["zones"],
    responses=refusals(BadRequest),
    dependencies=[needs("view", "publish")],
)
async def zones_of_stream(request: Request, stream: str) -> ZonesOfStream:
    """The zones and lines of a stream, live or not, and what they counted."""
    hub = state_of(request).hub
    board = hub.zones.board(stream)
    return ZonesOfStream(
        zones={name: _zone_report(hub, board, name) for name in board.zones},
        lines={name: _line_report(hub, board, name) for name in board.lines},
    )


@router.get(
    "/api/streams/{stream}/heatmap.png",
    tags=["zones"],
    response_class=Response,
    responses=gives("image/png") | refusals(BadRequest),
    dependencies=[needs("view")],
)
async def heatmap(request: Request, stream: str) -> Response:
    """Where a stream's objects have been of late, to be laid over its picture: what was seen most is opaque.

    A second weighs half after ten minutes. The picture is 640 x 360, whatever the stream's shape.
    """
    board = state_of(request).hub.zones.board(stream)
    picture = await asyncio.to_thread(lambda: encode_overlay(board.heatmap(), HEATMAP_SIZE))
    return Response(picture, media_type="image/png", headers={"Cache-Control": "no-store"})


SETTING = refusals(BadRequest, BadSetting, LimitReached, Shortage)
FINDING = refusals(BadRequest, NotFound, Shortage)


@zones.put("/api/streams/{stream}/zones/{name}", tags=["zones"], responses=SETTING, dependencies=[needs("publish")])
async def put_zone(request: Request, stream: str, name: str, zone: Zone) -> ZoneReport:
    """Set a zone. It takes the place of the one of this name, whose counts it has."""
    hub = state_of(request).hub
    await _kept(hub, stream, hub.zones.put(stream, name, zone))
    return _zone_report(hub, hub.zones.board(stream), name)


@lines.put("/api/streams/{stream}/lines/{name}", tags=["zones"], responses=SETTING, dependencies=[needs("publish")])
async def put_line(request: Request, stream: str, name: str, line: CrossingLine) -> LineReport:
    """Set a line. It takes the place of the one of this name, whose counts it has."""
    hub = state_of(request).hub
    await _kept(hub, stream, hub.zones.put(stream, name, line))
    return _line_report(hub, hub.zones.board(stream), name)


@router.delete(
    "/api/streams/{stream}/zones/{name}",
    tags=["zones"],
    status_code=204,
    responses=FINDING,
    dependencies=[needs("publish")],
)
async def remove_zone(request: Request, stream: str, name: str) -> Response:
    """Remove a zone and its counts. The visits to it end."""
    hub = state_of(request).hub
    await _kept(hub, stream, hub.zones.remove(stream, "zone", name))
    return Response(status_code=204)


@router.delete(
    "/api/streams/{stream}/lines/{name}",
    tags=["zones"],
    status_code=204,
    responses=FINDING,
    dependencies=[needs("publish")],
)
async def remove_line(request: Request, stream: str, name: str) -> Response:
    """Remove a line and its counts."""
    hub = state_of(request).hub
    await _kept(hub, stream, hub.zones.remove(stream, "line", name))
    return Response(status_code=204)


@router.post(
    "/api/streams/{stream}/zones/{name}/reset", tags=["zones"], responses=FINDING, dependencies=[needs("publish")]
)
async def reset_zone(request: Request, stream: str, name: str) -> ZoneReport:
    """Have a zone count from nothing. Who is in it has entered it."""
    hub = state_of(request).hub
    return _zone_report(hub, await _reset(hub, stream, "zone", name), name)


@router.post(
    "/api/streams/{stream}/lines/{name}/reset", tags=["zones"], responses=FINDING, dependencies=[needs("publish")]
)
async def reset_line(request: Request, stream: str, name: str) -> LineReport:
    """Have a line count from nothing."""
    hub = state_of(request).hub
    return _line_report(hub, await _reset(hub, stream, "line", name), name)


async def _reset(hub: Hub, stream: str, kind: Kind, name: str) -> ZoneBoard:
    board = hub.zones.find(stream, kind, name)
    board.reset(kind, name)
    await hub.zones.save()
    return board


async def _kept(hub: Hub, stream: str, ended: tuple[Event, ...]) -> None:
    """Tell what a change has ended, and save it."""
    hub.emit_ends(stream, *ended)
    await hub.zones.save()


def _zone_report(hub: Hub, board: ZoneBoard, name: str) -> ZoneReport:
    counted, totals = board.counted().zones[name], board.totals("zone", name)
    dwell = {
        class_name: ClassDwell(visits=one.visits, mean=round(one.seconds / one.visits, 2), longest=one.longest)
        for class_name, one in totals.dwell.items()
    }
    zone, counts = board.zones[name], _counts(totals)
    unknown = _unknown(hub, board.stream, zone)
    return ZoneReport(
        zone=zone, unknown_classes=unknown, now=counted.now, most=counted.most, dwell=dwell, counts=counts
    )


def _line_report(hub: Hub, board: ZoneBoard, name: str) -> LineReport:
    line = board.lines[name]
    unknown = _unknown(hub, board.stream, line)
    return LineReport(line=line, unknown_classes=unknown, counts=_counts(board.totals("line", name)))


def _unknown(hub: Hub, stream: str, shape: BaseShape) -> list[str]:
    live = hub.streams.get(stream)
    model = (hub.worker if live is None else live.model.next_worker).model
    return [] if model is None else [name for name in shape.classes or () if name not in model.card.labels]


def _counts(totals: Totals) -> ShapeCounts:
    return ShapeCounts(
        since=totals.since or None,
        total=_movements(totals.total),
        hours={key: _movements(one) for key, one in totals.hours.items()},
        days={key: _movements(one) for key, one in totals.days.items()},
    )


def _movements(one: InOut) -> Movements:
    return Movements.model_validate({"in": one.into, "out": one.out})


router.include_router(zones)
router.include_router(lines)
