"""What the API tells of a stream: its figures, settings and state."""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

from pydantic import BaseModel

from sightline.core.types import ModelCard
from sightline.settings.presets import PresetName
from sightline.streams.hub import Hub
from sightline.streams.model_state import FailedSwitch, PendingSwitch
from sightline.streams.stream import Stream
from sightline.streams.subscription import Subscription


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
    imgsz: int | None
    """Side of the model's input; null where it is not the controller's to choose."""
    confidence: float | None
    """Threshold; null where it is not the controller's to choose."""
    target: float
    """Milliseconds."""
    reason: str
    since: float
    """Seconds since 1970."""
    reduced: bool
    """Whether that is less than the preset says."""


class StreamSettings(BaseModel):
    """What a stream's frames are processed with."""

    model: str
    """As `GET /api/models` calls it."""
    engine: str
    """Empty for a model without one, or while it loads."""
    device: str
    imgsz: int | None
    """The longer side of the model's input; null where it has none."""
    confidence: float
    iou: float
    max_detections: int
    classes: list[str] | None
    """Those that are shown; null for all."""
    track: bool
    """Whether objects are followed from frame to frame."""
    track_lost_s: float
    track_confirm: int
    object_events: bool
    """Whether each object that is followed is an event."""


class PendingModel(BaseModel):
    """A model that is being loaded for a stream."""

    model: str
    engine: str
    imgsz: int | None
    since: float
    """Seconds since 1970."""


class FailedModel(BaseModel):
    """The last change of model, where it came to nothing."""

    model: str
    message: str
    at: float
    """Seconds since 1970."""


class ClassSeen(BaseModel):
    """How much of a class was found of late, on average; also of one that is not shown."""

    class_id: int
    class_name: str
    count: float | None
    """Detections in a picture; null for a segmentation."""
    share: float | None
    """Of the picture, 0 to 1; null for detections."""


StreamState: TypeAlias = Literal["live", "waiting", "reconnecting", "paused"]
"""paused: the camera's page is in the background. reconnecting: the server, or the peer, is about to connect."""


class StreamStats(BaseModel):
    """One stream. received = delivered + dropped + failed + in_flight, always, exactly."""

    name: str
    hub: str = ""
    """Address of the hub that has it; empty where there is one server only."""
    display_name: str
    """What people call it; its name where nobody gave it another."""
    group: str
    """Under what pages show it; empty for nothing."""
    fixed: bool
    """The server's settings have its source, so that it can't be removed here."""
    state: StreamState
    """waiting: it has no camera. reconnecting, paused: it has one that sends no pictures now."""
    reason: str
    """Why no pictures come, where that is known; else empty."""
    wanted: bool
    """False while nobody wants results: then its pictures are neither decoded nor inferred."""
    pulled: bool
    """The server itself reads its source: nobody else can be its camera."""
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
    damaged: int
    """Of those received: a part of the picture was missing."""
    in_flight: int
    fps: float
    latency_ms: Percentiles
    stages: dict[str, float]
    preset: PresetName
    priority: int
    max_fps: float | None
    detect: bool
    """False where detection is switched off: then no picture is decoded, and viewers see none."""
    track: bool
    """Whether its objects are followed from frame to frame."""
    track_lost_s: float
    track_confirm: int
    object_events: bool
    """Whether each object that is followed is an event."""
    adaptive: Adaptive | None
    """Null where nothing is adapted: `--adaptive off`, or a source that takes no wishes."""
    settings: StreamSettings
    pending: PendingModel | None
    switch_failed: FailedModel | None
    record: Literal["off", "events", "always"]
    """What of it is recorded."""
    record_schedule: str
    """Times of the week at which it is; empty for all."""
    recording: bool
    """Whether what comes is recorded now."""
    viewers: int
    viewer_stats: list[ViewerStats]


class StreamDetail(StreamStats):
    """One stream, with what its model knows."""

    task: str
    """detect or segment; empty while the model loads."""
    labels: list[str]
    licence_note: str
    """What the model's licence forbids, in a sentence; empty if it forbids no use."""
    imgsz_changeable: bool
    stride: int
    """What an input size must be a multiple of."""
    seen: list[ClassSeen]


def stream_stats(hub: Hub, stream: Stream) -> StreamStats:
    """One stream's figures."""
    meters, state = stream.meters, stream.model
    width, height = meters.latest.size if meters.latest else (0, 0)
    viewers = [s for s in stream.subscriptions if s.kind == "viewer"]
    return StreamStats(
        name=stream.name,
        display_name=hub.cameras.display_name(stream.name),
        group=hub.cameras.group(stream.name),
        fixed=hub.cameras.fixed(stream.name),
        state=stream_state(stream),
        reason=stream.paused or "",
        wanted=stream.wanted,
        pulled=stream.publisher is not None and stream.publisher.pulled,
        model=state.next_worker.model_name,
        width=width,
        height=height,
        received=meters.ledger.received,
        delivered=meters.ledger.delivered,
        reused=meters.reused,
        browser=meters.last_result.browser if meters.last_result else "",
        dropped=dict(meters.ledger.dropped),
        failed=meters.ledger.failed,
        damaged=meters.damaged,
        in_flight=stream.in_flight,
        fps=round(meters.rate.value(), 2),
        latency_ms=Percentiles(**meters.latency.percentiles()),
        stages=meters.stages.values(),
        preset=stream.adaptive.preset,
        priority=stream.priority,
        max_fps=stream.max_fps,
        detect=stream.detect,
        track=stream.tracking.track,
        track_lost_s=stream.tracking.track_lost_s,
        track_confirm=stream.tracking.track_confirm,
        object_events=stream.tracking.object_events,
        adaptive=_adaptive(stream),
        settings=StreamSettings.model_validate(hub.model_switch.in_force(stream), from_attributes=True),
        pending=None if state.pending is None else _pending(state.pending),
        switch_failed=None if state.failed is None else _failed(state.failed),
        record=hub.cameras.record(stream.name),
        record_schedule=hub.cameras.record_schedule(stream.name),
        recording=stream.recorder is not None and stream.publisher is not None and stream.recorder.recording,
        viewers=len(viewers),
        viewer_stats=[_viewer_stats(viewer) for viewer in viewers],
    )


def stream_detail(hub: Hub, stream: Stream) -> StreamDetail:
    """One stream's figures, and what its model knows: the one that has its next frame, as its settings are for that."""
    model = stream.model.next_worker.model
    card = None if model is None else model.card
    stride = None if model is None else model.stride
    return StreamDetail(
        **dict(stream_stats(hub, stream)),
        task="" if card is None else card.task,
        labels=[] if card is None else list(card.labels),
        licence_note=hub.model_switch.offers.licence_note(stream.model.next_worker.model_name),
        imgsz_changeable=stride is not None,
        stride=stride or 32,
        seen=[] if card is None or stream.model.changing else _seen(stream, card),
    )


def _seen(stream: Stream, card: ModelCard) -> list[ClassSeen]:
    """The stream's last result tells whether they are rows or shares: a model may give either."""
    shares = stream.meters.last_result is not None and not stream.meters.last_result.prediction.scored
    return [
        ClassSeen(
            class_id=class_id,
            class_name=card.label(class_id),
            count=None if shares else round(amount, 2),
            share=round(amount, 4) if shares else None,
        )
        for class_id, amount in stream.meters.seen().items()
    ]


def _pending(pending: PendingSwitch) -> PendingModel:
    key = pending.key
    return PendingModel(model=key.name, engine=key.engine, imgsz=key.imgsz, since=round(pending.since, 3))


def _failed(failed: FailedSwitch) -> FailedModel:
    return FailedModel(model=failed.key.name, message=failed.message, at=round(failed.at, 3))


def stream_state(stream: Stream) -> StreamState:
    """Whether pictures come."""
    if stream.publisher is None:
        return "waiting"
    if stream.publisher.hidden:
        return "paused"
    return "live" if stream.paused is None else "reconnecting"


def _adaptive(stream: Stream) -> Adaptive | None:
    state, controller, asked = stream.adaptive, stream.adaptive.controller, stream.adaptive.asked
    if controller is None or asked is None:
        return None
    return Adaptive(
        preset=state.preset,
        fps=asked.fps,
        quality=asked.quality,
        width=asked.width,
        imgsz=asked.imgsz,
        confidence=asked.confidence,
        target=controller.target_ms,
        reason=state.reason,
        since=round(time.time() - time.monotonic() + state.since, 3),
        reduced=asked != controller.most,
    )


def _viewer_stats(viewer: Subscription) -> ViewerStats:
    told = ViewerStats(sent=viewer.sent, dropped=viewer.mailbox.dropped)
    if viewer.stats is not None:
        told.fps, told.latency_ms, told.queue = viewer.stats.fps, viewer.stats.latency, viewer.stats.queue_size
    return told
