"""Milliseconds a frame of tracks, zones and rules, in turns: python bench/analytics.py [--objects 50] [--zones 10].

Objects walk at random through zones of six corners, at 25 frames a second. The stages are those of a stream, in the
order that it has them. Each frame passes all of them, and each one's own CPU time is taken. Rules want one or two
objects in a zone for 2 s, without a cooldown, so that they are fulfilled all the time. The model is not run.
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np

from sightline.analytics import rules, tracks, zones
from sightline.analytics.base import Stage
from sightline.analytics.rules.board import RuleBoard
from sightline.analytics.zones.board import ZoneBoard
from sightline.core.predictions import Detections, Prediction
from sightline.core.rules import Rule
from sightline.core.types import Frame, ModelCard
from zones import FPS, SIZE, zone

CARD = ModelCard("bench", "bench", "detect", ("person",), None, "-", "-")
PIXELS = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=50)
    parser.add_argument("--zones", type=int, default=10)
    parser.add_argument("--rules", type=int, default=10)
    parser.add_argument("--frames", type=int, default=3000)
    given = parser.parse_args()
    random = np.random.default_rng(1)
    zone_board = ZoneBoard("bench", {f"zone{n}": zone(random) for n in range(given.zones)})
    wanted = (
        Rule(zone=f"zone{n % max(1, given.zones)}", for_s=2, at_least=1 + n % 2, cooldown_s=0)
        for n in range(given.rules)
    )
    rule_board = RuleBoard(zone_board, {f"rule{n}": rule for n, rule in enumerate(wanted)})
    stages: dict[str, Stage] = {
        "tracks": tracks.create(ids=itertools.count(1)),
        "zones": zones.create(zone_board),
        "rules": rules.create(rule_board),
    }
    feet, speed = random.uniform(0.2, 0.8, (given.objects, 2)), random.normal(0, 0.1 / FPS, (given.objects, 2))
    sure, classes = np.full(given.objects, 0.9, np.float32), np.zeros(given.objects, np.int32)
    took: dict[str, list[float]] = {name: [] for name in stages}
    fired, received = 0, time.monotonic() - given.frames / FPS
    for number in range(given.frames):
        feet += speed
        speed[(feet < 0.1) | (feet > 0.9)] *= -1
        boxes = ((np.tile(feet, 2) + np.array((-0.025, -0.2, 0.025, 0.0))) * (SIZE * 2)).astype(np.float32)
        frame = Frame("bench", number, 1e9 + number / FPS, received + number / FPS, PIXELS)
        prediction: Prediction = Detections(boxes, sure, classes)
        for name, stage in stages.items():
            begun = time.thread_time()
            staged = stage.apply(frame, prediction, CARD)
            took[name].append((time.thread_time() - begun) * 1000)
            prediction = prediction if staged.prediction is None else staged.prediction
            fired += sum(event.kind == "rule" and event.phase == "start" for event in staged.events)
    print(f"{given.objects} objects, {given.zones} zones, {given.rules} rules, {given.frames} frames of {FPS} fps")
    print(f"rules were fulfilled {fired} times")
    for name, ms in (*took.items(), ("together", np.sum(list(took.values()), axis=0))):
        print(f"{name:9} mean, median, 95 %: {np.mean(ms):7.3f} {np.median(ms):7.3f} {np.percentile(ms, 95):7.3f} ms")


if __name__ == "__main__":
    main()
