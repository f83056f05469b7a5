"""Settings that a stream's publisher is asked for, and the controller that decides them."""

from __future__ import annotations

import time
from dataclasses import replace

from sightline.core.types import FrameResult
from sightline.settings.presets import PRESETS, PresetName
from sightline.settings.settings import Settings
from sightline.streams.adaptive.controller import Controller, Knobs, Seen


class AdaptiveState:
    """The preset of a stream, what its publisher sends, and its controller while there is one."""

    def __init__(self, preset: PresetName) -> None:
        self.preset: PresetName = preset
        self.controller: Controller | None = None
        """None without a publisher that can be asked for other pictures, or where adaptation is switched off."""
        self.asks = False
        """True while the publisher can be asked for other pictures."""
        self.changing = False
        """True while the model is being changed as the controller wants it."""
        self._sends: Knobs | None = None

    def start(self, settings: Settings, sends: Knobs | None, max_fps: float | None) -> None:
        """A publisher came that can be asked. ``sends``: what it begins with, where that is not the preset's."""
        self.asks, self._sends = True, sends
        if settings.adaptive:
            now, target_ms = time.monotonic(), settings.target_latency_ms
            self.controller = Controller(self.knobs(max_fps), target_ms=target_ms, now=now, bound=_bound(settings))

    def choose(self, preset: PresetName) -> None:
        """Another preset from now on, for the publisher that is there and those to come."""
        self.preset, self._sends = preset, None

    def stop(self) -> None:
        """The publisher left."""
        self.controller = self._sends = None
        self.asks = False

    def knobs(self, max_fps: float | None) -> Knobs:
        """Return the settings that the publisher begins with."""
        knobs = self._sends or preset_knobs(self.preset)
        return replace(knobs, fps=min(knobs.fps, max_fps or knobs.fps))

    def delivered(self, result: FrameResult) -> None:
        """A frame of the publisher that is there got its result."""
        if self.controller is not None:
            self.controller.frame(_seen(result))

    def replaced(self) -> None:
        """A frame was replaced by a newer one."""
        if self.controller is not None:
            self.controller.replaced(time.monotonic())


def preset_knobs(preset: PresetName) -> Knobs:
    """Return the settings of a preset."""
    values = PRESETS[preset]
    return Knobs(values.fps, values.quality, values.width)


def _bound(settings: Settings) -> Knobs:
    """Return the settings beyond which a stream is never asked to go."""
    return Knobs(
        settings.adaptive_fps,
        settings.adaptive_quality,
        settings.adaptive_width,
        settings.adaptive_imgsz,
        settings.adaptive_conf,
    )


def _seen(result: FrameResult) -> Seen:
    frame, here = result.frame, result.frame.captured_here
    uplink_s = None if here is None else time.time() - here - (time.monotonic() - frame.received_at)
    # What the camera's own browser takes is neither the network's time nor the server's.
    page_s = result.processing_time_ms / 1000 if result.browser else 0.0
    return Seen(
        received_at=frame.received_at,
        captured_at=frame.captured_at + page_s,
        uplink_ms=None if uplink_s is None else (uplink_s - page_s) * 1000,
        queue_ms=result.stages.get("queue", 0.0),
        work_ms=0.0 if result.browser else result.processing_time_ms,
        reused=result.reused is not None,
        width=max(frame.size),
    )
