"""Rules of a stream: what has to happen, for how long and when, so that people and outputs are told.

``board`` is what a stream has, ``state`` is a rule and what fulfils it, ``spans`` knows who is there for long enough.
"""

from __future__ import annotations

from sightline.analytics.base import Stage
from sightline.analytics.rules.board import ApplyRules, RuleBoard


def create(board: RuleBoard | None = None) -> Stage:
    """A stage for one camera of a stream, whose board it is. It comes after ``zones``. Without a board: no rules."""
    return ApplyRules(board)
