"""The HTML report: well-formed, self-contained, and what is in it is text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sightline.stress.charts import ChartLine, bar_chart, line_chart, nice
from sightline.stress.figures import Figures, LatencySpread, Sample, Second, StreamFigures, ViewerFigures
from sightline.stress.html import page
from sightline.stress.report import as_json, report, show
from sightline.stress.verdict import Goal

MS = LatencySpread(1.0, 2.0, 3.0, 4.0)


def run(name: str = "stress-0", *, seconds: int = 3, offered: float = 10.0) -> Figures:
    stream = StreamFigures(name, 30, 30, 1, 29, 0, {"replaced": 1}, {}, 0, MS, MS, 0.1, "")
    return Figures(
        *(
            1,
            10.0,
            3.0,
            "tcp",
            "motion",
            "",
            30_000,
            offered,
            9.7,
            30,
            30,
            29,
            0,
            {"replaced": 1},
            {},
            0,
            1,
            MS,
            MS,
            MS,
        ),
        fairness=1.0,
        streams=[stream],
        viewers=[ViewerFigures(name, 29, 1, MS, "")],
        seconds=[Second(s, 10, 9, 1, MS) for s in range(seconds)],
        samples=[Sample(s / 2, 50.0, 100.0, True) for s in range(2 * seconds)],
        clients_cpu=5.0,
        ledger=[],
    )


@pytest.mark.parametrize("sweep", [False, True])
@pytest.mark.parametrize("seconds", [0, 3])
def test_a_page_needs_nothing_from_elsewhere(seconds: int, *, sweep: bool) -> None:
    runs = [run(seconds=seconds), run(seconds=seconds, offered=20.0)] if sweep else [run(seconds=seconds)]
    html = page(report(runs, Goal(100, 0.01), source="clip.mp4", sweep=sweep))
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) > 4
    for svg in drawings:
        ElementTree.fromstring(svg)
    assert "<script" not in html
    assert not re.search(r"(src|href)=|url\(|https?://|@import", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert "nan" not in html


def test_names_are_text() -> None:
    html = page(report([run('<img onerror="x">')], Goal(), source="<b>", sweep=False))
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;img" in html


def test_json_says_the_same() -> None:
    text = as_json(report([run()], Goal(), source="clip.mp4", sweep=False))
    assert '"delivered": 29' in text


@pytest.mark.parametrize(("p95", "bars"), [((25, 50), (10, 20)), ((100, 200), (20, 39))])
def test_a_sweep_draws_its_curve(
    p95: tuple[float, float], bars: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [replace(run(offered=10.0 * ms), latency=LatencySpread(1.0, ms, ms, ms)) for ms in p95]
    show(report(runs, Goal(100.0, 0.01), source="clip.mp4", sweep=True))
    drawn = [
        line for line in capsys.readouterr().out.splitlines() if "|" in line and line.endswith(" ms") and "#" in line
    ]
    assert [line.count("#") for line in drawn] == list(bars)
    assert len({line.index("|") for line in drawn}) == 1, "the target is one line"


@given(st.floats(0, 1e9))
def test_ticks_are_round_and_reach_the_top(most: float) -> None:
    ticks = nice(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most * 0.999
    assert len(ticks) <= 11
    assert ticks == sorted(ticks)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=60))
def test_lines_stay_in_their_chart(points: list[tuple[float, float]]) -> None:
    drawn = line_chart("t", [ChartLine("n", points, 1)], x="s", y="ms", target=5)
    svg = ElementTree.fromstring(re.findall(r"<svg viewBox.*?</svg>", drawn)[0])
    for dot in svg.iter("circle"):
        assert 0 <= float(dot.attrib["cx"]) <= 560
        assert 0 <= float(dot.attrib["cy"]) <= 240


def test_bars_have_their_values() -> None:
    assert "<title>a: 3 frames</title>" in bar_chart("t", [("a", 3.0), ("b", 0.0)], y="frames")
