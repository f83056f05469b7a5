"""A stream's board: every event that starts has one end, whatever happens to the camera, the zones and the server."""

from __future__ import annotations

import threading
from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics.base import Pipeline, Stage, Staged
from sightline.analytics.zones import create
from sightline.analytics.zones.board import BoardState, ZoneBoard, tracked
from sightline.core.events import Event
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, ModelCard
from sightline.core.zones import CrossingLine, Zone
from support.walking import Sight, sighting

LEFT = Zone(points=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), loiter_s=0.4)
MIDDLE = Zone(points=((0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)), classes=("person",))
GATE = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
CARD = ModelCard("m", "m", "detect", ("person", "car"), None, "-", "-")
PIXELS = np.zeros((9, 16, 3), np.uint8)
OPERATIONS = ("frame",) * 8 + ("zones", "lines", "camera lost", "restart", "reset")


def frame(at: float, seq: int = 0) -> Frame:
    return Frame("door", seq, at, 0.0, PIXELS)


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(OPERATIONS), max_size=40))
def test_each_start_has_one_end(seed: int, operations: list[str]) -> None:
    random = np.random.default_rng(seed)
    board, events = ZoneBoard("door", {"left": LEFT, "middle": MIDDLE}, {"gate": GATE}), list[Event]()
    for n, operation in enumerate(operations):
        if operation == "frame":
            shown = [Sight(i, *random.uniform(0, 1, 2).tolist()) for i in range(3) if random.uniform() < 0.8]
            events += board.take(frame(n / 3, n), sighting(*shown)).events
        elif operation == "zones":
            zones = {"left": LEFT, "middle": MIDDLE, "right": MIDDLE}
            events += board.change({k: v for k, v in zones.items() if random.uniform() < 0.5}, board.lines)
        elif operation == "lines":
            events += board.change(board.zones, {"gate": GATE} if random.uniform() < 0.5 else {})
        elif operation == "camera lost":
            events += board.finish("the camera is gone")
        elif operation == "restart":  # what lasted is ended by the journal
            state = msgspec.json.decode(board.saved(), type=BoardState)
            events += board.finish("the server died")
            board = ZoneBoard("door", board.zones, board.lines)
            board.restore(state)
        else:
            for name in board.zones:
                board.reset("zone", name)
        now = {name: sum(zone.now.values()) for name, zone in board.counted().zones.items()}
        net = {name: _net(board, name) for name in board.zones}
        assert now == net
    events += board.finish("over")
    events += board.take(frame(1000.0), sighting()).events
    phases: dict[str, list[str]] = {}
    for event in events:
        phases.setdefault(event.id, []).append(event.phase)
    assert all(told == ["start", "end"] for told in phases.values())


def test_nobody_is_left_in_a_zone_by_a_server_that_starts_twice_in_a_row() -> None:
    board = ZoneBoard("door", {"left": LEFT})
    board.take(frame(1.0), sighting(Sight(1, 0.2)))
    for _ in range(2):
        state = msgspec.json.decode(board.saved(), type=BoardState)
        board = ZoneBoard("door", {"left": LEFT})
        board.restore(state)
    assert board.take(frame(2.0), sighting()).events == ()
    assert _net(board, "left") == 0


def _net(board: ZoneBoard, name: str) -> int:
    total = board.totals("zone", name).total
    return sum(total.into.values()) - sum(total.out.values())


def test_counts_go_on_while_others_read_and_change_them() -> None:
    board = ZoneBoard("door", {"left": LEFT}, {"gate": GATE})
    failed: list[BaseException] = []

    def look() -> None:
        try:
            for n in range(200):
                board.counted(), board.saved(), board.totals("line", "gate"), board.heatmap()
                board.change({"left": LEFT} | ({"more": MIDDLE} if n % 2 else {}), {"gate": GATE})
        except BaseException as e:  # noqa: BLE001 - told by the test's own thread
            failed.append(e)

    looking = threading.Thread(target=look)
    looking.start()
    crossings, n = 0, 0
    while looking.is_alive() or n % 2:
        board.take(frame(n / 10), sighting(Sight(1, 0.2 if n % 2 else 0.8)))
        crossings, n = crossings + (n > 0), n + 1
    looking.join()
    assert failed == []
    total = board.totals("line", "gate").total
    assert total.into.get("person", 0) + total.out.get("person", 0) == crossings


class ConfirmsWhileNothingMoves(Stage):
    """Gives an id only to the second look, as a tracker does."""

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        self._rows = prediction.objects
        return Staged(prediction=replace(self._rows, tracker_id=np.full(len(self._rows), -1, np.int32)))

    def touch(self, frame: Frame) -> Staged:
        return Staged(prediction=replace(self._rows, tracker_id=np.arange(len(self._rows), dtype=np.int32)))


def test_an_object_that_gets_its_id_in_a_still_scene_counts() -> None:
    board = ZoneBoard("door", {"left": LEFT})
    pipeline = Pipeline({"ids": ConfirmsWhileNothingMoves(), "zones": create(board)})
    found = Detections(np.array([[0, 0, 4, 4]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32))
    seen = pipeline.apply(frame(1.0), found, CARD)
    assert board.counted().zones["left"].now == {}
    pipeline.touch(frame(1.1), seen.prediction)
    assert board.counted().zones["left"].now == {"person": 1}


def test_only_certain_ids_count() -> None:
    boxes = np.array([[0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 6, 6]], np.float32)
    found = Detections(boxes, np.ones(3, np.float32), np.array([0, 1, 0], np.int32), np.array([7, -1, 9], np.int32))
    seen = tracked(found, CARD, (16, 9))
    assert (seen.ids, seen.classes, seen.boxes.tolist()) == ([7, 9], ["person"] * 2, boxes[[0, 2]].tolist())
    untracked = Detections(boxes, np.ones(3, np.float32), np.array([0, 1, 0], np.int32))
    assert tracked(untracked, CARD, (16, 9)).ids == []
