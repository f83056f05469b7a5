"""Tracks compared: python bench/tracking.py [DIR ...] [--drop regular|irregular] [--seeds 5] [--json].

DIR is a folder of the MOTChallenge (gt/gt.txt, det/det.txt; without det, detections are made from the truth). Without
any, scenes are made. Sightline's tracks stand beside those of the package trackers, on the same detections, judged by
TrackEval. It needs ``pip install trackers trackeval``, in an environment of its own as they bring another OpenCV;
Sightline need not be installed there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mot import FPS, Clip, Rows, arriving, detected, read, scenes
from sightline.core.boxes import overlap

Ids: TypeAlias = "NDArray[np.int64]"
SIZES = (20, 50, 100)
"""Boxes in a picture, for the time that an update takes."""


class Tracking(Protocol):
    """One tracker at work on one clip."""

    def __call__(self, rows: Rows, at: float) -> tuple[Rows, Ids]:
        """Return the boxes that have an id, and their ids. ``at``: seconds."""
        ...


def sightline(fps: float) -> Tracking:
    """Our own."""
    from sightline.analytics._tracker import Tracker

    tracker = Tracker()

    def update(rows: Rows, at: float) -> tuple[Rows, Ids]:
        ids = tracker.update(
            rows[:, :4].astype(np.float32), rows[:, 4].astype(np.float32), rows[:, 5].astype(np.int32), at
        )
        return rows[ids > 0, :4], ids[ids > 0].astype(np.int64)

    return update


def peer(name: str, *, clock: bool) -> Callable[[float], Tracking]:
    """A tracker of the package, told the time of each frame (``clock``) or counting frames."""

    def make(fps: float) -> Tracking:
        import supervision
        import trackers

        tracker = getattr(trackers, name)(frame_rate=fps)

        def update(rows: Rows, at: float) -> tuple[Rows, Ids]:
            found = supervision.Detections(rows[:, :4], confidence=rows[:, 4], class_id=rows[:, 5].astype(int))
            tracked = tracker.update(found, timestamp=at if clock else None)
            named = tracked.tracker_id >= 0
            return np.asarray(tracked.xyxy[named], np.float64), tracked.tracker_id[named].astype(np.int64)

        return update

    return make


PEERS = {"bytetrack": "ByteTrackTracker", "ocsort": "OCSORTTracker", "cbiou": "CBIoUTracker"}
TRACKERS: dict[str, list[Callable[[float], Tracking]]] = {
    "sightline": [sightline],
    **{name: [peer(kind, clock=False), peer(kind, clock=True)] for name, kind in PEERS.items()},
}
"""By name, the ways to run one: of a peer's two, the one with the higher HOTA counts."""


def follow(clip: Clip, make: Callable[[float], Tracking], frames: list[int]) -> dict[str, Any]:
    """Run a tracker over the frames that arrive, and return what TrackEval's metrics take."""
    assert clip.found is not None
    update = make(clip.fps)
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    nothing = np.zeros((0, 7))
    for number in frames:
        boxes, ids = update(clip.found.get(number, nothing[:, :6]), number / clip.fps)
        if number not in clip.truth and number not in clip.ignored:
            continue
        truth = clip.truth.get(number, nothing)
        judged = _judged(boxes, truth[:, 1:5], clip.ignored.get(number, nothing[:, :4]))
        data["gt_ids"].append(truth[:, 0].astype(int))
        data["tracker_ids"].append(ids[judged])
        data["similarity_scores"].append(overlap(truth[:, None, 1:5], boxes[judged]))
    for kind, count in (("gt_ids", "gt"), ("tracker_ids", "tracker")):
        names, numbers = np.unique(np.concatenate([*data[kind], np.zeros(0, int)]), return_inverse=True)
        data[kind] = np.split(numbers, np.cumsum([len(one) for one in data[kind]])[:-1]) if data[kind] else []
        data |= {f"num_{count}_ids": len(names), f"num_{count}_dets": len(numbers)}
    return data | {"num_timesteps": len(data["gt_ids"])}


def _judged(boxes: Rows, truth: Rows, ignored: Rows) -> NDArray[np.bool_]:
    """False for boxes that fit something to be ignored better than anything that counts."""
    judged = np.ones(len(boxes), bool)
    if len(ignored) and len(boxes):
        from scipy.optimize import linear_sum_assignment

        scores = overlap(boxes[:, None], np.concatenate([truth, ignored]))
        scores[scores < 0.5] = 0
        rows, columns = linear_sum_assignment(-scores)
        judged[rows[(columns >= len(truth)) & (scores[rows, columns] > 0)]] = False
    return judged


def score(followed: dict[str, dict[str, Any]]) -> dict[str, float]:
    """HOTA and IDF1 in percent and the switches of ids, over all clips together."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    hota, clear, identity = HOTA(), CLEAR(quiet), Identity(quiet)
    by_metric = [
        metric.combine_sequences({name: metric.eval_sequence(data) for name, data in followed.items()})
        for metric in (hota, clear, identity)
    ]
    return {
        "hota": 100 * float(np.mean(by_metric[0]["HOTA"])),
        "idf1": 100 * float(by_metric[2]["IDF1"]),
        "switches": float(by_metric[1]["IDSW"]),
    }


def compare(clips: Callable[[int], list[Clip]], drop: str, seeds: int) -> dict[str, dict[str, float]]:
    """Mean scores of every tracker over the seeds."""
    runs: dict[str, list[list[dict[str, float]]]] = {name: [[] for _ in ways] for name, ways in TRACKERS.items()}
    for seed in range(seeds):
        seen = [(clip, arriving(clip.frames, drop, seed)) for clip in clips(seed)]
        for name, ways in TRACKERS.items():
            for way, runs_of_way in zip(ways, runs[name], strict=True):
                runs_of_way.append(score({clip.name: follow(clip, way, frames) for clip, frames in seen}))
    means = {name: [_mean(scores) for scores in ways] for name, ways in runs.items()}
    return {name: max(ways, key=lambda way: way["hota"]) for name, ways in means.items()}


def _mean(scores: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.fmean(one[key] for one in scores), 2) for key in scores[0]}


def update_ms(boxes: int, frames: int = 200) -> dict[str, float]:
    """Median milliseconds of CPU that an update takes with so many boxes that move, each tracker in turn."""
    random = np.random.default_rng(1)
    at = random.uniform(0, 2000, (boxes, 2))
    way = random.normal(0, 40, (boxes, 2))
    updates = {name: ways[0](FPS) for name, ways in TRACKERS.items()}
    took: dict[str, list[float]] = {name: [] for name in TRACKERS}
    scene = []
    for number in range(frames):
        corner = at + way * number / FPS + random.normal(0, 1, (boxes, 2))
        confidence = random.uniform(0.3, 0.95, boxes)
        scene.append(
            (np.column_stack([corner, corner + np.array([60, 140]), confidence, np.zeros(boxes)]), number / FPS)
        )
    for begin in range(0, frames, 25):
        for name, update in updates.items():
            for rows, seconds in scene[begin : begin + 25]:
                started = time.process_time_ns()
                update(rows, seconds)
                took[name].append((time.process_time_ns() - started) / 1e6)
    return {name: round(statistics.median(ms[20:]), 3) for name, ms in took.items()}


def main() -> None:
    """Compare, and print a table or one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--drop", choices=("regular", "irregular"), default="irregular")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sys.path.append(str(Path(__file__).resolve().parents[1] / "src"))
    lacking = [name for name in ("trackers", "trackeval") if find_spec(name) is None]
    if lacking:
        sys.exit(f"{' and '.join(lacking)} not found: pip install trackers trackeval, in an environment of its own")
    folders = [read(folder) for folder in given.folders]

    def clips(seed: int) -> list[Clip]:
        return [detected(clip, seed) for clip in folders or scenes(seed)]

    fixed = bool(folders) and all(clip.found is not None for clip in folders)
    results: dict[str, Any] = {
        drop: compare(clips, drop, 1 if fixed and drop != "irregular" else given.seeds)
        for drop in ("every", given.drop)
    }
    results["ms"] = {str(boxes): update_ms(boxes) for boxes in SIZES}
    print(json.dumps(results) if given.json else _table(results))


def _table(results: dict[str, Any]) -> str:
    lines = [f"{'':12}" + "".join(f"{name:>24}" for name in TRACKERS)]
    for drop, scores in results.items():
        if drop != "ms":
            told = [f"{one['hota']:.1f} {one['idf1']:.1f} {one['switches']:.0f}" for one in scores.values()]
            lines.append(f"{drop:12}" + "".join(f"{one:>24}" for one in told))
    for boxes, ms in results["ms"].items():
        lines.append(f"ms, {boxes:8}" + "".join(f"{one:>24.3f}" for one in ms.values()))
    return "\n".join([*lines, "HOTA, IDF1 in percent, switches of ids; milliseconds of CPU an update by boxes"])


if __name__ == "__main__":
    main()
