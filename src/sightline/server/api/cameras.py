"""The HTTP API of cameras: adding and removing them, whether one is there, and what processes its frames."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import (
    BadRequest,
    BadSetting,
    LimitReached,
    Shortage,
    SourceError,
    StreamBusy,
    StreamNotFound,
)
from sightline.core.openapi import gives, refusals
from sightline.core.types import STREAM_NAME
from sightline.security.authorization import needs
from sightline.server.api.checked import discreet
from sightline.server.api.items import keep
from sightline.server.api.stream_stats import StreamDetail, stream_detail, stream_state
from sightline.server.api.streams import DisplayName
from sightline.server.state import state_of
from sightline.streams.kept_camera import KeptCamera
from sightline.streams.stream import Stream

EXPECTED = {
    "id": "1 to 64 letters, digits, '_' or '-', or none at all",
    "name": "a text of at most 100 characters without control characters",
    "source": "a text: the address of a camera, such as rtsp://user:password@camera.lan/1",
}


Source = Annotated[str, Field(strict=True, min_length=1)]
router = APIRouter()
changes = APIRouter(route_class=discreet(EXPECTED))


class NewCamera(BaseModel):
    """A camera to be added."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(strict=True, pattern=f"^{STREAM_NAME.pattern}$")] | None = None
    """Name of its stream, which stays; made from ``name`` where it is not given."""
    name: DisplayName | None = None
    """What people call it: any text."""
    source: Source | None = None
    """What the server pulls; nothing for a camera that will send by itself."""


@changes.post(
    "/api/streams",
    tags=["streams"],
    status_code=201,
    response_model=StreamDetail,
    responses=refusals(BadRequest, SourceError, StreamBusy, BadSetting, LimitReached, Shortage),
    dependencies=[needs("admin")],
)
async def add_camera(request: Request, camera: NewCamera) -> StreamDetail | Response:
    """Add a camera, which is kept over restarts. Answers at once: whether pictures come is told by its stream."""
    hub, hubs = state_of(request).hub, state_of(request).hubs
    source = "" if camera.source is None else await hub.cameras.check(camera.source)
    name = camera.name or ""
    there = set() if hubs is None else {one.name for one in hubs.streams()}
    stream = camera.id or _free_id(name, {*hub.streams, *hub.cameras.names, *hub.boards.streams, *there})
    if hubs is not None and (address := hubs.placed(stream)) is not None:  # it is kept where it will be pulled
        from sightline.server.hubs.relay import pass_on

        given = camera.model_copy(update={"id": stream}).model_dump_json(exclude_none=True)
        return await pass_on(request, hubs, address, given.encode())
    await hub.cameras.add(stream, KeptCamera(source, name))
    return stream_detail(hub, hub.open_stream(stream))


class TriedSource(BaseModel):
    """A source to be looked at."""

    model_config = ConfigDict(extra="forbid")

    source: Source


@changes.post(
    "/api/sources/test",
    tags=["streams"],
    response_class=Response,
    responses=gives("image/jpeg") | refusals(BadRequest, SourceError, BadSetting, LimitReached),
    dependencies=[needs("admin")],
)
async def try_source(request: Request, tried: TriedSource) -> Response:
    """A source's first picture, or why none comes, within five seconds. Nothing is added."""
    picture = await state_of(request).source_trials.look(tried.source)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.delete(
    "/api/streams/{stream}",
    tags=["streams"],
    status_code=204,
    responses=refusals(BadRequest, StreamNotFound, LimitReached, Shortage),
    dependencies=[needs("admin")],
)
async def remove_camera(request: Request, stream: str) -> Response:
    """Remove a camera with its zones and rules. Its events stay until they are too old. One that sends is sent away."""
    hub = state_of(request).hub
    hub.cameras.check_removable(stream)
    if not (stream in hub.cameras or stream in hub.streams or hub.boards.has(stream)):
        raise StreamNotFound(f"no stream named {stream!r}: expected one that is there")
    await hub.cameras.remove(stream)
    await keep(hub, stream, hub.boards.forget(stream))
    hub.remove(stream, "this camera was removed from the server")
    state_of(request).histories.forget(stream)
    return Response(status_code=204)


def _free_id(name: str, taken: Collection[str]) -> str:
    """Make a stream's name of a name for people: Küche, hinten becomes Kuche-hinten."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    start = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-")[:56].strip("-") or "camera"
    numbered = (f"{start}-{number}" for number in itertools.count(2))
    return next(found for found in itertools.chain((start,), numbered) if found not in taken)


class ProcessorStats(BaseModel):
    """What processes a camera's frames."""

    model: str
    inference_size: int | None
    """The longer side of the model's input; null where it takes any, or while it loads."""
    confidence_threshold: float
    gpu_available: bool
    target_fps: float
    """Frames a second that the camera is asked for at present."""


class CameraStats(BaseModel):
    """One camera, for pages."""

    camera_connected: bool
    viewer_count: int
    processor_stats: ProcessorStats


@router.get(
    "/api/camera/{stream}/stats",
    tags=["streams"],
    responses=refusals(BadRequest, StreamNotFound),
    dependencies=[needs("view", "publish")],
)
async def camera_stats(request: Request, stream: str) -> CameraStats:
    """One camera and what processes its frames."""
    hub = state_of(request).hub
    found = hub.find(stream)
    worker = found.model.next_worker
    size = None if worker.model is None else worker.model.input_size
    return CameraStats(
        camera_connected=stream_state(found) == "live",
        viewer_count=found.viewers,
        processor_stats=ProcessorStats(
            model=worker.model_name,
            inference_size=None if size is None else max(size),
            confidence_threshold=found.model.next_options.options.confidence,
            gpu_available=worker.model is not None and worker.model.gpu_available,
            target_fps=_target_fps(found),
        ),
    )


def _target_fps(stream: Stream) -> float:
    return (stream.adaptive.asked or stream.adaptive.knobs(stream.max_fps)).fps


router.include_router(changes)
