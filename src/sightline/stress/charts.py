"""Charts as inline SVG. Colours are CSS variables, so one drawing serves the light and the dark theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 40
TICKS = 5
LEAST = 1e-6
"""Charts whose largest value is below this have an axis from 0 to 1."""
MOST_DOTS = 40
"""Number of points above which a line has no dots; they would hide it."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart. ``color`` is 1 to 4."""

    name: str
    points: Sequence[tuple[float, float]]
    color: int
    dashed: bool = False


def line_chart(title: str, lines: Sequence[ChartLine], *, x: str, y: str, target: float | None = None) -> str:
    """Line chart with a common x axis from 0 and a legend. ``target`` is a level to compare with."""
    points = [point for one in lines for point in one.points]
    right = nice(max((px for px, _ in points), default=1.0))[-1]
    ticks = nice(max([py for _, py in points] + ([target] if target is not None else []), default=1.0))
    top_y = ticks[-1]
    parts = [_axes(ticks, nice(right), x, y, right, top_y)]
    if target is not None:
        level = _y(target, top_y)
        parts.append(f'<line class="target" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}"/>')
    for one in lines:
        parts.append(_line(one, right, top_y, y))
    named = [(one.name, f"c{one.color}", one.dashed) for one in lines]
    if target is not None:
        named.append((f"target {target:g}", "target", True))
    return _figure(title, "".join(parts), named)


def bar_chart(title: str, bars: Sequence[tuple[str, float]], *, y: str) -> str:
    """Bar chart from 0, one bar for each name and value."""
    ticks = nice(max((value for _, value in bars), default=1.0))
    parts = [_axes(ticks, [], "", y, 1.0, ticks[-1])]
    room = (WIDTH - LEFT - RIGHT) / max(1, len(bars))
    for i, (name, value) in enumerate(bars):
        top = _y(value, ticks[-1])
        place = f'x="{LEFT + i * room + room * 0.15:.1f}" y="{top:.1f}" width="{room * 0.7:.1f}"'
        told = f"<title>{escape(name)}: {value:g} {escape(y)}</title>"
        parts.append(f'<rect class="bar" {place} height="{HEIGHT - BOTTOM - top:.1f}" rx="2">{told}</rect>')
        if len(bars) <= 24:
            middle = LEFT + (i + 0.5) * room
            parts.append(
                f'<text class="tick" x="{middle:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{i}</text>'
            )
    parts.append(_label("stream"))
    return _figure(title, "".join(parts), [])


def nice(most: float) -> list[float]:
    """Round tick values from 0 to at least ``most``."""
    if not LEAST <= most < math.inf:
        return [0.0, 1.0]
    rough = most / TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(most / step - 1e-9) + 1)]


def _x(value: float, right: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / right


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _axes(y_ticks: list[float], x_ticks: list[float], x: str, y: str, right: float, top: float) -> str:
    parts = []
    for tick in y_ticks:
        at = _y(tick, top)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        at = _x(tick, right)
        parts.append(f'<text class="tick" x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'x="14" y="{middle:.0f}" transform="rotate(-90 14 {middle:.0f})" text-anchor="middle"'
    return "".join([*parts, f'<text class="label" {turned}>{escape(y)}</text>', _label(x)])


def _label(x: str) -> str:
    middle = (LEFT + WIDTH - RIGHT) / 2
    return f'<text class="label" x="{middle:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x)}</text>' if x else ""


def _line(one: ChartLine, right: float, top: float, unit: str) -> str:
    dashed = " dashed" if one.dashed else ""
    path = " ".join(f"{_x(px, right):.1f},{_y(py, top):.1f}" for px, py in one.points)
    parts = [f'<polyline class="c{one.color}{dashed}" points="{path}"/>']
    if len(one.points) <= MOST_DOTS:
        for px, py in one.points:
            told = f"<title>{escape(one.name)} at {px:g}: {py:g} {escape(unit)}</title>"
            parts.append(
                f'<circle class="c{one.color}" cx="{_x(px, right):.1f}" cy="{_y(py, top):.1f}" r="3">{told}</circle>'
            )
    return "".join(parts)


def _figure(title: str, drawn: str, named: Sequence[tuple[str, str, bool]]) -> str:
    legend = "".join(
        f'<li><svg width="20" height="8" aria-hidden="true"><line class="{kind}{" dashed" if dashed else ""}" '
        f'x1="0" x2="20" y1="4" y2="4"/></svg>{escape(name)}</li>'
        for name, kind, dashed in named
    )
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{drawn}</svg>'
        f"<ul>{legend}</ul></figure>"
    )
