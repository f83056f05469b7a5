"""Keeps a stream's latency on target, by what it asks of the camera and of the model. No clock in here.

Latency is the way up (captured to received), waiting for the model, the model, and the way down to viewers. What is
shown and what is inferred are two things. Where the way takes too long, the camera is asked for other pictures: fewer
a second where they wait for each other on it, and, where one alone takes too long, a lower JPEG quality and then a
smaller frame. Where the model takes too long, it gets a smaller input, and last, where the operator wants that, a
higher confidence threshold, which leaves less to do after it. How often it looks is the ``Budget``'s affair. Where
there is room the controller gives back one small step at a time, in reverse order, but none that by its own
measurements would not fit, and none that failed in the last 45 s, unless what it failed for is gone. What the camera's
preset sends is the most that it asks for.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Literal, TypeAlias

from msgspec import Struct

from sightline.streams.adaptive.knobs import LEAST, SIDES, SIZE_BY_QUALITY, WIDTHS, Knobs

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
CALM = 0.7
"""Share of the target, or of the way's part of it, below which there may be room for a step up."""
CALM_S = 2.0
"""Seconds for which that has to stay so before a step up."""
LATE_S = 2.0
"""Seconds for which latency has to be too high, and since the last change, before the model gets less to do: it may
be its share of pictures that is too large."""
STEP_S = 1.0
"""Seconds between two steps up."""
FULL = 0.85
"""Share of the same, and of the model's time, that a step up may reach at most."""
OWN_LEAST = 0.4
"""Share of the target that a picture's own way may always take: a slow model must not cost picture quality."""
HOLD_S = 45.0
"""Seconds for which a step up that failed is not tried again: at most 3 turns a minute."""
MOST_IN_VAIN = 4
"""Times that smaller pictures helped nothing up to which that time doubles."""
EASED = 0.5
"""Share of the time that the way, or the model, took then, below which the step is tried again all the same."""
PROBE_S = 6.0
"""Seconds after a step up within which a step back counts as its failure."""
BEST_S = 120.0
"""Seconds whose shortest way counts as no time at all, where the camera's clock is unknown. Clocks drift by 6 ms."""
REPORT_S = 6.0
"""Seconds for which a viewer's report is believed."""

STRICTER = 0.05
"""Step of the confidence threshold."""
SLOW = 0.4
"""Share of the target below which the model, with the waiting for it, is not what makes a stream late."""

Knob: TypeAlias = Literal["fps", "quality", "width", "imgsz", "confidence"]


class Seen(Struct, frozen=True):
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


class _Sample(Struct, frozen=True):
    received_at: float
    captured_at: float
    uplink_ms: float
    queue_ms: float
    total_ms: float
    width: int


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
        self._work_ms = 0.0
        self._report: tuple[float, float] | None = None
        self._calm_since: float | None = None
        self._late_since: float | None = None
        self._not_calm_at = -math.inf
        """When the last frame came that was too late for calm."""
        self._stepped_up: tuple[Knob, float] | None = None
        self._held_until: dict[Knob, float] = {}
        self._held_in: tuple[Knobs, float | None, float | None] | None = None
        """Conditions when the last step up failed: the knobs, and milliseconds of the way or of the model."""
        self._shrunk: tuple[Knobs, float] | None = None
        """Conditions before the pictures were made smaller: the knobs, and a picture's own milliseconds on its way."""
        self._in_vain = 0
        """Times that they were, and it helped nothing."""
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
        captured_at, total_ms = seen.received_at - uplink_ms / 1000, uplink_ms + seen.queue_ms + seen.work_ms
        if total_ms > CALM * self.target_ms:
            self._not_calm_at = seen.received_at
        self._samples.append(_Sample(seen.received_at, captured_at, uplink_ms, seen.queue_ms, total_ms, seen.width))

    def viewers(self, now: float, latency_ms: float) -> None:
        """Note the latency from capture to screen that the median viewer reports."""
        self._report = now, latency_ms

    def _growth(self, seen: Seen) -> float:
        """Return how much longer the way was than the shortest of late, for a camera without a common clock."""
        trip, best = seen.received_at - seen.captured_at, self._uplink_best
        while best and best[-1][1] >= trip:
            best.pop()
        while best and seen.received_at - best[0][0] > BEST_S:
            best.popleft()
        best.append((seen.received_at, trip))
        return (trip - best[0][1]) * 1000

    # What is done about it

    def step(self, now: float, *, busy: float, lag_ms: float = 0.0) -> bool:
        """Decide, and return True if ``knobs`` changed. Call it a few times a second.

        ``busy``: the model's share of time, 0 to 1. ``lag_ms``: for so long the server itself was held up of late.
        """
        heard_at = self._changed_at + SETTLE_S
        window = max(WINDOW_S, min(OF_WORK * self._work_ms / 1000, LONGEST_S))
        since = now - window
        if self._all_is_well(now, since):
            return False
        fresh = [s for s in self._samples if s.received_at > since and s.captured_at > heard_at] if self.follows else []
        if len(fresh) < FEWEST:
            return False
        span = fresh[-1].received_at - fresh[0].received_at
        if span < SPAN_S and now - self._changed_at < PATIENCE_S:
            return False
        if self._takes_no_notice(fresh, span, now):
            self.follows = False
            return self._change(self.most, now, "the camera takes no notice of what it is asked")
        way = _Way(fresh, self._delivery(now, fresh), lag_ms)
        if self._eased(way):
            self._held_until.clear()
            self._held_in = None
            self._in_vain = 0
        if self._was_useless(way):
            return self._restore(way, now)
        self._shrunk = None
        target_ms = self.target_ms
        if self._held_until.get("quality", 0) > now and way.own_ms > 0.5 * target_ms:
            target_ms += way.own_ms  # the way can't be shortened, what is added to it can
        room_ms = max(OWN_LEAST * target_ms, 0.8 * target_ms - self._work_ms)
        self._late_since = (self._late_since or now) if way.late_ms > target_ms else None
        if self._late_since is not None and self._back_off(way, room_ms, now - self._late_since, now):
            self._calm_since = None
            return True
        if way.late_ms > CALM * target_ms and way.there_ms > CALM * room_ms:
            self._calm_since = None
            return False
        self._calm_since = self._calm_since or now
        if now - self._calm_since < CALM_S or now - self._changed_at < STEP_S:
            return False
        return self._step_up(way, target_ms, room_ms, busy, now)

    def _all_is_well(self, now: float, since: float) -> bool:
        """Return whether nothing is asked for and nothing is late, as nearly always: then there is nothing to weigh."""
        asked = self.knobs != self.most or self._held_in is not None or self._shrunk is not None
        heard = self._report is not None and now - self._report[0] <= REPORT_S
        if asked or heard or self._not_calm_at > since:
            return False
        self._late_since = None
        return True

    def _was_useless(self, way: _Way) -> bool:
        """Return whether pictures were made smaller and came no sooner."""
        if self._shrunk is None:
            return False
        before, own_ms = self._shrunk
        return way.own_ms > own_ms * (1 - 0.25 * (1 - before.bytes_to(self.knobs)))

    def _restore(self, way: _Way, now: float) -> bool:
        """Give the pictures back what they lost in vain, and leave them alone: every time for longer."""
        assert self._shrunk is not None
        self._held_until["quality"] = self._held_until["width"] = now + HOLD_S * 2.0**self._in_vain
        self._in_vain = min(self._in_vain + 1, MOST_IN_VAIN)
        self._held_in = self.knobs, way.own_ms, None
        before, self._shrunk = self._shrunk[0], None
        restored = replace(self.knobs, quality=before.quality, width=before.width)
        return self._change(restored, now, f"the way takes {way.own_ms:.0f} ms, however small a picture is")

    def _delivery(self, now: float, fresh: list[_Sample]) -> float:
        """Return the way down as viewers report it. Reports from before the last change do not count."""
        if self._report is None or now - self._report[0] > REPORT_S or self._report[0] < self._changed_at + 2.5:
            return 0.0
        return max(0.0, self._report[1] - _share(sorted(s.total_ms for s in fresh), 0.9))

    def _takes_no_notice(self, fresh: list[_Sample], span: float, now: float) -> bool:
        asked = self.knobs
        if asked == self.most or now - self._changed_at < 2 or len(fresh) < 5:
            return False
        rate = (len(fresh) - 1) / max(span, 0.1)
        wider = min(s.width for s in fresh) > asked.width
        return wider or (rate > 1.5 * asked.fps and asked.fps < self.most.fps)

    def _back_off(self, way: _Way, room_ms: float, late_s: float, now: float) -> bool:
        knobs, reason = self.knobs, ""
        shrink = 1.0
        if way.own_ms > room_ms and self._held_until.get("quality", 0) <= now:
            smaller = self._smaller(knobs, 0.9 * room_ms / way.own_ms)
            if smaller != knobs:
                shrink = knobs.bytes_to(smaller)
                self._shrunk = knobs, way.own_ms
                knobs, reason = smaller, f"a picture takes {way.own_ms:.0f} ms on its way"
        if way.queues and way.there_ms > room_ms:  # smaller pictures leave room for more of them
            fps = min(0.8 * min(knobs.fps, way.rate) / shrink, knobs.fps)
            knobs = replace(knobs, fps=max(self.least.fps, round(fps, 1)))
            reason = reason or f"pictures wait {way.waiting_ms:.0f} ms on their way"
        model = knobs == self.knobs
        slow = self._work_ms + way.waiting_here_ms > SLOW * self.target_ms
        if model and slow and min(late_s, now - self._changed_at) > LATE_S:
            knobs, reason = self._lighter(knobs, now)
        if knobs == self.knobs:
            return False
        if self._stepped_up is not None and now - self._stepped_up[1] < PROBE_S:
            self._held_until[self._stepped_up[0]] = now + HOLD_S
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

    def _step_up(self, way: _Way, target_ms: float, room_ms: float, busy: float, now: float) -> bool:
        for knob, more in self._candidates():
            if self._held_until.get(knob, 0) > now:
                continue
            if knob in ("imgsz", "confidence"):
                heavier = 1.0 if not more.imgsz or not self.knobs.imgsz else (more.imgsz / self.knobs.imgsz) ** 2
                later_ms = way.late_ms + self._work_ms * (heavier - 1)
                fits = later_ms < FULL * target_ms and (knob != "imgsz" or busy * heavier < FULL)
            else:
                fits = way.there_ms + way.own_ms * (self.knobs.bytes_to(more) - 1) < FULL * room_ms
            if fits:
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
        if knobs.width < most.width:
            wider = next((w for w in WIDTHS if w > knobs.width), most.width)
            found.append(("width", replace(knobs, width=min(wider, most.width))))
        if knobs.quality < most.quality:
            found.append(("quality", replace(knobs, quality=min(round(knobs.quality + 0.05, 2), most.quality))))
        if knobs.fps < most.fps:
            faster = max(knobs.fps * 1.15, knobs.fps + 1)
            found.append(("fps", replace(knobs, fps=min(round(faster, 1), most.fps))))
        return found

    def _change(self, knobs: Knobs, now: float, reason: str) -> bool:
        if knobs == self.knobs:
            return False
        self.knobs, self.reason, self.since = knobs, reason, now
        self._changed_at = now
        return True


class _Way:
    """Figures of the frames of a moment."""

    def __init__(self, frames: list[_Sample], delivery_ms: float, lag_ms: float) -> None:
        uplinks = sorted(s.uplink_ms for s in frames)
        span = max(frames[-1].received_at - frames[0].received_at, 0.05)
        self.rate = (len(frames) - 1) / span
        """Results a second."""
        self.late_ms = _share(sorted(s.total_ms for s in frames), 0.9) + delivery_ms
        self.there_ms = max(uplinks[0], _share(uplinks, 0.9) - lag_ms) + delivery_ms
        """Milliseconds on the way, up and down."""
        self.own_ms = uplinks[0] + delivery_ms
        """Milliseconds that a picture needs on its way when it waits for no other."""
        self.waiting_ms = self.there_ms - self.own_ms
        self.waiting_here_ms = _share(sorted(s.queue_ms for s in frames), 0.9)
        self.queues = self.waiting_ms > max(5.0, 0.3 * self.own_ms)


def _share(ordered: list[float], share: float) -> float:
    """Return the value below which this share of them lies. The largest alone is no evidence."""
    return ordered[max(0, min(len(ordered) - 2, int(share * len(ordered))))]
