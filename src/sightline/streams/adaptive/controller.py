"""Keeps a stream's latency on target by what it asks of the camera. No sockets and no clock in here: time is passed in.

Latency is the way up (captured to received), waiting for the model, the model, and the way down to viewers. Too late,
it backs off at once, in this order: fewer pictures a second where pictures wait for each other, then, where one picture
alone takes too long on its way, a lower JPEG quality and then a smaller frame. Where all of that is not enough because
the model takes too long: a smaller input of the model, and last a higher confidence threshold, which leaves less to do
after it. Where there is room it gives back one small step at a time, in reverse order, but none that by its own
measurements would not fit, and none that failed in the last 45 s, unless what it failed for is gone. What the camera's
preset sends is the most that it asks for.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

WINDOW_S = 1.0
"""Age in seconds up to which frames count, unless the model is slow: see ``OF_WORK``."""
OF_WORK = 6.0
"""Times of the model for which frames count where it is so slow that there would be too few otherwise."""
LONGEST_S = 8.0
"""Most seconds for which frames ever count."""
SETTLE_S = 0.1
"""Seconds after which a camera has heard of a change."""
FEWEST = 3
"""Frames after a change by which the next one is decided. They span ``SPAN_S``, or are all of ``PATIENCE_S``."""
SPAN_S = 0.35
"""Seconds that those frames span at least."""
PATIENCE_S = 1.5
"""Seconds after a change from which any span will do."""
WASTE = 0.25
"""Frames replaced unseen for each result above which they come too fast, unless latency is low all the same."""
CALM = 0.7
"""Share of the target below which there may be room for a step up."""
CALM_S = 2.0
"""Seconds for which latency has to stay below ``CALM`` before a step up."""
STEP_S = 1.0
"""Seconds between two steps up."""
FULL = 0.85
"""Share of the target, and of the model's time, that a step up may reach at most."""
OWN_LEAST = 0.4
"""Share of the target that a picture's own way may always take: a slow model must not cost picture quality."""
HOLD_S = 45.0
"""Seconds for which a step up that failed is not tried again: at most 3 turns a minute."""
EASED = 0.5
"""Share of the time that the way, or the model, took then, below which the step is tried again all the same."""
PROBE_S = 6.0
"""Seconds after a step up within which a step back counts as its failure."""
BEST_S = 120.0
"""Seconds whose shortest way counts as no time at all, where the camera's clock is unknown. Clocks drift by 6 ms."""
REPORT_S = 6.0
"""Seconds for which a viewer's report is believed."""

WIDTHS = (320, 480, 640, 960, 1280)
SIZE_BY_WIDTH = 1.4
"""Power of the width as which a JPEG's bytes grow (``bench/pictures.py``: clips 1.3 to 1.4, photos 1.5)."""
SIZE_BY_QUALITY = 1.25
"""A JPEG's bytes are about inverse to this less its quality (0.3 to 0.8: 0.77, 0.89, 1, 1.12, 1.3, 1.6 times those
at 0.5)."""

SIDES = (320, 416, 512, 640, 800, 960, 1280)
"""Sides of a model's input. Its time grows about as the square."""
STRICTER = 0.05
"""Step of the confidence threshold."""
SLOW = 0.4
"""Share of the target below which the model, with the waiting for it, is not what makes a stream late."""

Knob: TypeAlias = Literal["fps", "quality", "width", "imgsz", "confidence"]


@dataclass(frozen=True, slots=True)
class Knobs:
    """Settings that are asked of a camera, and of its model."""

    fps: float
    quality: float
    """JPEG quality, 0 to 1."""
    width: int
    """Pixels of the longer side."""
    imgsz: int | None = None
    """Side of the model's input in pixels; None where it is not the controller's to choose."""
    confidence: float | None = None
    """Confidence threshold; None where it is not the controller's to choose."""

    def bytes_to(self, other: Knobs) -> float:
        """Ratio of a picture's bytes with the other knobs to those with these, about."""
        by_quality = (SIZE_BY_QUALITY - self.quality) / (SIZE_BY_QUALITY - other.quality)
        return by_quality * float((other.width / self.width) ** SIZE_BY_WIDTH)


LEAST = Knobs(fps=5, quality=0.3, width=WIDTHS[0], imgsz=SIDES[0], confidence=0.5)
"""Bounds where nobody sets others."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame that was delivered. Milliseconds; ``received_at`` on the clock that is passed in, in seconds."""

    received_at: float
    captured_at: float
    """Time of capture: seconds on the camera's clock."""
    uplink_ms: float | None
    """Milliseconds from capture to arrival; None where the camera's clock is unknown."""
    queue_ms: float
    work_ms: float
    reused: bool
    width: int
    """Longer side of the picture in pixels."""


@dataclass(frozen=True, slots=True)
class _Sample:
    received_at: float
    uplink_ms: float
    queue_ms: float
    work_ms: float
    width: int

    @property
    def captured_at(self) -> float:
        return self.received_at - self.uplink_ms / 1000

    @property
    def total_ms(self) -> float:
        return self.uplink_ms + self.queue_ms + self.work_ms


class Controller:
    """Controls one camera. ``knobs`` is what is asked of it, ``reason`` says why, ``since`` is when that began."""

    def __init__(self, most: Knobs, *, target_ms: float, now: float, bound: Knobs = LEAST) -> None:
        """``bound``: knobs beyond which it never goes."""
        self.target_ms = target_ms
        self._bound = bound
        self._refused: frozenset[int] = frozenset()
        """Sides that the model could not have."""
        self._uplink_best: deque[tuple[float, float]] = deque()
        self.restart(most, now, "as the preset says")

    def restart(self, most: Knobs, now: float, reason: str) -> None:
        """Start again with other knobs, which are also the most there will be."""
        self.most = self.knobs = most
        self._limit()
        self.reason, self.since = reason, now
        self._changed_at = now - SETTLE_S
        self._samples: deque[_Sample] = deque(maxlen=512)
        self._replaced: deque[float] = deque(maxlen=512)
        self._work_ms = 0.0
        self._report: tuple[float, float] | None = None
        self._calm_since: float | None = None
        self._stepped_up: tuple[Knob, float] | None = None
        self._held_until: dict[Knob, float] = {}
        self._held_in: tuple[Knobs, float | None, float | None] | None = None
        """Conditions when the last step up failed: the knobs, and milliseconds of the way or of the model."""
        self._shrunk: tuple[Knobs, float] | None = None
        """Conditions before the pictures were made smaller: the knobs, and a picture's own milliseconds on its way."""
        self.follows = True
        """False once the camera was seen to take no notice."""

    def _limit(self) -> None:
        most, bound = self.most, self._bound
        imgsz = None if most.imgsz is None or bound.imgsz is None else min(bound.imgsz, most.imgsz)
        confidence = None
        if most.confidence is not None and bound.confidence is not None:
            confidence = max(bound.confidence, most.confidence)
        camera = min(bound.fps, most.fps), min(bound.quality, most.quality), min(bound.width, most.width)
        self.least = Knobs(*camera, imgsz, confidence)

    def model(self, imgsz: int | None, confidence: float | None, refused: frozenset[int] = frozenset()) -> None:
        """Note the model's own settings; None for what is not the controller's to choose. Call it whenever they may
        have changed; the controller then starts from them. ``refused``: sides that it could not have."""
        self._refused = refused
        if (imgsz, confidence) != (self.most.imgsz, self.most.confidence):
            self.most = replace(self.most, imgsz=imgsz, confidence=confidence)
            self.knobs = replace(self.knobs, imgsz=imgsz, confidence=confidence)
            self._limit()

    def in_force(self, now: float) -> None:
        """Note that a change of the model is in force. Frames from before say nothing about it."""
        self._changed_at, self._work_ms = now, 0.0

    def hold(self, now: float, imgsz: int | None, refused: frozenset[int] = frozenset()) -> None:
        """Note that the model could not be changed and still has the side ``imgsz``.

        Sizes are left alone for a while, unless the wanted one is ``refused`` for good: then the next is tried.
        """
        if self.knobs.imgsz not in refused:
            self._held_until["imgsz"] = now + HOLD_S
        self._refused = refused
        self.knobs = replace(self.knobs, imgsz=imgsz)

    # What happened

    def frame(self, seen: Seen) -> None:
        """Note a frame that was delivered."""
        uplink_ms = self._growth(seen) if seen.uplink_ms is None else max(0.0, seen.uplink_ms)
        if not seen.reused:
            self._work_ms += (seen.work_ms - self._work_ms) * (0.2 if self._work_ms else 1)
        self._samples.append(_Sample(seen.received_at, uplink_ms, seen.queue_ms, seen.work_ms, seen.width))

    def replaced(self, now: float) -> None:
        """Note a frame that was replaced by a newer one before the model was free."""
        self._replaced.append(now)

    def viewers(self, now: float, latency_ms: float) -> None:
        """Note the latency from capture to screen that the median viewer reports."""
        self._report = now, latency_ms

    def _growth(self, seen: Seen) -> float:
        """Return how much longer the way was than the shortest of late, for a camera without a common clock."""
        trip = seen.received_at - seen.captured_at
        while self._uplink_best and (
            self._uplink_best[-1][1] >= trip or seen.received_at - self._uplink_best[0][0] > BEST_S
        ):
            if self._uplink_best[-1][1] >= trip:
                self._uplink_best.pop()
            else:
                self._uplink_best.popleft()
        self._uplink_best.append((seen.received_at, trip))
        return (trip - self._uplink_best[0][1]) * 1000

    # What is done about it

    def step(self, now: float, *, busy: float) -> bool:
        """Decide, and return True if ``knobs`` changed. ``busy``: the model's share of time, 0 to 1.

        Call it a few times a second.
        """
        while self._replaced and now - self._replaced[0] > WINDOW_S:
            self._replaced.popleft()
        heard_at = self._changed_at + SETTLE_S
        window = max(WINDOW_S, min(OF_WORK * self._work_ms / 1000, LONGEST_S))
        fresh = [s for s in self._samples if s.received_at > now - window and s.captured_at > heard_at]
        if not self.follows or len(fresh) < FEWEST:
            return False
        span = fresh[-1].received_at - fresh[0].received_at
        if span < SPAN_S and now - self._changed_at < PATIENCE_S:
            return False
        if self._takes_no_notice(fresh, span, now):
            self.follows = False
            return self._change(self.most, now, "the camera takes no notice of what it is asked")
        way = _Way(fresh, self._delivery(now, fresh), self._work_ms, len(self._replaced))
        if self._eased(way):
            self._held_until.clear()
            self._held_in = None
        if self._shrunk is not None:
            before, own_ms = self._shrunk
            self._shrunk = None
            useless = way.own_ms > own_ms * (1 - 0.25 * (1 - before.bytes_to(self.knobs)))
            if useless:
                self._held_until["quality"] = self._held_until["width"] = now + HOLD_S
                self._held_in = self.knobs, way.own_ms, None
                restored = replace(self.knobs, quality=before.quality, width=before.width)
                return self._change(restored, now, f"the way takes {way.own_ms:.0f} ms, however small a picture is")
        target_ms = self.target_ms
        if self._held_until.get("quality", 0) > now and way.own_ms > 0.5 * target_ms:
            target_ms += way.own_ms  # the way can't be shortened, what is added to it can
        wasteful = len(self._replaced) > WASTE * len(fresh) and way.late_ms > CALM * target_ms
        if way.late_ms > target_ms or wasteful:
            self._calm_since = None
            return self._back_off(way, now)
        if way.late_ms > CALM * target_ms or self._replaced:
            self._calm_since = None
            return False
        self._calm_since = self._calm_since or now
        if now - self._calm_since < CALM_S or now - self._changed_at < STEP_S:
            return False
        return self._step_up(way, target_ms, busy, now)

    def _delivery(self, now: float, fresh: list[_Sample]) -> float:
        """Return the way down as viewers report it. Reports from before the last change do not count."""
        if self._report is None or now - self._report[0] > REPORT_S or self._report[0] < self._changed_at + 2.5:
            return 0.0
        return max(0.0, self._report[1] - _share(sorted(s.total_ms for s in fresh), 0.5))

    def _takes_no_notice(self, fresh: list[_Sample], span: float, now: float) -> bool:
        asked = self.knobs
        if asked == self.most or now - self._changed_at < 2 or len(fresh) < 5:
            return False
        rate = (len(fresh) - 1 + len(self._replaced)) / max(span, 0.1)
        wider = min(s.width for s in fresh) > asked.width
        return wider or (rate > 1.5 * asked.fps and asked.fps < self.most.fps)

    def _back_off(self, way: _Way, now: float) -> bool:
        knobs, reason = self.knobs, ""
        budget = max(OWN_LEAST * self.target_ms, 0.8 * self.target_ms - self._work_ms)
        shrink = 1.0
        if way.own_ms > budget and self._held_until.get("quality", 0) <= now:
            smaller = self._smaller(knobs, 0.9 * budget / way.own_ms)
            if smaller != knobs:
                shrink = knobs.bytes_to(smaller)
                self._shrunk = knobs, way.own_ms
                knobs, reason = smaller, f"a picture takes {way.own_ms:.0f} ms on its way"
        if way.queues or not reason:
            fps = 0.8 * min(knobs.fps, way.rate)
            if not way.server_queues:  # smaller pictures leave room for more of them
                fps = min(fps / shrink, knobs.fps)
            fps = max(self.least.fps, round(fps, 1))
            if fps < knobs.fps:
                knobs = replace(knobs, fps=fps)
                where = "for the model" if way.server_queues else "on their way"
                reason = reason or f"pictures wait {way.waiting_ms:.0f} ms {where}"
        if not reason and self._work_ms + way.waiting_here_ms > SLOW * self.target_ms:
            knobs, reason = self._lighter(knobs, now)
        if self._stepped_up is not None and now - self._stepped_up[1] < PROBE_S:
            self._held_until[self._stepped_up[0]] = now + HOLD_S
            model = way.server_queues
            self._held_in = self.knobs, None if model else way.own_ms, self._work_ms if model else None
        self._stepped_up = None
        return self._change(knobs, now, reason)

    def _eased(self, way: _Way) -> bool:
        """Return whether the cause of a failed step is gone, so that it may be tried again."""
        if self._held_in is None:
            return False
        knobs, own_ms, work_ms = self._held_in
        if own_ms is not None:
            return way.own_ms < EASED * own_ms * min(1.0, knobs.bytes_to(self.knobs))
        lighter = 1.0 if not knobs.imgsz or not self.knobs.imgsz else (self.knobs.imgsz / knobs.imgsz) ** 2
        return work_ms is not None and self._work_ms < EASED * work_ms * min(1.0, lighter)

    def _smaller(self, knobs: Knobs, share: float) -> Knobs:
        """Return knobs that make a picture about this share of its bytes: by quality first, then by width."""
        fitting = SIZE_BY_QUALITY - (SIZE_BY_QUALITY - knobs.quality) / share
        quality = max(self.least.quality, math.floor(fitting * 20) / 20)
        smaller = replace(knobs, quality=min(quality, knobs.quality))
        for width in (w for w in reversed(WIDTHS) if self.least.width <= w < knobs.width):
            if knobs.bytes_to(smaller) <= share:
                break
            smaller = replace(smaller, width=width)
        return smaller

    def _lighter(self, knobs: Knobs, now: float) -> tuple[Knobs, str]:
        """Return knobs that spare the model one step of work, and why; the same knobs where there are none."""
        reason = f"the model takes {self._work_ms:.0f} ms"
        if knobs.imgsz is not None and self.least.imgsz is not None and self._held_until.get("imgsz", 0) <= now:
            smaller = [side for side in self._sides(self.least.imgsz) if self.least.imgsz <= side < knobs.imgsz]
            if smaller:
                return replace(knobs, imgsz=max(smaller)), reason
        most = self.least.confidence
        if knobs.confidence is not None and most is not None and knobs.confidence < most:
            return replace(knobs, confidence=min(round(knobs.confidence + STRICTER, 2), most)), reason
        return knobs, ""

    def _sides(self, bound: int) -> set[int]:
        """Return the sides that the model may have, ``bound`` among them."""
        return {*SIDES, bound} - self._refused

    def _step_up(self, way: _Way, target_ms: float, busy: float, now: float) -> bool:
        for knob, more in self._candidates():
            if self._held_until.get(knob, 0) > now:
                continue
            growth = self.knobs.bytes_to(more)
            heavier = 1.0 if not more.imgsz or not self.knobs.imgsz else (more.imgsz / self.knobs.imgsz) ** 2
            later_ms = way.late_ms + way.own_ms * (growth - 1) + self._work_ms * (heavier - 1)
            load = busy * heavier * more.fps / self.knobs.fps
            if later_ms < FULL * target_ms and (knob not in ("fps", "imgsz") or load < FULL):
                self._stepped_up = knob, now
                return self._change(more, now, "there is room again")
        return False

    def _candidates(self) -> list[tuple[Knob, Knobs]]:
        """Return knobs one step up. What was taken last is given back first."""
        knobs, most, found = self.knobs, self.most, list[tuple[Knob, Knobs]]()
        if knobs.confidence is not None and most.confidence is not None and knobs.confidence > most.confidence:
            looser = max(round(knobs.confidence - STRICTER, 2), most.confidence)
            found.append(("confidence", replace(knobs, confidence=looser)))
        if knobs.imgsz is not None and most.imgsz is not None and knobs.imgsz < most.imgsz:
            larger = [side for side in self._sides(most.imgsz) if knobs.imgsz < side <= most.imgsz]
            found.append(("imgsz", replace(knobs, imgsz=min(larger, default=most.imgsz))))
        if knobs.width < self.most.width:
            wider = next((w for w in WIDTHS if w > knobs.width), self.most.width)
            found.append(("width", replace(knobs, width=min(wider, self.most.width))))
        if knobs.quality < self.most.quality:
            found.append(("quality", replace(knobs, quality=min(round(knobs.quality + 0.05, 2), self.most.quality))))
        if knobs.fps < self.most.fps:
            found.append(
                ("fps", replace(knobs, fps=min(round(max(knobs.fps * 1.15, knobs.fps + 1), 1), self.most.fps)))
            )
        return found

    def _change(self, knobs: Knobs, now: float, reason: str) -> bool:
        if knobs == self.knobs:
            return False
        self.knobs, self.reason, self.since = knobs, reason, now
        self._changed_at = now
        return True


class _Way:
    """Figures of the frames of a moment."""

    def __init__(self, frames: list[_Sample], delivery_ms: float, work_ms: float, replaced: int) -> None:
        uplinks = sorted(s.uplink_ms for s in frames)
        queues = sorted(s.queue_ms for s in frames)
        span = max(frames[-1].received_at - frames[0].received_at, 0.05)
        self.rate = (len(frames) - 1) / span
        """Results a second."""
        self.late_ms = _share(sorted(s.total_ms for s in frames), 0.9) + delivery_ms
        self.own_ms = uplinks[0] + delivery_ms
        """Milliseconds that a picture needs on its way when it waits for no other."""
        waits_up = _share(uplinks, 0.9) - uplinks[0]
        waits_here = _share(queues, 0.9)
        self.waiting_ms = max(waits_up, waits_here)
        self.waiting_here_ms = waits_here
        self.server_queues = replaced > 0 or waits_here > max(5.0, 0.3 * work_ms)
        self.queues = self.server_queues or waits_up > max(5.0, 0.3 * self.own_ms)


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
