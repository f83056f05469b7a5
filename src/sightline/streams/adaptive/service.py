"""Starts and steps every stream's controller, and asks publishers for other pictures."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from dataclasses import replace
from typing import Any

from sightline.core.errors import SightlineError
from sightline.settings.presets import PresetName
from sightline.settings.settings import Settings
from sightline.streams.adaptive.controller import REPORT_S, Controller, Knobs
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream
from sightline.wire.messages import Adapt, Hello

log = logging.getLogger(__name__)

MAX_REPORT_MS = 10_000.0
"""Highest latency that a viewer is believed: with more it would not be watching."""
STEP_S = 0.25
"""Interval between two steps of a controller."""


def begin(stream: Stream, settings: Settings, *, sends: Knobs | None = None) -> Hello:
    """Start what every publisher starts with that can be asked for other pictures: its controller.

    ``sends``: what the publisher begins with, where that is its own affair and not the preset's. Returns what it is
    told first: the limits, and what pictures to begin with.
    """
    stream.adaptive.start(settings, sends, stream.max_fps)
    knobs = stream.adaptive.knobs(stream.max_fps)
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
    _ask(stream, settings, knobs, reason)


async def adapt(hub: Hub) -> None:
    """Step every controller four times a second, until cancelled."""
    last, before = time.monotonic(), hub.pool.busy_s()
    while True:
        await asyncio.sleep(STEP_S)
        now, worked = time.monotonic(), hub.pool.busy_s()
        busy = {worker: (s - before.get(worker, 0.0)) / (now - last) for worker, s in worked.items()}
        last, before = now, worked
        for stream in list(hub.streams.values()):
            with stream.fence.around("adaptation", f"stream {stream.name}: "):
                if stream.adaptive.controller is not None and not stream.adaptive.changing:
                    refused = hub.model_switch.refused_sides(stream)
                    stream.adaptive.controller.model(*hub.model_switch.adaptable(stream), refused)
                    _step(stream, stream.adaptive.controller, hub.settings, now, busy.get(stream.model.worker, 0.0))
                _follow(hub, stream)


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


def _step(stream: Stream, controller: Controller, settings: Settings, now: float, busy: float) -> None:
    reports = [(s.stats_at, s.stats.latency) for s in stream.subscriptions if s.stats and now - s.stats_at < REPORT_S]
    fresh = [(at, latency) for at, latency in reports if latency is not None]
    if fresh:
        # Half of the viewers, or one of two, can say what they like: it changes nothing for the others.
        latency = statistics.median_low(latency for _, latency in fresh)
        controller.viewers(max(at for at, _ in fresh), min(latency, MAX_REPORT_MS))
    before = controller.knobs
    if controller.step(now, busy=busy):
        knobs = controller.knobs
        if replace(knobs, imgsz=before.imgsz, confidence=before.confidence) != before:
            _ask(stream, settings, knobs, controller.reason)
        else:
            chosen = (("input", knobs.imgsz), ("confidence", knobs.confidence))
            told = ", ".join(f"{what} {value:g}" for what, value in chosen if value is not None)
            log.info("stream %s: %s: %s", stream.name, told, controller.reason)


def _ask(stream: Stream, settings: Settings, knobs: Knobs, reason: str) -> None:
    told = f"{knobs.fps:g} fps, quality {knobs.quality:g}, {knobs.width} px"
    log.info("stream %s: asks for %s: %s", stream.name, told, reason)
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
