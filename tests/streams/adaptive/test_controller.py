"""Controller and budget in a simulated world: a camera that obeys, a link of so many bytes a second, a model."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.inference.instance import Work
from sightline.settings.presets import PRESETS
from sightline.streams.adaptive.budget import Budget, Want
from sightline.streams.adaptive.controller import Controller, Seen
from sightline.streams.adaptive.knobs import LEAST, Knobs

TARGET_MS = 100.0
DEFAULT = Knobs(30, 0.5, 640)
KILOBYTES = 26
"""Of a picture as the default preset has it: a detailed one (bench/pictures.py)."""
TICK = 0.001
STEP_S = 0.25
"""So often the server asks the controller."""
ALWAYS: Callable[[float], float] = lambda _: float("inf")  # noqa: E731


@dataclass
class _Picture:
    captured_at: float
    left: float
    """Bytes still to go over the link."""
    width: int
    received_at: float = 0.0


@dataclass
class World:
    """Everything is a function of the time in seconds."""

    work_ms: Callable[[float], float] = lambda _: 15.0
    link: Callable[[float], float] = ALWAYS
    """Bytes a second, up."""
    distance_ms: float = 3.0
    """Each way, whatever a picture's size."""
    clock_known: bool = True
    obeys: bool = True
    window: int | None = 2
    """Frames under way that the camera allows itself; None: as many as it likes."""
    load_s: float = 1.0
    """For which the old model goes on when another input size was chosen."""
    most: Knobs = DEFAULT
    bound: Knobs = LEAST
    seed: int = 0
    late: list[tuple[float, float]] = field(default_factory=list)
    """When each frame was captured, and its milliseconds from there to its result."""
    moves: list[tuple[float, Knobs, str]] = field(default_factory=list)
    asked: Knobs = DEFAULT

    def run(self, seconds: float) -> World:
        rng = random.Random(self.seed)
        self.controller = controller = Controller(self.most, target_ms=TARGET_MS, now=0.0, bound=self.bound)
        camera = self.most
        told: deque[tuple[float, Knobs]] = deque()
        up: deque[_Picture] = deque()
        coming: deque[_Picture] = deque()
        answers: deque[float] = deque()
        slot: _Picture | None = None
        work: tuple[_Picture, float, float] | None = None
        side, loaded_at = self.most.imgsz, float("inf")
        pending, next_capture, busy_s, next_step = 0, 0.0, 0.0, STEP_S
        budget, worked, self.asked = Budget(), Work(), self.most
        for tick in range(int(seconds / TICK)):
            now = tick * TICK
            while told and told[0][0] <= now:
                camera = told.popleft()[1]
            while answers and answers[0] <= now:
                answers.popleft()
                pending -= 1
            if now >= next_capture and (self.window is None or pending < self.window):
                next_capture = max(next_capture, now - 1 / camera.fps) + 1 / camera.fps
                size = KILOBYTES * 1000 * DEFAULT.bytes_to(camera) * rng.uniform(0.9, 1.1)
                up.append(_Picture(now, size, camera.width))
                pending += 1
            room = self.link(now) * TICK
            while up and room > 0:
                sent = min(room, up[0].left)
                up[0].left -= sent
                room -= sent
                if up[0].left <= 0:
                    picture = up.popleft()
                    jitter = rng.expovariate(1) * 2
                    before = coming[-1].received_at if coming else 0.0
                    picture.received_at = max(before, now + (self.distance_ms + jitter) / 1000)
                    coming.append(picture)
            while coming and coming[0].received_at <= now:
                if slot is not None:
                    answers.append(now + self.distance_ms / 1000)
                slot = coming.popleft()
            if work is not None and work[2] <= now:
                picture, begun, _ = work
                work = None
                busy_s += now - begun
                worked.add(1, now - begun)
                self.late.append((picture.captured_at, (now - picture.captured_at) * 1000))
                answers.append(now + self.distance_ms / 1000)
                controller.frame(
                    Seen(
                        received_at=picture.received_at,
                        captured_at=picture.captured_at + 1e6,
                        uplink_ms=(picture.received_at - picture.captured_at) * 1000 if self.clock_known else None,
                        queue_ms=(begun - picture.received_at) * 1000,
                        work_ms=(now - begun) * 1000,
                        reused=False,
                        width=picture.width,
                    )
                )
            if work is None and slot is not None:
                took_ms = self.work_ms(now) * ((side or 640) / 640) ** 2 * rng.uniform(0.95, 1.1)
                work = slot, now, now + took_ms / 1000
                slot = None
            if now >= loaded_at:
                side, loaded_at = controller.knobs.imgsz, float("inf")
                controller.in_force(now)
            if now >= next_step and loaded_at == float("inf"):
                budget.worked(now, worked, worked)
                budget.share(now, [Want(controller.knobs.fps)])
                moved = controller.step(now, busy=busy_s / STEP_S)
                share = max(controller.least.fps, budget.rate)
                knobs = replace(controller.knobs, fps=min(controller.knobs.fps, share))
                reason = controller.reason if moved else budget.reason
                if knobs != self.asked:
                    self.moves.append((now, knobs, reason))
                    self.asked = knobs
                    if knobs.imgsz != side:
                        loaded_at = now + self.load_s
                    if self.obeys:
                        told.append((now + self.distance_ms / 1000, knobs))
                next_step, busy_s = next_step + STEP_S, 0.0
        return self

    def p95(self, since: float, until: float) -> float:
        """Of the frames captured in that time."""
        found = sorted(ms for at, ms in self.late if since <= at < until)
        assert found, f"no frame between {since} and {until} s"
        return found[int(0.95 * len(found))]

    def turns(self, since: float, until: float) -> int:
        """How often the direction of change changed."""
        known = [(0.0, self.most, ""), *self.moves]
        load = [(at, k.fps * DEFAULT.bytes_to(k)) for at, k, _ in known if at <= until]
        ways = [(at, b > a) for (_, a), (at, b) in pairwise(load) if a != b]
        return sum(since <= at and up != before for (_, before), (at, up) in pairwise(ways))


def between(start: float, end: float, inside: float, outside: float) -> Callable[[float], float]:
    return lambda now: inside if start <= now < end else outside


MBIT = 1e6 / 8


def test_with_room_for_all_it_changes_nothing() -> None:
    world = World().run(60)
    assert world.moves == []
    assert world.p95(0, 60) < TARGET_MS


@pytest.mark.parametrize("clock_known", [True, False])
@pytest.mark.parametrize("window", [2, None])
def test_a_model_that_slows_down_and_recovers(window: int | None, clock_known: bool) -> None:
    world = World(work_ms=between(20, 60, 60, 25), window=window, clock_known=clock_known).run(120)
    assert world.p95(25, 60) < TARGET_MS, "within 5 s"
    assert world.p95(65, 120) < TARGET_MS
    assert world.turns(25, 60) <= 2, world.moves
    assert world.turns(80, 120) <= 2, world.moves
    during = next(k for at, k, _ in reversed(world.moves) if at < 60)
    assert (during.quality, during.width) == (DEFAULT.quality, DEFAULT.width), "the network is not to blame"
    assert world.controller.knobs == DEFAULT, "all comes back"


@pytest.mark.parametrize("clock_known", [True, False])
def test_a_link_that_is_squeezed_and_released(clock_known: bool) -> None:
    link = between(20, 80, 1 * MBIT, 50 * MBIT)
    world = World(link=link, clock_known=clock_known).run(160)
    assert world.p95(25, 80) < TARGET_MS, (world.p95(25, 80), world.moves)
    assert world.p95(85, 160) < TARGET_MS, (world.p95(85, 160), world.moves)
    assert world.turns(25, 80) <= 3, world.moves
    during = next(k for at, k, _ in reversed(world.moves) if at < 80)
    assert during.quality < DEFAULT.quality
    assert during.fps >= LEAST.fps
    assert world.controller.knobs == DEFAULT, "quality recovers"


def steps(*since: tuple[float, float]) -> Callable[[float], float]:
    """Each value from its time on."""
    return lambda now: [value for at, value in since if at <= now][-1]


@pytest.mark.parametrize("clock_known", [True, False])
@pytest.mark.parametrize(
    "world",
    [
        {"link": steps((0, 50 * MBIT), (20, MBIT), (24, 3 * MBIT), (32, MBIT), (40, 50 * MBIT))},
        {"work_ms": steps((0, 15), (20, 60), (28, 30), (36, 60), (40, 15))},
    ],
    ids=["link", "model"],
)
def test_a_step_that_failed_is_tried_at_once_when_what_it_failed_for_is_gone(
    world: dict[str, Callable[[float], float]], clock_known: bool
) -> None:
    played = World(**world, clock_known=clock_known).run(64)  # type: ignore[arg-type]
    ways = [
        b.fps * DEFAULT.bytes_to(b) > a.fps * DEFAULT.bytes_to(a) for (_, a, _), (_, b, _) in pairwise(played.moves)
    ]
    assert [True, False] in map(list, pairwise(ways)), "a step up was taken back"
    assert played.controller.knobs == DEFAULT, played.moves


def test_in_a_steady_state_that_is_too_narrow_it_rests() -> None:
    for mbit in (1, 2, 4):
        world = World(link=between(0, 240, mbit * MBIT, 0)).run(240)
        assert world.turns(60, 240) <= 9, f"3 a minute; {mbit} Mbit/s: {world.moves}"
        assert world.p95(60, 240) < TARGET_MS, (mbit, world.moves)


def test_one_late_picture_of_few_is_no_narrow_way() -> None:
    controller = Controller(DEFAULT, target_ms=TARGET_MS, now=0.0)
    for i in range(120):
        controller.frame(Seen(i / 6, i / 6, 200 if i % 8 == 0 else 10, 1, 15, False, 640))
        assert not controller.step(i / 6, busy=0.1), controller.reason


def test_a_way_that_is_long_rather_than_narrow_costs_no_quality() -> None:
    world = World(distance_ms=130).run(120)
    assert world.turns(10, 120) <= 6, world.moves
    assert world.controller.knobs.quality == DEFAULT.quality, world.moves
    assert world.controller.knobs.width == DEFAULT.width


def test_a_slow_model_costs_no_picture_quality() -> None:
    world = World(work_ms=lambda _: 90, distance_ms=20).run(60)
    assert world.asked.fps < DEFAULT.fps
    assert all((k.quality, k.width) == (DEFAULT.quality, DEFAULT.width) for _, k, _ in world.moves), world.moves


def test_a_camera_that_takes_no_notice_is_left_alone() -> None:
    link = lambda now: 20 * MBIT if now % 0.5 < 0.25 else 0.5 * MBIT  # noqa: E731 - in bursts
    world = World(link=link, window=None, obeys=False).run(60)
    assert not world.controller.follows
    assert world.controller.knobs == DEFAULT
    assert "no notice" in world.controller.reason
    assert world.moves[-1][0] < 10, "and asked no more"


def test_a_slow_viewer_counts_and_one_of_long_ago_does_not() -> None:
    controller = Controller(DEFAULT, target_ms=TARGET_MS, now=0.0)

    def play(begin: float, latency_ms: float | None) -> None:
        for i in range(60):
            now = begin + i / 30
            controller.frame(Seen(now, now, 10, 1, 15, False, 640))
            if latency_ms is not None:
                controller.viewers(now, latency_ms)
            if i % 8 == 7:
                controller.step(now, busy=0.4)

    play(3, None)
    assert controller.knobs == DEFAULT
    play(10, 400)
    lowered = controller.knobs
    assert lowered.fps < 30 or lowered.quality < 0.5
    for start in range(30, 90, 2):
        play(start, None)
    assert controller.knobs == DEFAULT


OURS = Knobs(30, 0.5, 640, 640, 0.25)
"""Where the model's input size and threshold may be chosen as well."""


def test_a_model_that_is_too_slow_even_for_few_pictures_gets_a_smaller_input() -> None:
    world = World(work_ms=between(10, 60, 250, 20), most=OURS).run(120)
    assert world.p95(30, 60) < TARGET_MS, (world.p95(30, 60), world.moves)
    sides = [k.imgsz for at, k, _ in world.moves if at < 60]
    down = [side for before, side in pairwise([640, *sides]) if side != before]
    assert down == [512, 416, 320], world.moves
    first = next(k for _, k, _ in world.moves if k.imgsz == 512)
    assert first.fps < DEFAULT.fps / 4, "fewer pictures come first"
    assert (first.quality, first.width) == (0.5, 640), "the network is not to blame"
    assert next(reason for _, k, reason in world.moves if k.imgsz == 512).startswith("the model takes ")
    up = next(k for at, k, _ in world.moves if at > 60 and k.imgsz != 320)
    assert up.imgsz == 416, "by small steps"
    assert world.controller.knobs == OURS, "all comes back"
    assert world.turns(30, 60) <= 2, world.moves


def test_the_threshold_is_the_last_resort() -> None:
    world = World(work_ms=lambda _: 1200, most=OURS, bound=replace(LEAST, confidence=0.5)).run(60)
    assert world.controller.knobs.imgsz == LEAST.imgsz
    stricter = [k for _, k, _ in world.moves if k.confidence != 0.25]
    assert stricter
    assert all(k.imgsz == LEAST.imgsz for k in stricter)
    assert stricter[-1].confidence == 0.5
    unasked = World(work_ms=lambda _: 1200, most=OURS).run(60)
    assert {k.confidence for _, k, _ in unasked.moves} == {0.25}, "fault 41: never by itself"
    fixed = World(work_ms=lambda _: 300).run(60)
    assert {(k.imgsz, k.confidence) for _, k, _ in fixed.moves} == {(None, None)}, "it is not ours to choose"


def test_a_model_that_can_not_be_had_is_left_alone_for_a_while() -> None:
    controller = Controller(OURS, target_ms=TARGET_MS, now=0.0, bound=Knobs(5, 0.3, 320, 416, 0.3))
    asked: list[tuple[int | None, float | None]] = []
    for i in range(400):
        now = i / 5
        controller.frame(Seen(now, now, 10, 0, 250, False, 640))
        if controller.step(now, busy=0.9):
            asked.append((controller.knobs.imgsz, controller.knobs.confidence))
            if controller.knobs.imgsz == 512 and len(asked) < 20:
                controller.hold(now, 640)
    assert (512, 0.25) in asked
    assert (640, 0.3) in asked, "the threshold waits for no size"
    again = Controller(OURS, target_ms=TARGET_MS, now=0.0, bound=Knobs(5, 0.3, 320, 416, 0.3))
    for i in range(400):
        again.frame(Seen(i / 5, i / 5, 10, 0, 250, False, 640))
        again.step(i / 5, busy=0.9)
    assert (again.knobs.imgsz, again.knobs.confidence) == (416, 0.3), "as far as was allowed"
    again.model(None, 0.25)
    assert (again.knobs.imgsz, again.knobs.confidence) == (None, 0.25), "somebody has chosen the size"


def test_a_size_that_was_refused_is_not_tried_again_and_holds_up_nothing() -> None:
    """Fault 22: 416 to 320 failed, then 512, again and again, and the threshold waited 45 s each time."""
    controller = Controller(OURS, target_ms=TARGET_MS, now=0.0, bound=Knobs(5, 0.3, 320, 160, 0.5))
    refused: set[int] = set()
    tried: list[int | None] = []
    for i in range(600):
        now = i / 5
        controller.model(640, 0.25, frozenset(refused))
        controller.frame(Seen(now, now, 10, 0, 2500, False, 640))
        before = controller.knobs.imgsz
        if controller.step(now, busy=0.9) and controller.knobs.imgsz != before:
            tried.append(controller.knobs.imgsz)
            if controller.knobs.imgsz in (512, 320):
                refused.add(controller.knobs.imgsz)
                controller.hold(now, before, frozenset(refused))
    assert tried == [512, 416, 320, 160]
    assert (controller.knobs.imgsz, controller.knobs.confidence) == (160, 0.5)
    for i in range(600, 1600):
        controller.model(640, 0.25, frozenset(refused))
        controller.frame(Seen(i / 5, i / 5, 10, 0, 5, False, 640))
        controller.step(i / 5, busy=0.01)
        assert controller.knobs.imgsz not in refused
    assert (controller.knobs.imgsz, controller.knobs.confidence) == (640, 0.25)


def test_every_move_has_its_reason_and_time() -> None:
    world = World(work_ms=lambda _: 60).run(20)
    assert [reason[:14] for _, _, reason in world.moves] == ["the model does"] * len(world.moves) != []
    world = World(link=lambda _: MBIT).run(20)
    at, _, reason = world.moves[-1]
    assert (world.controller.reason, world.controller.since) == (reason, at)
    assert "way" in world.moves[0][2]


@settings(max_examples=25)
@given(
    st.sampled_from([Knobs(p.fps, p.quality, p.width) for p in PRESETS.values()]),
    st.integers(1, 200),
    st.floats(0.2, 100),
    st.floats(0, 200),
    st.booleans(),
    st.sampled_from([2, 5, None]),
    st.integers(0, 3),
)
def test_whatever_happens_it_stays_within_its_bounds(
    most: Knobs, work_ms: int, mbit: float, distance_ms: float, clock_known: bool, window: int | None, seed: int
) -> None:
    world = World(
        work_ms=between(5, 10, work_ms, 20),
        link=between(8, 14, mbit * MBIT, 100 * MBIT),
        distance_ms=distance_ms,
        clock_known=clock_known,
        window=window,
        most=most,
        seed=seed,
    ).run(20)
    for _, knobs, reason in world.moves:
        assert min(LEAST.fps, most.fps) <= knobs.fps <= most.fps
        assert min(LEAST.quality, most.quality) <= knobs.quality <= most.quality
        assert min(LEAST.width, most.width) <= knobs.width <= most.width
        assert reason
