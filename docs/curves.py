"""Draws docs/images/adapting.svg: the controller in the simulated world of tests/streams/adaptive/test_controller.py.

python docs/curves.py
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]

from sightline.stress.charts import ChartLine, line_chart  # noqa: E402
from squeeze import standing_alone  # noqa: E402
from streams.adaptive.test_controller import DEFAULT, MBIT, TARGET_MS, World, between  # noqa: E402


def charts(what: str, world: World, seconds: int) -> list[tuple[str, list[ChartLine], str]]:
    """Latency of every second, and what was asked for."""
    by_second: dict[int, list[float]] = defaultdict(list)
    for at, ms in world.late:
        by_second[int(at)].append(ms)
    late = [
        ChartLine("p95 of a second, ms", [(s, float(np.percentile(ms, 95))) for s, ms in sorted(by_second.items())], 1)
    ]
    asked = []
    for color, key in enumerate(("fps", "quality", "width"), start=1):
        points = [(0.0, 100.0)]
        for at, knobs, _ in world.moves:
            points += [(at, points[-1][1]), (at, 100 * getattr(knobs, key) / getattr(DEFAULT, key))]
        asked.append(ChartLine(key, [*points, (seconds, points[-1][1])], color))
    return [
        (what, late, line_chart("", late, x="s; dashed: the target", y="ms", target=TARGET_MS)),
        ("asked for", asked, line_chart("", asked, x="s", y="% of the preset")),
    ]


def main() -> None:
    """Simulate and draw."""
    link = World(link=between(20, 60, MBIT, 50 * MBIT)).run(100)
    model = World(work_ms=between(20, 60, 60, 25)).run(100)
    drawn = [
        *charts("The link has 1 Mbit/s from 20 to 60 s:", link, 100),
        *charts("The model takes 60 in place of 25 ms from 20 to 60 s:", model, 100),
    ]
    (ROOT / "docs" / "images" / "adapting.svg").write_text(standing_alone(drawn), "utf-8")


if __name__ == "__main__":
    main()
