"""The HTTP API: health and figures. Every answer is a typed model, so OpenAPI tells the truth."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Literal

import psutil
from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel

from sightline.core.openapi import gives
from sightline.core.version import __version__
from sightline.events.journal import Journal
from sightline.inference.pool import Pooled
from sightline.inference.worker import ModelWorker
from sightline.outputs._dispatcher import Dispatcher
from sightline.recordings.recordings import Recordings
from sightline.security.authorization import needs
from sightline.server.api import prometheus
from sightline.server.api.cluster_stats import ClusterStats, cluster_stats
from sightline.server.api.schemas import Ready
from sightline.server.api.stream_stats import StreamStats, stream_stats
from sightline.server.api.streams import readiness
from sightline.server.state import state_of
from sightline.streams.predictor import Predictor

router = APIRouter()
_process = psutil.Process()


class Health(BaseModel):
    """The server runs."""

    status: Literal["ok"] = "ok"
    version: str = __version__
    uptime_s: float


class EngineStats(BaseModel):
    """What runs the model, and why that."""

    name: str
    device: str
    precision: str
    reason: str


class LoadedModel(BaseModel):
    """A model that is in memory, or on its way. One instance serves all streams that have it."""

    name: str
    engine: EngineStats | None
    """Null for a model without one, or while it loads."""
    imgsz: int | None
    """The longer side of its input; null where it has none."""
    state: Literal["loading", "ready"]
    streams: list[str]
    memory_mb: float
    """What it takes, about."""
    instances: int
    """Copies of it that share its streams."""
    restarts: int
    """Times that what it runs in died and was started again."""
    processes: list[int]
    """Processes that it has for itself."""
    reason: str
    """Why no results come from it; empty while it is well."""


class SinkStats(BaseModel):
    """One of the operator's sinks. What is lost was not sent because too many waited, or because it was refused."""

    name: str
    stream: str
    sent: int
    lost: int
    waiting: int
    failing: str | None
    """Why nothing could be sent the last time."""
    refused: int
    """Commands from outside that were not obeyed."""


class PushStats(BaseModel):
    """Web Push: messages to devices, through the push services of their browsers."""

    devices: int
    """Devices that asked for it."""
    told: int
    """Messages that a service has taken."""
    lost: int
    """Events that a service did not take, or that came too fast; those that concern no device count as well."""


class EventStats(BaseModel):
    """Events since the server's start."""

    told: int
    """Starts, updates and ends."""
    lost: int
    """Those of them that will not be stored, as the disk was full for too long, or they could not be written."""


class RecordedFrames(BaseModel):
    """Frames that were to be recorded. recorded = written + lost + waiting, always, exactly."""

    recorded: int
    written: int
    lost: dict[str, int]
    waiting: int


class Posted(BaseModel):
    """Pictures of `POST /api/predict`. received = delivered + dropped + failed + in_flight, always, exactly."""

    received: int
    delivered: int
    dropped: dict[str, int]
    failed: int
    in_flight: int


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
    models: list[LoadedModel]
    cluster: ClusterStats | None
    """Null where no model runs on a cluster."""
    streams: dict[str, StreamStats]
    posted: Posted
    sinks: list[SinkStats]
    push: PushStats
    events: EventStats
    recordings: dict[str, RecordedFrames]
    """By stream, since the server's start."""
    restarts: dict[str, int]
    """How often a task of the server failed and was started again, by its name."""
    troubles: dict[str, str]
    """What fails at the moment, and why: tasks of the server, outputs, and parts of streams."""


@router.get("/health", tags=["health"], responses={503: {"model": Health}})
async def health(request: Request, response: Response) -> Health:
    """200 while the server runs. 503 where it can't mend itself and is about to end."""
    response.status_code = 200 if state_of(request).hopeless is None else 503
    return Health(uptime_s=round(time.monotonic() - state_of(request).started_at, 1))


@router.get("/ready", tags=["health"], responses={503: {"model": Ready}})
async def ready(request: Request, response: Response) -> Ready:
    """200 while frames get results; 503 while a model loads, failed, or the worker is dead."""
    ready = readiness(state_of(request))
    response.status_code = 200 if ready.ready else 503
    return ready


@router.get("/stats", tags=["figures"], dependencies=[needs("view")])
async def stats(request: Request) -> Stats:
    """Totals and every stream's figures."""
    state = state_of(request)
    hub = state.hub
    streams = list(hub.streams.values())
    finished = [s.meters.last_result for s in streams if s.meters.last_result is not None]
    newest = max(finished, key=lambda r: r.finished_at, default=None)
    dropped = sum(s.meters.ledger.dropped.total() for s in streams)
    return Stats(
        total_frames=hub.past.received + sum(s.meters.ledger.received for s in streams),
        processed_frames=hub.past.delivered + sum(s.meters.ledger.delivered for s in streams),
        dropped_frames=hub.past.dropped.total() + dropped,
        failed_frames=hub.past.failed + sum(s.meters.ledger.failed for s in streams),
        last_latency_ms=round(hub.streams[newest.frame.stream].meters.latency.last, 2) if newest else 0.0,
        fps=round(sum(s.meters.rate.value() for s in streams), 2),
        queue_size=sum(s.waiting for s in streams),
        cpu=_process.cpu_percent(),
        ram=round(_process.memory_info().rss / 2**20, 1),
        model=hub.worker.model_name,
        engine=_engine(hub.worker),
        models=[_loaded(one, hub.streams) for one in hub.pool.models],
        cluster=cluster_stats(hub.pool),
        streams={s.name: stream_stats(hub, s) for s in streams},
        posted=_posted(state.predictor),
        sinks=[sink_stats(dispatcher) for dispatcher in state.dispatchers],
        push=PushStats(devices=state.push.subscribed, told=state.push.told, lost=state.push.lost),
        events=_events(state.hub.journal),
        recordings=_recorded(state.hub.listeners.recordings),
        restarts=dict(state.hub.supervisor.restarts),
        troubles=state.troubles,
    )


def _events(journal: Journal | None) -> EventStats:
    assert journal is not None, "a server has one"
    return EventStats(told=journal.told, lost=journal.lost)


def _recorded(recordings: Recordings | None) -> dict[str, RecordedFrames]:
    assert recordings is not None, "a server has them"
    return {
        name: RecordedFrames(recorded=one.recorded, written=one.written, lost=dict(one.lost), waiting=one.waiting)
        for name, one in recordings.recorders.items()
        if one.recorded
    }


def _posted(predictor: Predictor) -> Posted:
    ledger = predictor.ledger
    return Posted(
        received=ledger.received,
        delivered=ledger.delivered,
        dropped=dict(ledger.dropped),
        failed=ledger.failed,
        in_flight=predictor.in_flight,
    )


def sink_stats(dispatcher: Dispatcher) -> SinkStats:
    """Figures of an output."""
    return SinkStats(
        name=dispatcher.output.name,
        stream=dispatcher.stream,
        sent=dispatcher.sent,
        lost=dispatcher.lost,
        waiting=dispatcher.waiting,
        failing=dispatcher.trouble,
        refused=dispatcher.refused,
    )


def _loaded(one: Pooled, streams: Collection[str]) -> LoadedModel:
    model = one.worker.model
    size = None if model is None else model.input_size
    return LoadedModel(
        name=one.key.name,
        engine=_engine(one.worker),
        imgsz=None if size is None else max(size),
        state="loading" if model is None else "ready",
        streams=sorted(feed.name for feed in one.worker.feeds if feed.name in streams),
        memory_mb=round((one.worker.own_bytes or one.bytes) / 2**20, 1),
        instances=one.worker.instances,
        restarts=one.worker.restarts,
        processes=one.worker.processes,
        reason=one.worker.unready or "",
    )


def _engine(worker: ModelWorker) -> EngineStats | None:
    engine = None if worker.model is None else worker.model.engine
    if engine is None:
        return None
    return EngineStats(name=engine.name, device=engine.device, precision=engine.precision, reason=engine.reason)


@router.get(
    "/metrics",
    tags=["figures"],
    response_class=Response,
    responses=gives("text/plain", "application/openmetrics-text"),
    dependencies=[needs("view")],
)
async def metrics(request: Request) -> Response:
    """All figures for Prometheus; for who accepts OpenMetrics with a trace of each stream as an exemplar."""
    registry = CollectorRegistry(auto_describe=False)
    state = state_of(request)
    registry.register(
        prometheus.HubCollector(
            state.hub,
            state.predictor,
            ready=readiness(state).ready,
            restarts=state.hub.supervisor.restarts,
            exemplars={} if state.traces is None else state.traces.newest,
        )
    )
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=kind)
