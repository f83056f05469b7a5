"""Runs every stream's controller, and tells cameras what to change."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sightline.core.errors import SightlineError
from sightline.settings.presets import PRESETS, PresetName
from sightline.settings.settings import Settings
from sightline.streams.adaptive.controller import REPORT_S, Controller, Knobs
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream
from sightline.wire.messages import Adapt, Hello

log = logging.getLogger(__name__)

STEP_S = 0.25


def begin(stream: Stream, settings: Settings, ask: Callable[[Adapt], None], *, sends: Knobs | None = None) -> None:
    """A publisher came that can be asked for other pictures. ``sends``: what it begins with, if not with the preset."""
    stream.ask, stream.sends = ask, sends
    if settings.adaptive:
        now = time.monotonic()
        stream.controller = Controller(
            knobs_of(stream), target_ms=settings.target_latency_ms, now=now, bound=_bound(settings)
        )


def hello(stream: Stream, settings: Settings) -> Hello:
    """What a publisher is told first: the limits, and what pictures to begin with."""
    knobs = knobs_of(stream)
    return Hello(
        stream=stream.name,
        model=stream.worker.model_name,
        max_pending=settings.pending(stream.preset),
        max_fps=settings.max_fps,
        max_message_bytes=settings.max_message_bytes,
        max_pixels=settings.max_pixels,
        preset=stream.preset,
        fps=knobs.fps,
        quality=knobs.quality,
        width=knobs.width,
    )


def _bound(settings: Settings) -> Knobs:
    """What a stream is never asked to go beyond."""
    return Knobs(
        settings.adaptive_fps,
        settings.adaptive_quality,
        settings.adaptive_width,
        settings.adaptive_imgsz,
        settings.adaptive_conf,
    )


def tell_unless(stream: Stream, settings: Settings, hello: Knobs) -> None:
    """Ask for what the stream begins with, where that is not what its publisher was told in ``hello``."""
    knobs = knobs_of(stream)
    if knobs != hello or stream.preset != settings.preset:
        _tell(stream, settings, knobs, f"the preset is {stream.preset}")


def switch(stream: Stream, settings: Settings, preset: PresetName) -> None:
    """Another preset from now on, for the camera that is there and those to come."""
    stream.preset, stream.sends = preset, None
    begin_anew(stream, settings, f"the preset is now {preset}")


def begin_anew(stream: Stream, settings: Settings, reason: str) -> None:
    """Something was changed of the stream: ask for what it allows."""
    knobs = knobs_of(stream)
    if stream.controller is not None:
        stream.controller.restart(knobs, time.monotonic(), reason)
    _tell(stream, settings, knobs, reason)


async def adapt(hub: Hub) -> None:
    """Step every controller four times a second, until cancelled."""
    last, before = time.monotonic(), hub.pool.busy_s()
    while True:
        await asyncio.sleep(STEP_S)
        now, worked = time.monotonic(), hub.pool.busy_s()
        busy = {worker: (s - before.get(worker, 0.0)) / (now - last) for worker, s in worked.items()}
        last, before = now, worked
        for stream in hub.streams.values():
            if stream.controller is not None and not stream.adapting:
                stream.controller.model(*hub.switching.adaptable(stream))
                _step(stream, stream.controller, hub.settings, now, busy.get(stream.worker, 0.0))
            _follow(hub, stream)


def _follow(hub: Hub, stream: Stream) -> None:
    """Have the model as the controller wants it; who has none has it as it is."""
    wanted: dict[str, Any] = {}
    if stream.controller is not None:
        knobs, most = stream.controller.knobs, stream.controller.most
        if knobs.imgsz != most.imgsz:
            wanted["imgsz"] = knobs.imgsz
        if knobs.confidence != most.confidence:
            wanted["confidence"] = knobs.confidence
    if wanted != stream.adapted and stream.pending is None and not stream.adapting:
        stream.adapting = True
        hub.pool.spawn(_adapt_model(hub, stream, wanted))


async def _adapt_model(hub: Hub, stream: Stream, wanted: dict[str, Any]) -> None:
    try:
        await hub.switching.adapt(stream, wanted)
    except SightlineError as e:
        log.warning("stream %s: the model stays as it is: %s", stream.name, e.message)
        if stream.controller is not None:
            stream.controller.hold(time.monotonic())
    else:
        if stream.controller is not None:
            stream.controller.in_force(time.monotonic())
    finally:
        stream.adapting = False


def _step(stream: Stream, controller: Controller, settings: Settings, now: float, busy: float) -> None:
    reports = [(s.stats_at, s.stats.latency) for s in stream.subscriptions if s.stats and now - s.stats_at < REPORT_S]
    fresh = [(at, latency) for at, latency in reports if latency is not None]
    if fresh:
        controller.viewers(max(at for at, _ in fresh), statistics.median(latency for _, latency in fresh))
    before = controller.knobs
    if controller.step(now, busy=busy):
        knobs = controller.knobs
        if replace(knobs, imgsz=before.imgsz, confidence=before.confidence) != before:
            _tell(stream, settings, knobs, controller.reason)
        else:
            chosen = (("input", knobs.imgsz), ("confidence", knobs.confidence))
            told = ", ".join(f"{what} {value:g}" for what, value in chosen if value is not None)
            log.info("stream %s: %s: %s", stream.name, told, controller.reason)


def _tell(stream: Stream, settings: Settings, knobs: Knobs, reason: str) -> None:
    told = f"{knobs.fps:g} fps, quality {knobs.quality:g}, {knobs.width} px"
    log.info("stream %s: asks for %s: %s", stream.name, told, reason)
    if stream.ask is not None:
        pending = settings.pending(stream.preset)
        stream.ask(
            Adapt(
                fps=knobs.fps,
                quality=knobs.quality,
                width=knobs.width,
                reason=reason,
                preset=stream.preset,
                max_pending=pending,
            )
        )


def knobs_of(stream: Stream) -> Knobs:
    """What a stream's publisher begins with."""
    knobs = stream.sends or preset_knobs(stream.preset)
    return replace(knobs, fps=min(knobs.fps, stream.max_fps or knobs.fps))


def preset_knobs(preset: PresetName) -> Knobs:
    """What a preset asks for."""
    values = PRESETS[preset]
    return Knobs(values.fps, values.quality, values.width)
