"""Rules as sentences. The pages make the same ones of what a form holds (``web/panels/rules/words.js``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from sightline.core.rules import Rule
from sightline.core.schedule import DAYS, Day

IRREGULAR = {
    "person": "people",
    "mouse": "mice",
    "knife": "knives",
    "sheep": "sheep",
    "scissors": "scissors",
    "skis": "skis",
}
TIMES = "\N{MULTIPLICATION SIGN}"
_PLAIN = re.compile(r"((?:[a-z]+ )*)([a-z]+)")


def sentence(rule: Rule) -> str:
    """Return a rule as a sentence: When a person is in drive for 2 s, not again for 60 s: notify."""
    parts = [f"When {_condition(rule)}" + (f" for {_number(rule.for_s)} s" if rule.for_s else "")]
    if hours := _hours(rule):
        parts.append(hours)
    if rule.cooldown_s:
        parts.append(f"not again for {_number(rule.cooldown_s)} s")
    return f"{', '.join(parts)}: {', '.join(rule.actions) or 'tell nobody'}."


def _condition(rule: Rule) -> str:
    if rule.when == "scene":
        return "the camera is covered or moved"
    if rule.when == "stream":
        return "the camera is lost"
    many = rule.at_least > 1
    who = f"at least {_amount(rule.classes, rule.at_least)}" if many else _one(rule.classes)
    if rule.line:
        return f"{who} crosses {rule.line}" + (f" {rule.direction}" if rule.direction else "")
    return f"{who} {'are' if many else 'is'} in {rule.zone or 'the picture'}"


def _one(classes: Sequence[str] | None) -> str:
    return _either([f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" for name in classes or ()]) or "anything"


def _amount(classes: Sequence[str] | None, count: int) -> str:
    if not classes:
        return f"{count:,} objects"
    first, *rest = classes
    return _either([_several(first, f"{count:,} "), *(_several(name) for name in rest)])


def _several(name: str, count: str = "") -> str:
    """Return a name in the plural. One that is no plain English word stays as it is."""
    plain = _PLAIN.fullmatch(name)
    if plain is None:
        return f"{count}{TIMES} {name}"
    before, last = plain.groups()
    return f"{count}{before}{IRREGULAR.get(last) or _regular(last)}"


def _regular(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search(r"[^aeiou]y$", word) else f"{word}s"


def _either(names: Sequence[str]) -> str:
    return " or ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} or {names[-1]}"


def _hours(rule: Rule) -> str:
    on = f"on {_days(rule.days)}" if rule.days and set(rule.days) != set(DAYS) else ""
    when = " ".join(part for part in (rule.hours, on) if part)
    return f"outside {when}" if when and rule.outside else when


def _days(days: Sequence[Day]) -> str:
    """Return days in the week's order; more than two in a row as a span."""
    there = sorted({DAYS.index(day) for day in days})
    runs = [[DAYS[n].title() for _, n in run] for _, run in groupby(enumerate(there), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
