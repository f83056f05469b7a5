"""Decides from one picture a second whether a camera was covered, or moved. Knows no frames and no streams.

Light comes and goes, and so do people and buses; what lasts in a scene is its edges. If none of them is where it was,
and the picture has few edges at all, the lens is covered. If they are elsewhere, or others are in their place, the
camera was moved. What was measured is in docs/analytics.md.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

from sightline.streams.scene.structure import Grey, Match, Scene, Structure, structure

What: TypeAlias = Literal["covered", "moved"]
Verdict: TypeAlias = Literal["covered", "shifted", "away"]
"""What a picture looks like: a covered lens, the scene elsewhere in it, or another scene."""

LEARN_S, LEARN_PICTURES = 8.0, 6
"""Time and pictures after which a scene is known."""
USUAL_S, UNUSUAL_S = 60.0, 600.0
"""Time over which the scene is averaged, and the same while much of it is hidden: changes that come more slowly are
followed."""
TELLING = 0.25
"""Share of the picture that has to have edges; a blank wall says nothing."""
COVERED = 0.75
"""Share of the scene that has to be flat for a lens to be covered. A person close by leaves more of it."""
TRACE, FITTING, INTACT = 0.2, 0.32, 0.04
"""Share of the scene that may be similar by chance where it is not there, how well it may fit, and share that may be
intact."""
THERE = 0.25
"""Share of the scene from which it is there."""
HIDDEN = 0.6
"""Share of the usual fit below which much of the scene is hidden."""
DOUBT = 0.6
"""Fit below which it is tried whether the scene is elsewhere in the picture."""
SHIFTED = 0.08
"""Least shift in longer sides of the picture. Wind moves a camera less."""
FITS, BETTER = 0.65, 0.15
"""How well the scene has to fit there: as a share of what it usually does, and by how much better than unmoved."""
HOLD_S: dict[Verdict, float] = {"covered": 5.0, "shifted": 5.0, "away": 20.0}
"""Time for which it has to be so."""
RESTLESS_S = 30.0
"""The same for what does not keep still."""
LEAST_PICTURES = 4
"""Pictures that have to be so."""
CALM = 2
"""Pictures in a row after which the scene is back."""
SETTLED_S = 60.0
"""Time for which a new scene has to be still until it is the usual one."""
STILL = 0.5
"""Fit with the mean of the new pictures from which they keep still, as a share of the usual one."""
LONGEST_S = 60.0
"""Seconds that may pass between two pictures; a clock that goes further was set."""
SETTLED = "the new scene is the usual one by now"
MOVED = "the camera was moved"
SHAPE = "the picture has another shape"


class Change(NamedTuple):
    """Something began or ended."""

    phase: Literal["start", "end"]
    what: What
    reason: str = ""
    """Why it ended, where the scene is not back."""
    seconds: float | None = None
    """How long it lasted."""


class _New:
    """What is there in place of the scene."""

    def __init__(self, at: float, seen: Structure) -> None:
        self.scene = Scene(seen)
        """Mean of its pictures since it has kept still."""
        self.flat = Scene(seen)
        """The same since it has looked like a covered lens: in it noise is less, and a dark room shows itself."""
        self.since = self.still_since = self.at = at
        self.flat_s = 0.0
        """Seconds for which it looks like a covered lens; what does not is taken off."""
        self.pictures = 0
        self.calm = 0
        """Pictures in a row in which the scene seemed to be as it was."""

    def add(self, verdict: Verdict | None, at: float, seen: Structure, usual: float) -> None:
        """Take in another picture. ``usual``: how well pictures of the scene fit."""
        passed, self.at = at - self.at, at
        self.pictures += 1
        self.calm = self.calm + 1 if verdict is None else 0
        self.flat_s = max(0.0, self.flat_s + (passed if verdict == "covered" else -passed))
        if self.flat_s:
            self.flat.add(seen)
        else:
            self.flat = Scene(seen)
        match, new = self.scene.match(seen), Scene(seen)
        blank = match.telling < TELLING
        if new.match(seen).telling >= TELLING if blank else match.kept < STILL * usual:
            self.still_since, self.scene = at, new
        else:
            self.scene.add(seen)

    def lasts(self, verdict: Verdict) -> bool:
        """Return True once it has lasted for so long that it is certain. ``verdict``: that of its mean."""
        still = self.at - self.still_since
        return self.pictures >= LEAST_PICTURES and (still >= HOLD_S[verdict] or self.at - self.since >= RESTLESS_S)


class SceneJudge:
    """One camera's scene. One thread at a time."""

    def __init__(self) -> None:
        self._scene: Scene | None = None
        self._known_at = 0.0
        """When the scene is known."""
        self._usual = 0.0
        """How well pictures fit usually."""
        self._new: _New | None = None
        self._back = 0
        """Pictures in a row in which the scene is back."""
        self._lasts: tuple[What, float] | None = None
        """What has begun and not ended, and when."""
        self._clock = 0.0
        self._at: float | None = None

    def see(self, at: float, picture: Grey, size: tuple[int, int]) -> list[Change]:
        """Take in a picture: one grey value for each 8 x 8 pixels of this width and height.

        ``at``: seconds on the frames' clock.
        """
        step = 0.0 if self._at is None else at - self._at
        step = min(max(0.0, step), LONGEST_S) if math.isfinite(step) else 0.0
        self._at, self._clock = at, self._clock + step
        seen = structure(picture, size)
        if self._scene is None or self._scene.shape != seen.edges.shape:
            ended = self.finish(SHAPE)
            self._learn(Scene(seen))
            return ended
        if self._clock < self._known_at or self._scene.pictures < LEARN_PICTURES:
            self._usual = self._scene.match(seen).kept
            self._scene.add(seen)
            return []
        match = self._scene.match(seen)
        verdict = self._verdict(seen, match)
        if self._lasts is not None:
            return self._follow(verdict, seen)
        if verdict is None and self._new is None:
            self._follow_slowly(seen, match.kept, step)
            return []
        what = self._replaced(verdict, seen)
        return [] if what is None else [self._begin(what)]

    def finish(self, reason: str) -> list[Change]:
        """No more pictures come: end what lasts."""
        ended = [] if self._lasts is None else [self._end(reason)]
        self._scene = self._new = None
        return ended

    def _learn(self, scene: Scene) -> None:
        self._scene, self._new, self._back, self._usual = scene, None, 0, 1.0
        self._known_at = self._clock + LEARN_S

    def _follow_slowly(self, seen: Structure, fit: float, step: float) -> None:
        """Take a picture of the scene into its mean. ``fit``: how well it fits that."""
        assert self._scene is not None
        hidden = fit < HIDDEN * self._usual
        weight = 1 - math.exp(-step / (UNUSUAL_S if hidden else USUAL_S))
        self._scene.add(seen, weight if hidden else max(weight, 1 / (self._scene.pictures + 1)))
        self._usual += 0.0 if hidden else weight * (fit - self._usual)

    def _verdict(self, seen: Structure, match: Match | None = None) -> Verdict | None:
        """Return what a picture looks like; None for the scene as it was, or too little of it to tell.

        ``match``: how it fits the scene, where that is known.
        """
        assert self._scene is not None
        match = match or self._scene.match(seen)
        if match.telling < TELLING:
            return None
        if match.veiled >= COVERED:
            return "covered"
        if match.flat >= COVERED:  # or it is dark: then there are traces of the scene
            return "covered" if match.similar <= TRACE and match.kept < FITTING else None
        if match.kept < DOUBT:
            shift = self._scene.shift(seen)
            if shift.far >= SHIFTED and shift.fits >= max(FITS * self._usual, match.kept + BETTER):
                return "shifted"
        return "away" if match.intact <= INTACT else None

    def _replaced(self, verdict: Verdict | None, seen: Structure) -> What | None:
        """Take in a picture that does not show the scene. Returns what has happened, once that is certain."""
        if self._new is None:
            self._new = _New(self._clock, seen)
        self._new.add(verdict, self._clock, seen, self._usual)
        if self._new.calm >= CALM:
            self._new = None
            return None
        if self._new.flat_s >= HOLD_S["covered"] and self._new.pictures >= LEAST_PICTURES:
            return "covered" if self._verdict(self._new.flat.mean) == "covered" else None
        mean = self._verdict(self._new.scene.mean)
        return "moved" if mean in ("shifted", "away") and self._new.lasts(mean) else None

    def _follow(self, verdict: Verdict | None, seen: Structure) -> list[Change]:
        """Something lasts: look whether it ends."""
        assert self._lasts is not None
        assert self._scene is not None
        self._back = self._back + 1 if verdict is None and self._scene.match(seen).similar >= THERE else 0
        if self._back >= CALM:
            self._new = None
            return [self._end("")]
        became, what = self._replaced(verdict or "away", seen), self._lasts[0]
        assert self._new is not None
        still, flat = self._clock - self._new.still_since, self._scene.match(self._new.scene.mean).flat
        if what == "covered" and became == "moved" and still >= HOLD_S["away"] and flat < COVERED / 2:
            return [self._end(MOVED), self._begin(became)]
        if what == "moved" and self._clock - max(self._new.still_since, self._lasts[1]) >= SETTLED_S:
            ended = self._end(SETTLED)
            self._learn(self._new.scene)
            return [ended]
        return []

    def _begin(self, what: What) -> Change:
        self._lasts, self._back = (what, self._clock), 0
        return Change("start", what)

    def _end(self, reason: str) -> Change:
        assert self._lasts is not None
        (what, since), self._lasts = self._lasts, None
        return Change("end", what, reason, round(self._clock - since, 3))
