"""Shares the models out among their streams, steps the streams' controllers, and asks publishers for other pictures."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from sightline.core.errors import SightlineError
from sightline.inference.worker import ModelWorker
from sightline.settings.presets import PresetName
from sightline.settings.settings import Settings
from sightline.streams.adaptive.budget import Budget, Want
from sightline.streams.adaptive.controller import REPORT_S, WINDOW_S, Controller
from sightline.streams.adaptive.knobs import Knobs
from sightline.streams.adaptive.state import ModelShare
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream
from sightline.wire.messages import Adapt, Hello

log = logging.getLogger(__name__)

MAX_REPORT_MS = 10_000.0
"""Highest latency that a viewer is believed: with more it would not be watching."""
STEP_S = 0.25
"""Interval between two steps of a controller."""
LOGGED_S = 60.0
"""Least time between two lines in the log about what a stream is asked for; those between have level debug."""


def begin(stream: Stream, settings: Settings, *, sends: Knobs | None = None) -> Hello:
    """Start what every publisher starts with that can be asked for other pictures: its controller.

    ``sends``: what the publisher begins with, where that is its own affair and not the preset's. Returns what it is
    told first: the limits, and what pictures to begin with.
    """
    stream.adaptive.start(settings, sends, stream.max_fps)
    knobs = stream.adaptive.knobs(stream.max_fps)
    stream.adaptive.tell(knobs)
    return Hello(
        stream=stream.name,
        model=stream.model.worker.model_name,
        max_pending=settings.pending(stream.adaptive.preset),
        max_fps=settings.max_fps,
        max_message_bytes=settings.max_message_bytes,
        max_pixels=settings.max_pixels,
        preset=stream.adaptive.preset,
        fps=knobs.fps,
        quality=knobs.quality,
        width=knobs.width,
    )


def ask_unless(stream: Stream, settings: Settings, told: Knobs) -> None:
    """Ask for what the stream begins with, where that is not what its publisher was told before it named the stream."""
    knobs, preset = stream.adaptive.knobs(stream.max_fps), stream.adaptive.preset
    if knobs != told or preset != settings.preset:
        _ask(stream, settings, knobs, f"the preset is {preset}")


def change_preset(stream: Stream, settings: Settings, preset: PresetName) -> None:
    """Another preset from now on, for the publisher that is there and those to come."""
    stream.adaptive.choose(preset)
    restart(stream, settings, f"the preset is now {preset}")


def restart(stream: Stream, settings: Settings, reason: str) -> None:
    """Something about the stream was changed: ask for what it allows now."""
    knobs = stream.adaptive.knobs(stream.max_fps)
    if stream.adaptive.controller is not None:
        stream.adaptive.controller.restart(knobs, time.monotonic(), reason)
    _ask(stream, settings, stream.adaptive.asked or knobs, reason)


async def adapt(hub: Hub) -> None:
    """Step every controller four times a second, until cancelled."""
    last, before = time.monotonic(), hub.pool.busy_s()
    budgets: dict[ModelWorker, Budget] = {}
    held_up_s: deque[float] = deque(maxlen=round(WINDOW_S / STEP_S) + 1)
    while True:
        await asyncio.sleep(STEP_S)
        now, worked = time.monotonic(), hub.pool.busy_s()
        busy = {worker: (s - before.get(worker, 0.0)) / (now - last) for worker, s in worked.items()}
        held_up_s.append(now - last - STEP_S)
        last, before = now, worked
        streams = list(hub.streams.values())
        budgets = _share_out(streams, budgets, now)
        for stream in streams:
            with stream.fence.around("adaptation", f"stream {stream.name}: "):
                _step(hub, stream, now, busy=busy.get(stream.model.worker, 0.0), lag_ms=max(held_up_s) * 1000)
                _follow(hub, stream)


def _share_out(
    streams: Sequence[Stream], before: Mapping[ModelWorker, Budget], now: float
) -> dict[ModelWorker, Budget]:
    """Give every stream its share of its model. Returns the budgets of the models that have something to do."""
    wants: dict[ModelWorker, dict[Stream, Want]] = {}
    for stream in streams:
        if stream.publisher is not None and stream.wanted and not stream.meters.inferred_by_camera:
            want = stream.adaptive.wants(stream.meters.arriving.value(), stream.priority)
            wants.setdefault(stream.model.worker, {})[stream] = want
    budgets = {worker: before.get(worker) or Budget() for worker in wants}
    for worker, budget in budgets.items():
        budget.worked(now, worker.work, worker.full_work, worker.instances)
        budget.share(now, list(wants[worker].values()))
        for stream, want in wants[worker].items():
            stream.adaptive.share = ModelShare(budget.rate * want.weight, budget.reason, budget.since)
    return budgets


def _follow(hub: Hub, stream: Stream) -> None:
    """Apply the controller's model settings; streams without a controller keep theirs."""
    wanted: dict[str, Any] = {}
    if stream.adaptive.controller is not None:
        knobs, most = stream.adaptive.controller.knobs, stream.adaptive.controller.most
        if knobs.imgsz != most.imgsz:
            wanted["imgsz"] = knobs.imgsz
        if knobs.confidence != most.confidence:
            wanted["confidence"] = knobs.confidence
    if wanted != stream.model.adapted and stream.model.pending is None and not stream.adaptive.changing:
        stream.adaptive.changing = True
        hub.supervisor.spawn(f"stream {stream.name}: adapting its model", _adapt_model(hub, stream, wanted))


async def _adapt_model(hub: Hub, stream: Stream, wanted: dict[str, Any]) -> None:
    state = stream.adaptive
    try:
        await hub.model_switch.adapt(stream, wanted)
    except SightlineError as e:
        log.warning("stream %s: the model stays as it is: %s", stream.name, e.message)
        if state.controller is not None:
            imgsz = stream.model.adapted.get("imgsz", state.controller.most.imgsz)
            state.controller.hold(time.monotonic(), imgsz, hub.model_switch.refused_sides(stream))
    else:
        if state.controller is not None:
            state.controller.in_force(time.monotonic())
    finally:
        state.changing = False


def _step(hub: Hub, stream: Stream, now: float, *, busy: float, lag_ms: float) -> None:
    """Step a stream's controller, and ask for what it and the stream's share of the model allow."""
    state, controller = stream.adaptive, stream.adaptive.controller
    if controller is None or state.changing:
        return
    controller.model(*hub.model_switch.adaptable(stream), hub.model_switch.refused_sides(stream))
    _listen(stream, controller, now)
    before = controller.knobs
    controller.step(now, busy=busy, lag_ms=lag_ms)
    knobs = state.asked or controller.knobs
    if (knobs.imgsz, knobs.confidence) != (before.imgsz, before.confidence):
        chosen = (("input", knobs.imgsz), ("confidence", knobs.confidence))
        told = ", ".join(f"{what} {value:g}" for what, value in chosen if value is not None)
        log.info("stream %s: %s: %s", stream.name, told, controller.reason)
    if knobs.camera != state.told:
        _ask(stream, hub.settings, knobs, state.reason, chosen=False)


def _listen(stream: Stream, controller: Controller, now: float) -> None:
    """Pass on how late pictures are for viewers. Where all get through to one, smaller ones would not help it."""
    settled = [s for s in stream.subscriptions if s.settled(now, REPORT_S)]
    known = [(s.stats_at, s.stats.latency if s.behind else 0.0) for s in settled if s.stats and s.stats.latency]
    if known:
        # Half of the viewers, or one of two, can say what they like: it changes nothing for the others.
        latency = statistics.median_low(latency for _, latency in known)
        controller.viewers(max(at for at, _ in known), min(latency, MAX_REPORT_MS))


def _ask(stream: Stream, settings: Settings, knobs: Knobs, reason: str, *, chosen: bool = True) -> None:
    """Ask a publisher for other pictures. ``chosen``: somebody changed a setting, so that it is logged."""
    stream.adaptive.tell(knobs)
    told = f"{knobs.fps:g} fps, quality {knobs.quality:g}, {knobs.width} px"
    now = time.monotonic()
    if chosen or now - stream.adaptive.logged_at >= LOGGED_S:
        stream.adaptive.logged_at = now
        log.info("stream %s: asks for %s: %s", stream.name, told, reason)
    else:
        log.debug("stream %s: asks for %s: %s", stream.name, told, reason)
    if stream.publisher is not None and stream.adaptive.asks:
        preset = stream.adaptive.preset
        stream.publisher.ask(
            Adapt(
                fps=knobs.fps,
                quality=knobs.quality,
                width=knobs.width,
                reason=reason,
                preset=preset,
                max_pending=settings.pending(preset),
            )
        )
