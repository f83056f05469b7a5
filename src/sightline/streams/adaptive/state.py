"""Settings that a stream's publisher is asked for, and the controller that decides them."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import NamedTuple

from sightline.core.types import FrameResult
from sightline.settings.presets import PRESETS, PresetName
from sightline.settings.settings import Settings
from sightline.streams.adaptive.budget import Want
from sightline.streams.adaptive.controller import Controller, Seen
from sightline.streams.adaptive.knobs import Knobs

KNOWN_S = 4.0
"""Seconds after a change of rate from which on the pictures that come tell what the publisher has."""
FOLLOWED = 0.85
"""Share of the rate asked for above which a publisher may have more."""


class ModelShare(NamedTuple):
    """What a stream may have of its model."""

    fps: float
    reason: str
    """Why it is not more, in words."""
    since: float


class AdaptiveState:
    """The preset of a stream, what its publisher sends, its share of the model, and its controller if there is one."""

    def __init__(self, preset: PresetName) -> None:
        self.preset: PresetName = preset
        self.controller: Controller | None = None
        """None without a publisher that can be asked for other pictures, or where adaptation is switched off."""
        self.asks = False
        """True while the publisher can be asked for other pictures."""
        self.changing = False
        """True while the model is being changed as the controller wants it."""
        self.share: ModelShare | None = None
        """Its share of the model, where not all have enough."""
        self.told: Knobs | None = None
        """What the publisher was last asked for."""
        self.logged_at = -math.inf
        """``time.monotonic()`` of the last line in the log about that."""
        self._told_at = 0.0
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
        self.controller = self._sends = self.share = self.told = None
        self.asks = False

    def knobs(self, max_fps: float | None) -> Knobs:
        """Return the settings that the publisher begins with."""
        knobs = self._sends or preset_knobs(self.preset)
        return replace(knobs, fps=min(knobs.fps, max_fps or knobs.fps))

    @property
    def asked(self) -> Knobs | None:
        """Settings that are asked for now; None where nothing is adapted."""
        if self.controller is None:
            return None
        knobs, limit = self.controller.knobs, self._limit
        return knobs if limit is None else replace(knobs, fps=limit.fps)

    @property
    def reason(self) -> str:
        """Why that is asked for, in words."""
        controller, limit = self.controller, self._limit
        if controller is None:
            return ""
        reasons = [] if limit is None else [limit.reason]
        if not reasons or controller.knobs != controller.most:
            reasons.append(controller.reason)
        return "; ".join(reasons)

    @property
    def since(self) -> float:
        """``time.monotonic()`` from which on that is asked for."""
        limit = self._limit
        return max(0.0 if self.controller is None else self.controller.since, 0.0 if limit is None else limit.since)

    @property
    def _limit(self) -> ModelShare | None:
        """Its share of the model, where that is less than the stream could have otherwise."""
        if self.controller is None or self.share is None:
            return None
        fps = round(max(self.controller.least.fps, self.share.fps), 1)
        return self.share._replace(fps=fps) if fps < self.controller.knobs.fps else None

    def tell(self, knobs: Knobs) -> None:
        """The publisher is asked for these."""
        if self.told is None or self.told.fps != knobs.fps:
            self._told_at = time.monotonic()
        self.told = knobs.camera

    def wants(self, arriving: float, priority: int) -> Want:
        """Return how much of the model the stream can use. ``arriving``: pictures a second that come of late."""
        weight = 2.0**priority
        if self.controller is None:
            return Want(arriving, weight)
        most, told = self.controller.knobs.fps, self.told
        known = told is not None and time.monotonic() - self._told_at > KNOWN_S
        if known and told is not None and arriving < FOLLOWED * told.fps:
            return Want(min(most, arriving / FOLLOWED), weight)
        return Want(most, weight)

    def delivered(self, result: FrameResult) -> None:
        """A frame of the publisher that is there got its result."""
        if self.controller is not None:
            self.controller.frame(_seen(result))


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
