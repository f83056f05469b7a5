"""How a model is shared out: the arithmetic, and the budget of a model whose speed and whose streams change."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.inference.instance import Work
from sightline.streams.adaptive.budget import SHARED_OUT, Budget, Want, fair_rate

STEP_S = 0.25
"""So often the server shares out."""
WANTS = st.builds(Want, st.floats(0, 240), st.integers(-100, 100).map(lambda priority: 2.0**priority))
CAPACITIES = st.floats(0.1, 5000)


def had(wants: list[Want], rate: float) -> list[float]:
    """What each gets."""
    return [min(want.fps, want.weight * rate) for want in wants]


@given(st.lists(WANTS, min_size=1, max_size=40), CAPACITIES)
def test_nothing_is_left_over_while_anybody_wants_more_and_no_more_is_given_than_there_is(
    wants: list[Want], capacity: float
) -> None:
    rate = fair_rate(wants, capacity)
    total = sum(had(wants, rate))
    if rate == math.inf:
        assert total <= capacity * (1 + 1e-9)
    else:
        assert total == pytest.approx(capacity, rel=1e-6)


@given(st.lists(WANTS, min_size=1, max_size=20), CAPACITIES, st.randoms(use_true_random=False))
def test_who_came_first_changes_nothing(wants: list[Want], capacity: float, rng: random.Random) -> None:
    shuffled = rng.sample(wants, len(wants))
    assert fair_rate(shuffled, capacity) == pytest.approx(fair_rate(wants, capacity), rel=1e-9)


@given(st.lists(WANTS, min_size=1, max_size=20), WANTS, CAPACITIES)
def test_one_more_gives_nobody_more_and_more_capacity_nobody_less(
    wants: list[Want], more: Want, capacity: float
) -> None:
    rate = fair_rate(wants, capacity)
    assert fair_rate([*wants, more], capacity) <= rate * (1 + 1e-9)
    assert fair_rate(wants, capacity * 1.5) >= rate * (1 - 1e-9)


def test_who_wants_little_leaves_the_rest_and_weights_count() -> None:
    wants = [Want(5), Want(30), Want(30), Want(30, weight=2)]
    assert had(wants, fair_rate(wants, 65)) == [5, 15, 15, 30]
    assert fair_rate([Want(30)] * 3, 90) == math.inf
    assert fair_rate([Want(30)] * 6, 90) == 15
    assert fair_rate([Want(0)], 1) == math.inf
    assert fair_rate([], 1) == math.inf


class World:
    """A model of so many frames a second, and streams that obey."""

    def __init__(self) -> None:
        self.budget, self.work, self.now = Budget(), Work(), 0.0
        self.rates: list[float] = []

    def play(self, seconds: float, wants: list[Want], capacity: float, noise: float = 0.0, seed: int = 0) -> None:
        rng = random.Random(seed)
        for _ in range(int(seconds / STEP_S)):
            self.now += STEP_S
            got = min(sum(had(wants, self.budget.rate)), capacity) * STEP_S
            frames = math.floor(self.work.frames + got) - self.work.frames
            self.work.add(frames, frames / capacity * (1 + rng.uniform(-noise, noise)))
            self.budget.worked(self.now, self.work, self.work)
            self.budget.share(self.now, wants)
            self.rates.append(self.budget.rate)


@given(st.lists(st.tuples(st.integers(1, 32), st.floats(10, 1000)), min_size=1, max_size=4))
def test_whatever_comes_and_goes_the_budget_is_right_ten_seconds_later(times: list[tuple[int, float]]) -> None:
    world = World()
    for count, capacity in times:
        wants = [Want(30.0)] * count
        world.play(10, wants, capacity)
        total = sum(had(wants, world.budget.rate))
        assert total <= capacity
        assert total >= min(30 * count, 0.8 * capacity)


def test_noise_moves_nothing() -> None:
    world = World()
    wants = [Want(30.0)] * 6
    world.play(10, wants, 100, noise=0.05)
    begun = len(world.rates)
    world.play(60, wants, 100, noise=0.05, seed=1)
    changes = sum(a != b for a, b in pairwise(world.rates[begun:]))
    assert changes <= 2
    assert world.budget.rate * 6 == pytest.approx(SHARED_OUT * 100, rel=0.08)
    assert world.budget.reason.startswith("6 streams share the model, which does ")


def test_who_leaves_is_soon_forgotten_and_who_comes_has_its_share_at_once() -> None:
    world = World()
    world.play(10, [Want(30.0)] * 5, 100)
    assert world.budget.rate == pytest.approx(18, rel=0.05)
    world.play(STEP_S, [Want(30.0)] * 6, 100)
    assert world.budget.rate == pytest.approx(15, rel=0.05)
    world.play(5, [Want(30.0)] * 2, 100)
    assert world.budget.rate == math.inf


def test_a_model_that_waits_for_its_frames_is_not_taken_for_a_slow_one() -> None:
    """Frames on their way to another process count as work. Were that all, ever fewer would be asked for."""
    budget, work, full = Budget(), Work(), Work()
    wants = [Want(30.0)] * 6
    for i in range(40):
        work.add(25, 25 * (0.01 if i < 20 else 0.03))
        if i < 20:
            full.add(25, 0.25)
        budget.worked(i * STEP_S, work, full)
        budget.share(i * STEP_S, wants)
    assert budget.rate == pytest.approx(15, rel=0.05)


def test_more_instances_are_not_held_to_what_fewer_got_done() -> None:
    """Else cameras lose frames for seconds after a second instance came for them."""
    budget, work, now = Budget(), Work(), 0.0
    wants = [Want(30.0)] * 5
    for instances, capacity, rate in ((1, 100, 18), (2, 200, math.inf), (1, 100, 18)):
        for step in range(20):
            now += STEP_S
            work.add(25, 25 / capacity)
            budget.worked(now, work, work, instances)
            if step == 0:
                assert budget.rate == math.inf
            budget.share(now, wants)
        assert budget.rate == pytest.approx(rate, rel=0.05)
