"""The HTTP API of cameras: whether one is there, and what processes its frames."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sightline.core.errors import BadRequest, StreamNotFound
from sightline.core.openapi import refusals
from sightline.security.authorization import needs
from sightline.server.api.stream_stats import stream_state
from sightline.server.state import state_of
from sightline.streams.stream import Stream

router = APIRouter()


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
