"""Times of the week, such as ``mon-fri 22:00-06:00; sat-sun``, by the clock on the wall of the server's time zone.

On a day on which clocks are set, a time that is left out does not come, and one that comes twice counts both times.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime, tzinfo
from functools import lru_cache
from itertools import groupby
from typing import Annotated, Literal, NamedTuple, TypeAlias, get_args

from pydantic import AfterValidator, Field

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
MINUTES = 24 * 60
"""Of a day."""
WHOLE_DAY = ((0, MINUTES),)
MOST_CHARACTERS = 200
EXPECTED_SCHEDULE = "times of the week, such as mon-fri 22:00-06:00; sat-sun"
_DAYS = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?")
_TIMES = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")


def in_hours(now: datetime, begin: int, end: int, days: Collection[str]) -> bool:
    """Return True between two minutes of the day; over midnight if ``end`` is not later. ``days``: of its begin."""
    minute, day = now.hour * 60 + now.minute, now.weekday()
    if begin < end:
        if not begin <= minute < end:
            return False
    elif minute < end:
        day = (day - 1) % 7  # it began the day before
    elif minute < begin:
        return False
    return DAYS[day] in days


class WeekPart(NamedTuple):
    """Days with times."""

    days: tuple[str, ...]
    """In the week's order."""
    times: tuple[tuple[int, int], ...]
    """Begin and end in minutes of the day."""

    def __str__(self) -> str:
        """As people write it."""
        whole = self.times == WHOLE_DAY
        words = [] if len(self.days) == len(DAYS) and not whole else list(_runs(self.days))
        return " ".join(words if whole else [*words, *(f"{_clock(begin)}-{_clock(end)}" for begin, end in self.times)])


class WeekSchedule:
    """Times of the week. It can't be changed, but for what it remembers of the last minute."""

    def __init__(self, parts: tuple[WeekPart, ...]) -> None:
        self.parts = parts
        self._minute: tuple[float, bool] = (-1.0, False)

    def allows(self, when: float, zone: tzinfo | None = None) -> bool:
        """Return True if it has this time: seconds since 1970. ``zone``: None for the server's own."""
        minute = when // 60
        if zone is None and self._minute[0] == minute:
            return self._minute[1]
        now = datetime.fromtimestamp(when, zone)
        found = any(in_hours(now, begin, end, part.days) for part in self.parts for begin, end in part.times)
        if zone is None:
            self._minute = minute, found
        return found

    def __str__(self) -> str:
        """As people write it. ``parse_schedule`` makes the same of it."""
        return "; ".join(map(str, self.parts))


@lru_cache(1024)
def parse_schedule(text: str) -> WeekSchedule:
    """Return what somebody wrote: days, times or both, any number of each. Raises ValueError.

    Times without days are for all days, days without times for the whole day. A semicolon begins anew, as does a day
    after a time; commas and spaces are all the same.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"at most {MOST_CHARACTERS} characters")
    parts = [part for words in text.lower().replace("\u2013", "-").split(";") for part in _parts(words)]
    if not parts:
        raise ValueError("there is neither a day nor a time")
    return WeekSchedule(tuple(parts))


def _parts(text: str) -> list[WeekPart]:
    found: list[tuple[set[str], list[tuple[int, int]]]] = []
    for word in filter(None, re.split(r"[\s,]+", text)):
        times = _TIMES.fullmatch(word)
        if not found or (times is None and found[-1][1]):
            found.append((set() if times is None else set(DAYS), []))
        if times is None:
            found[-1][0].update(_days(word))
        else:
            found[-1][1].append(_span(times))
    return [WeekPart(tuple(day for day in DAYS if day in days), tuple(times) or WHOLE_DAY) for days, times in found]


def _days(word: str) -> Iterator[str]:
    found = _DAYS.fullmatch(word)
    first, last = ("", "") if found is None else (found[1], found[2] or found[1])
    if first not in DAYS or last not in DAYS:
        raise ValueError(f"{word[:20]!r} is neither a day nor two times")
    at = DAYS.index(first)
    yield DAYS[at]
    while DAYS[at] != last:
        at = (at + 1) % 7
        yield DAYS[at]


def _span(found: re.Match[str]) -> tuple[int, int]:
    hour, minute, *ends = (int(part) for part in found.groups() if part is not None)
    begin, end = hour * 60 + minute, ends[0] * 60 + ends[1]
    if begin == end:
        raise ValueError(f"{found[0]}: two times that are the same; for a whole day there is 00:00-24:00")
    return begin, end


def _runs(days: tuple[str, ...]) -> Iterator[str]:
    """Days that follow each other as one word."""
    for _, run in groupby(enumerate(map(DAYS.index, days)), lambda one: one[1] - one[0]):
        following = [DAYS[index] for _, index in run]
        yield following[0] if len(following) == 1 else f"{following[0]}-{following[-1]}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def check_schedule(text: str) -> str:
    """Return a schedule as it is written shortest; "" is none, for all times. Raises ValueError."""
    return str(parse_schedule(text)) if text.strip() else ""


ScheduleText: TypeAlias = Annotated[str, Field(strict=True, max_length=MOST_CHARACTERS), AfterValidator(check_schedule)]
"""A schedule as people write it, or "" for all times."""
