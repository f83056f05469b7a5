"""The HTTP API: health, figures, streams, models. Every answer is a typed model, so OpenAPI tells the truth."""

from __future__ import annotations

import time
from typing import Literal

import psutil
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from sightline import __version__, prometheus
from sightline.access import access_of, needs
from sightline.adapting import begin_anew, switch
from sightline.drawing import Drawing
from sightline.errors import StreamNotFound
from sightline.hub import Hub
from sightline.loader import list_models
from sightline.outward.base import Feeder
from sightline.presets import PresetName
from sightline.stream import Stream, Subscription

router = APIRouter()
_process = psutil.Process()


class ErrorBody(BaseModel):
    """Why a request was refused."""

    code: str
    message: str


class Error(BaseModel):
    """The body of every error."""

    error: ErrorBody


class Health(BaseModel):
    """The server runs."""

    status: Literal["ok"] = "ok"
    version: str = __version__
    uptime_s: float


class Ready(BaseModel):
    """Whether frames get results. With status 503 where they don't."""

    ready: bool
    reason: str


class Percentiles(BaseModel):
    """Milliseconds from a frame's arrival to its result's delivery, over the last 512."""

    p50: float
    p95: float
    p99: float


class ViewerStats(BaseModel):
    """One viewer: what was sent to it, what it lost, and what it says of itself."""

    sent: int
    dropped: int
    fps: float | None = None
    latency_ms: float | None = None
    queue: int | None = None


class Adaptive(BaseModel):
    """What is asked of a camera to keep latency on target, and why."""

    preset: PresetName
    fps: float
    quality: float
    """Of the JPEG, 0 to 1."""
    width: int
    """Pixels of the longer side."""
    target: float
    """Milliseconds."""
    reason: str
    since: float
    """Seconds since 1970."""


class StreamChange(BaseModel):
    """What can be changed of a stream while it runs."""

    model_config = ConfigDict(extra="forbid")
    preset: PresetName | None = None
    priority: int | None = Field(None, ge=-100, le=100)
    max_fps: float | None = Field(None, ge=0.1, le=240)


class StreamStats(BaseModel):
    """One stream. received = delivered + dropped + failed + in_flight, always, exactly."""

    name: str
    state: Literal["live", "waiting", "reconnecting"]
    """reconnecting: the server pulls this stream, and no pictures come."""
    reason: str
    """Why it is reconnecting; else empty."""
    model: str
    width: int
    height: int
    received: int
    delivered: int
    reused: int
    """Of those delivered: nothing had moved, so an earlier frame's result was given."""
    browser: str
    """What runs the model in the camera's own browser; empty where this server runs it."""
    dropped: dict[str, int]
    failed: int
    in_flight: int
    fps: float
    latency_ms: Percentiles
    stages: dict[str, float]
    preset: PresetName
    priority: int
    max_fps: float | None
    adaptive: Adaptive | None
    """Null where nothing is adapted: `--adaptive off`, or a source that takes no wishes."""
    viewers: int
    viewer_stats: list[ViewerStats]


class Streams(BaseModel):
    """All streams that are, or within the last minute were, live, and whether their frames get results."""

    ready: bool
    reason: str
    streams: list[StreamStats]


class EngineStats(BaseModel):
    """What runs the model, and why that."""

    name: str
    device: str
    precision: str
    reason: str


class SinkStats(BaseModel):
    """One of the operator's sinks. What is lost was not sent because too many waited, or because it was refused."""

    name: str
    stream: str
    sent: int
    lost: int
    waiting: int
    failing: str | None
    """Why nothing could be sent the last time."""


class Stats(BaseModel):
    """The whole server. ``cpu`` is percent of one core, ``ram`` megabytes, both of this process."""

    total_frames: int
    processed_frames: int
    dropped_frames: int
    failed_frames: int
    last_latency_ms: float
    fps: float
    queue_size: int
    cpu: float
    ram: float
    model: str
    engine: EngineStats | None
    streams: dict[str, StreamStats]
    sinks: list[SinkStats]


class ProcessorStats(BaseModel):
    """What processes a camera's frames."""

    model: str
    inference_size: list[int] | None
    """Width and height of the model's input; null where it takes any."""
    confidence_threshold: float
    gpu_available: bool
    target_fps: float


class CameraStats(BaseModel):
    """One camera, for pages."""

    camera_connected: bool
    viewer_count: int
    processor_stats: ProcessorStats


class ModelInfo(BaseModel):
    """A model that ``--model`` takes by name, or the one that runs."""

    name: str
    family: str
    task: str
    labels: list[str]
    input_size: tuple[int, int] | None
    licence: str
    source: str
    description: str
    active: bool


class Models(BaseModel):
    """Built-in models, and the one that runs."""

    models: list[ModelInfo]


def hub_of(request: Request) -> Hub:
    """The server's hub."""
    hub: Hub = request.app.state.hub
    return hub


def stream_stats(stream: Stream, model: str) -> StreamStats:
    """One stream's figures."""
    width, height = stream.latest.size if stream.latest else (0, 0)
    viewers = [s for s in stream.subscriptions if s.kind == "viewer"]
    return StreamStats(
        name=stream.name,
        state=_state(stream),
        reason=stream.paused or "",
        model=model,
        width=width,
        height=height,
        received=stream.ledger.received,
        delivered=stream.ledger.delivered,
        reused=stream.reused,
        browser=stream.last_result.browser if stream.last_result else "",
        dropped=dict(stream.ledger.dropped),
        failed=stream.ledger.failed,
        in_flight=stream.in_flight,
        fps=round(stream.rate.value(), 2),
        latency_ms=Percentiles(**stream.latency.percentiles()),
        stages=stream.stages.values(),
        preset=stream.preset,
        priority=stream.priority,
        max_fps=stream.max_fps,
        adaptive=_adaptive(stream),
        viewers=len(viewers),
        viewer_stats=[_viewer_stats(viewer) for viewer in viewers],
    )


def _state(stream: Stream) -> Literal["live", "waiting", "reconnecting"]:
    if stream.publisher is None:
        return "waiting"
    return "live" if stream.paused is None else "reconnecting"


def _adaptive(stream: Stream) -> Adaptive | None:
    controller = stream.controller
    if controller is None:
        return None
    return Adaptive(
        preset=stream.preset,
        fps=controller.knobs.fps,
        quality=controller.knobs.quality,
        width=controller.knobs.width,
        target=controller.target_ms,
        reason=controller.reason,
        since=round(time.time() - time.monotonic() + controller.since, 3),
    )


def _viewer_stats(viewer: Subscription) -> ViewerStats:
    told = ViewerStats(sent=viewer.sent, dropped=viewer.mailbox.dropped)
    if viewer.stats is not None:
        told.fps, told.latency_ms, told.queue = viewer.stats.fps, viewer.stats.latency, viewer.stats.queueSize
    return told


@router.get("/health", tags=["health"])
async def health(request: Request) -> Health:
    """200 while the server runs."""
    return Health(uptime_s=round(time.monotonic() - request.app.state.started_at, 1))


@router.get("/ready", tags=["health"], responses={503: {"model": Ready}})
async def ready(request: Request, response: Response) -> Ready:
    """200 while frames get results; 503 while a model loads, failed, or the worker is dead."""
    ready = _readiness(hub_of(request))
    response.status_code = 200 if ready.ready else 503
    return ready


def _readiness(hub: Hub) -> Ready:
    unready = hub.stopping or hub.worker.unready
    return Ready(ready=unready is None, reason=unready or "the model is loaded")


@router.get("/stats", tags=["figures"], dependencies=[needs("view")])
async def stats(request: Request) -> Stats:
    """Totals and every stream's figures."""
    hub = hub_of(request)
    streams = list(hub.streams.values())
    finished = [s.last_result for s in streams if s.last_result is not None]
    newest = max(finished, key=lambda r: r.finished_at, default=None)
    dropped = sum(s.ledger.dropped.total() for s in streams)
    return Stats(
        total_frames=hub.past.received + sum(s.ledger.received for s in streams),
        processed_frames=hub.past.delivered + sum(s.ledger.delivered for s in streams),
        dropped_frames=hub.past.dropped.total() + dropped,
        failed_frames=hub.past.failed + sum(s.ledger.failed for s in streams),
        last_latency_ms=round(hub.streams[newest.frame.stream].latency.last, 2) if newest else 0.0,
        fps=round(sum(s.rate.value() for s in streams), 2),
        queue_size=sum(s.slot is not None for s in streams),
        cpu=_process.cpu_percent(),
        ram=round(_process.memory_info().rss / 2**20, 1),
        model=hub.worker.model_name,
        engine=_engine(hub),
        streams={s.name: stream_stats(s, hub.worker.model_name) for s in streams},
        sinks=[_sink_stats(feeder) for feeder in request.app.state.feeders],
    )


def _sink_stats(feeder: Feeder) -> SinkStats:
    name, stream = feeder.outlet.name, feeder.stream
    return SinkStats(
        name=name, stream=stream, sent=feeder.sent, lost=feeder.lost, waiting=feeder.waiting, failing=feeder.failing
    )


def _engine(hub: Hub) -> EngineStats | None:
    loaded = hub.worker.loaded
    if loaded is None or loaded.model.engine is None:
        return None
    engine = loaded.model.engine
    return EngineStats(name=engine.name, device=engine.device, precision=engine.precision, reason=loaded.engine_reason)


@router.get("/api/streams", tags=["streams"], dependencies=[needs()])
async def streams(request: Request) -> Streams:
    """All streams that one may see."""
    hub = hub_of(request)
    access = access_of(request)
    identity = access.require(request, stream=None)
    ready = _readiness(hub)
    found = [stream_stats(s, hub.worker.model_name) for s in hub.streams.values() if identity.sees(s.name)]
    return Streams(ready=ready.ready, reason=ready.reason, streams=found)


@router.get(
    "/api/streams/{stream}",
    tags=["streams"],
    responses={404: {"model": Error}},
    dependencies=[needs("view", "publish")],
)
async def one_stream(request: Request, stream: str) -> StreamStats:
    """One stream."""
    hub = hub_of(request)
    return stream_stats(hub.find(stream), hub.worker.model_name)


@router.patch(
    "/api/streams/{stream}",
    tags=["streams"],
    responses={404: {"model": Error}, 422: {"model": Error}},
    dependencies=[needs("publish")],
)
async def change_stream(request: Request, stream: str, change: StreamChange) -> StreamStats:
    """Change what is given, at once, and tell the camera."""
    hub = hub_of(request)
    found = hub.find(stream)
    if change.priority is not None:  # which concerns the others
        access_of(request).require(request, "admin", stream=None)
        found.priority = change.priority
    if change.max_fps is not None:
        found.max_fps = change.max_fps
        begin_anew(found, hub.settings, f"the stream is to have at most {change.max_fps:g} fps")
    if change.preset is not None:
        switch(found, hub.settings, change.preset)
    return stream_stats(found, hub.worker.model_name)


@router.get(
    "/api/streams/{stream}/thumbnail.jpg",
    tags=["streams"],
    response_class=Response,
    responses={404: {"model": Error}},
    dependencies=[needs("view")],
)
async def thumbnail(request: Request, stream: str) -> Response:
    """The newest picture, as the camera sent it where it sends JPEGs. Costs no decoding and no inference."""
    latest = hub_of(request).find(stream).latest
    if latest is None:
        raise StreamNotFound(f"stream {stream!r} has no picture yet")
    drawing: Drawing = request.app.state.drawing
    return Response(await drawing.picture(latest), media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.get(
    "/api/camera/{stream}/stats",
    tags=["streams"],
    responses={404: {"model": Error}},
    dependencies=[needs("view", "publish")],
)
async def camera_stats(request: Request, stream: str) -> CameraStats:
    """One camera and what processes its frames."""
    hub = hub_of(request)
    found = hub.find(stream)
    model = hub.worker.model
    size = None if model is None else model.input_size
    return CameraStats(
        camera_connected=_state(found) == "live",
        viewer_count=found.viewers,
        processor_stats=ProcessorStats(
            model=hub.worker.model_name,
            inference_size=None if size is None else list(size),
            confidence_threshold=hub.settings.conf if model is None else model.confidence,
            gpu_available=hub.worker.loaded is not None and hub.worker.loaded.gpu_available,
            target_fps=hub.settings.max_fps,
        ),
    )


@router.get("/api/models", tags=["models"], dependencies=[needs()])
async def models(request: Request) -> Models:
    """Built-in models, and the one that runs."""
    model = hub_of(request).worker.model
    active = None if model is None else model.card
    cards = {card.name: card for card in [*list_models(), *([active] if active else [])]}
    return Models(
        models=[
            ModelInfo(
                name=card.name,
                family=card.family,
                task=card.task,
                labels=list(card.labels),
                input_size=card.input_size,
                licence=card.licence,
                source=card.source,
                description=card.description,
                active=active is not None and card.name == active.name,
            )
            for card in cards.values()
        ]
    )


@router.get("/metrics", tags=["figures"], response_class=Response, dependencies=[needs("view")])
async def metrics(request: Request) -> Response:
    """All figures for Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(prometheus.HubCollector(hub_of(request)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
