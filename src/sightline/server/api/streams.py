"""The HTTP API of streams: their figures, and what can be changed of them while they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from sightline.core.errors import (
    BadRequest,
    BadSetting,
    LimitReached,
    ModelError,
    Shortage,
    SourceError,
    StreamBusy,
    StreamNotFound,
    Superseded,
)
from sightline.core.openapi import gives, refusals
from sightline.core.schedule import ScheduleText
from sightline.security.authorization import access_of, needs
from sightline.server.api.checked import checked_by
from sightline.server.api.schemas import Ready
from sightline.server.api.stream_stats import StreamDetail, StreamStats, stream_detail, stream_stats
from sightline.server.state import ServerState, state_of
from sightline.settings.presets import PresetName
from sightline.settings.stream import EXPECTED, AskedSettings, Whole, bad_setting
from sightline.streams.adaptive.service import change_preset, restart
from sightline.streams.hub import Hub
from sightline.streams.kept_camera import MOST_CHARACTERS, check_display_name

router = APIRouter()

MOST_WORDS = 200
"""Characters of a trouble that are told."""


DisplayName = Annotated[str, Field(strict=True, max_length=MOST_CHARACTERS), AfterValidator(check_display_name)]
changes = APIRouter(route_class=checked_by(bad_setting))


class StreamChange(AskedSettings):
    """What can be changed of a stream while it runs. What is not given stays; null is the server's own."""

    preset: PresetName | None = None
    priority: Annotated[int, Field(strict=True, ge=-100, le=100), Whole] | None = None
    max_fps: float | None = Field(None, ge=0.1, le=240)
    detect: Annotated[bool, Field(strict=True)] | None = None
    name: DisplayName | None = None
    """What people call it; null for the stream's own name."""
    paused: Annotated[bool, Field(strict=True)] | None = None
    """Whether the server leaves its source alone for now; only of those that it pulls."""
    group: DisplayName | None = None
    """Under what pages show it: any text; null for nothing."""
    before: Annotated[str, Field(strict=True, max_length=64)] | None = None
    """Another stream, before which it stands from now on; null for the last place."""
    record: Literal["off", "events", "always"] | None = None
    """What of it is recorded; null for what the settings say."""
    record_schedule: ScheduleText | None = None
    """Times of the week at which it is, such as mon-fri 22:00-06:00; "" for all, null for what the settings say."""
    source: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """What the server pulls from now on; null for nothing, where the camera will send by itself. For admins of all."""

    @property
    def managed(self) -> set[str]:
        """What is given of those keys that are for admins."""
        return self.model_fields_set & {"name", "paused", "group", "before", "record", "record_schedule"}


class Streams(BaseModel):
    """All streams that are, or within the last minute were, live, and whether their frames get results."""

    ready: bool
    reason: str
    trouble: str
    """What else fails at the moment, in one line, for those who manage the server; empty while all is well."""
    lan_since: float | None
    """When LAN mode was opened, in milliseconds since 1970, for those who manage the server; null while it is not."""
    streams: list[StreamStats]


def readiness(state: ServerState) -> Ready:
    """Whether frames get results."""
    unready = state.unready
    return Ready(ready=unready is None, reason=unready or "the model is loaded")


@router.get("/api/streams", tags=["streams"], dependencies=[needs()])
async def streams(request: Request) -> Streams:
    """All streams that one may see."""
    state = state_of(request)
    hub = state.hub
    access = access_of(request)
    identity = access.require(request, stream=None)
    ready = readiness(state)
    if state.hubs is None:
        streams = hub.streams
        found = [stream_stats(hub, streams[name]) for name in hub.cameras.arranged(filter(identity.sees, streams))]
    else:
        found = [one for one in state.hubs.streams() if identity.sees(one.name)]
    manages = identity.may("admin", None)
    return Streams(
        ready=ready.ready,
        reason=ready.reason,
        trouble=_one_line(state.troubles if manages else {}),
        lan_since=state.lan.since * 1000 if manages and state.lan.since is not None else None,
        streams=found,
    )


def _one_line(troubles: Mapping[str, str]) -> str:
    """The first of the troubles, and how many more there are."""
    told = [f"{what} failed: {' '.join(why.split())}"[:MOST_WORDS] for what, why in troubles.items()]
    return " ".join([*told[:1], *([f"({len(told) - 1} more)"] if len(told) > 1 else [])])


@router.get(
    "/api/streams/{stream}",
    tags=["streams"],
    responses=refusals(BadRequest, StreamNotFound),
    dependencies=[needs("view", "publish")],
)
async def one_stream(request: Request, stream: str) -> StreamDetail:
    """One stream, with what its model knows and what it found of late."""
    hub = state_of(request).hub
    return stream_detail(hub, hub.find(stream))


@changes.patch(
    "/api/streams/{stream}",
    tags=["streams"],
    responses=refusals(
        BadRequest,
        SourceError,
        StreamNotFound,
        StreamBusy,
        Superseded,
        BadSetting,
        LimitReached,
        ModelError,
        Shortage,
    ),
    dependencies=[needs("publish")],
)
async def change_stream(request: Request, stream: str, change: StreamChange) -> StreamDetail:
    """Change what is given, all of it or nothing, and tell the camera. Answers when it is in force.

    A model that is not there yet is loaded first, while the old one goes on: that may take seconds.
    """
    hub = state_of(request).hub
    found = hub.find(stream)
    if change.priority is not None:  # which concerns the others
        access_of(request).require(request, "admin", stream=None)
    if change.managed:
        # What stands before it moves on.
        access_of(request).require(request, "admin", stream=None if "before" in change.managed else stream)
        hub.cameras.check_change(stream, paused=change.paused)
        if change.before is not None and (change.before == stream or change.before not in hub.streams):
            raise BadSetting.of("before", change.before, EXPECTED["before"])
    source = await _checked_source(request, stream, change)
    chosen, tracking = change.given(), change.tracking()
    if chosen or tracking:
        await hub.change(found, chosen, tracking)
    if source is not None:
        await hub.cameras.set_source(stream, source)
    if change.managed:
        await _manage(hub, stream, change)
    if change.priority is not None:
        found.limit(priority=change.priority, max_fps=found.max_fps)
    if "max_fps" in change.model_fields_set:
        found.limit(priority=found.priority, max_fps=change.max_fps)
        most = "as many fps as it likes" if change.max_fps is None else f"at most {change.max_fps:g} fps"
        restart(found, hub.settings, f"the stream is to have {most}")
    if "detect" in change.model_fields_set:
        found.switch(change.detect is not False)
    if change.preset is not None:
        change_preset(found, hub.settings, change.preset)
    return stream_detail(hub, found)


async def _manage(hub: Hub, stream: str, change: StreamChange) -> None:
    given: dict[str, Any] = {key: getattr(change, key) or "" for key in ("name", "group") if key in change.managed}
    if change.paused is not None:
        given["paused"] = change.paused
    given |= {key: getattr(change, key) for key in ("record", "record_schedule") if key in change.managed}
    if given:
        await hub.cameras.change(stream, **given)
    if "before" in change.managed:
        here = filter(hub.placement.here, {*hub.streams, *hub.cameras.names})
        await hub.cameras.move(stream, change.before, here)


async def _checked_source(request: Request, stream: str, change: StreamChange) -> str | None:
    """Return the new source, "" for none; None where it stays."""
    if "source" not in change.model_fields_set:
        return None
    access_of(request).require(request, "admin", stream=None)
    cameras = state_of(request).hub.cameras
    cameras.check_replaceable(stream)
    return "" if change.source is None else await cameras.check(change.source)


@router.get(
    "/api/streams/{stream}/thumbnail.jpg",
    tags=["streams"],
    response_class=Response,
    responses=gives("image/jpeg") | refusals(BadRequest, StreamNotFound),
    dependencies=[needs("view")],
)
async def thumbnail(request: Request, stream: str) -> Response:
    """The newest picture, as the camera sent it where it sends JPEGs. Costs no decoding and no inference."""
    latest = state_of(request).hub.find(stream).meters.latest
    if latest is None:
        raise StreamNotFound(f"stream {stream!r} has no picture yet")
    picture = await state_of(request).drawing.picture(latest)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


router.include_router(changes)
