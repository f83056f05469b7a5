"""What was found: as a table of the terminal, as Markdown for the docs, and as a page with bars."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import Any

from race.jobs import JOBS, US, Figure, Goal

STYLE = """
:root { color-scheme: light dark; --line: #dfe3e8; --ours: #1f62d0; --theirs: #8a94a0; --good: #17703d; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --line: #2e343d; --ours: #6ea8ff; --good: #5fd08a; --bad: #ff8a80 } }
body { margin: 0 auto; max-width: 960px; padding: 24px; font: 15px/24px system-ui, sans-serif;
  font-variant-numeric: tabular-nums }
h1 { font-size: 24px } h2 { font-size: 17px; margin: 32px 0 8px } p { margin: 4px 0 }
.side { display: grid; grid-template-columns: 15em 1fr 12em; gap: 12px; border-bottom: 1px solid var(--line) }
.bar { margin: 6px 0; height: 12px; border-radius: 2px; background: var(--theirs) }
.bar.ours { background: var(--ours) }
.met { color: var(--good) } .missed { color: var(--bad) }
@media (max-width: 640px) { .side { grid-template-columns: 1fr } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Line:
    """One side's values of a figure, or why there are none."""

    side: str
    values: tuple[float, ...]
    failed: str

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)

    def words(self, figure: Figure) -> str:
        """The median, with the range where the rounds differ."""
        if not self.values:
            return self.failed
        low, middle, high = (f"{v:,.{figure.digits}f}" for v in (min(self.values), self.middle, max(self.values)))
        told = middle if low == high else f"{middle} ({low} to {high})"
        return f"{told}, then {self.failed}" if self.failed else told


def figures(found: Any) -> Iterator[tuple[str, Figure, list[Line]]]:
    """Every figure of the jobs that were run, with its sides."""
    for name, sides in found["jobs"].items():
        for figure in JOBS[name].figures:
            yield (
                name,
                figure,
                [
                    Line(side, tuple(r[figure.key] for r in said["rounds"]), said["failed"])
                    for side, said in sides.items()
                ],
            )


def reached(figure: Figure, goal: Goal, lines: list[Line]) -> tuple[str, bool | None]:
    """A goal in words, and whether it is met; None where that can't be told."""
    sign = "at least" if figure.more_is_better else "at most"
    medians = {line.side: line.middle for line in lines if line.values}
    rivals = [medians[side] for side in goal.of if side in medians]
    words = f"{goal.side}: {sign} {goal.value:g}"
    words += f" times {' and '.join(goal.of)}" if goal.of else f" {figure.unit}".rstrip()
    if goal.side not in medians or (goal.of and not rivals):
        return words, None
    best = (max if figure.more_is_better else min)(rivals) if goal.of else 1.0
    value = medians[goal.side]
    if figure.more_is_better:
        return words, value > 0 and value >= goal.value * best
    return words, value <= goal.value * best


def about(found: Any) -> str:
    """When, where, how, and how busy the machine was."""
    before, after = found["load_before"], found["load_after"]
    rounds = f"{found['rounds']} round{'s' * (found['rounds'] > 1)} of {found['seconds']:g} s"
    return (
        f"{found['date']}, {found['cores']} cores ({found['processor']}, {found['system']}), Python {found['python']}. "
        f"`{found['command']}`: {rounds}, in turns. Load of the machine: "
        f"before {before['average']:g}, {before['busy']:g} % busy, after {after['average']:g}, {after['busy']:g} %."
    )


def terminal(found: Any) -> str:
    """Everything, for a terminal."""
    parts = [about(found)]
    for name, figure, lines in figures(found):
        parts.append(f"\n{name}: {figure.title}{figure.unit and f', {figure.unit}'}")
        parts += [f"  {line.side:<34}{line.words(figure)}" for line in lines]
        parts += [f"  goal, {words}: {_verdict(met)}" for words, met in _goals(figure, lines)]
    return "\n".join(parts)


def markdown(found: Any) -> str:
    """The page of the docs."""
    parts = [
        "<!-- Made by `make race ARGS=--docs`: run it again to change it. -->",
        "# Benchmarks",
        "",
        "Sightline beside its peers on one machine. Each peer has a virtual environment of its own and does the job",
        "with its own means; `bench/race/contestants/` has the programs. Figures are medians with the range of the",
        "rounds. Where other programs kept the machine busy, compare the sides with each other alone.",
        "",
        *textwrap.wrap(about(found), 140, break_on_hyphens=False),
    ]
    for _, figure, lines in figures(found):
        parts += [
            "",
            f"## {figure.title[0].upper()}{figure.title[1:]}",
            "",
            f"| who | {figure.unit or 'number'} |",
            "|---|---|",
        ]
        parts += [f"| {line.side} | {_cell(line.words(figure))} |" for line in lines]
        parts += [""] * bool(figure.goals)
        parts += [f"- Goal, {words}: {_verdict(met)}." for words, met in _goals(figure, lines)]
    return "\n".join([*parts, ""])


def page(found: Any) -> str:
    """The page with bars. The longest bar is the largest median."""
    parts: list[str] = []
    for _, figure, lines in figures(found):
        most = max((line.middle for line in lines if line.values), default=0.0) or 1.0
        better = "more" if figure.more_is_better else "less"
        parts.append(f"<h2>{escape(figure.title)}</h2><p>{escape(figure.unit)}, {better} is better</p>")
        for line in lines:
            width = 100 * line.middle / most if line.values else 0
            ours = " ours" if line.side.startswith(US) else ""
            bar = f'<div><div class="bar{ours}" style="width: {width:.1f}%"></div></div>'
            words = escape(line.words(figure))
            parts.append(f'<div class="side"><span>{escape(line.side)}</span>{bar}<span>{words}</span></div>')
        for goal, met in _goals(figure, lines):
            kind = {True: "met", False: "missed", None: ""}[met]
            parts.append(f'<p class="{kind}">Goal, {escape(goal)}: {_verdict(met)}</p>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sightline: race</title><style>{STYLE}</style></head><body>"
        f"<h1>Sightline beside its peers</h1><p>{escape(about(found))}</p>{''.join(parts)}</body></html>\n"
    )


def _goals(figure: Figure, lines: list[Line]) -> list[tuple[str, bool | None]]:
    return [reached(figure, goal, lines) for goal in figure.goals]


def _verdict(met: bool | None) -> str:
    return {True: "met", False: "missed", None: "not measured"}[met]


def _cell(words: str) -> str:
    return words.replace("|", "/").replace("<", "&lt;")
