"""Times of the week: how they are written, and which moments they have, also over midnight and when clocks are set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.schedule import DAYS, parse_schedule

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"
ZONES = [ZoneInfo(name) for name in NAMES]
clocks = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.integers(0, 59))
spans = st.builds(lambda a, b: f"{a}-{b}", clocks, st.one_of(clocks, st.just("24:00"))).filter(
    lambda span: span[:5] != span[6:]
)
days = st.sampled_from([*DAYS, "mon-fri", "fri-mon", "sat-sun", "Tue-Tue"])
words = st.one_of(days, spans)
separators = st.sampled_from([" ", ", ", "; ", ","])
moments = st.integers(1_700_000_000, 1_900_000_000)


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


@given(st.lists(words, min_size=1, max_size=8), separators, moments, st.sampled_from(ZONES))
def test_what_is_written_back_is_the_same(said: list[str], between: str, when: int, zone: ZoneInfo) -> None:
    schedule = parse_schedule(between.join(said))
    again = parse_schedule(str(schedule))
    assert str(again) == str(schedule)
    assert again.parts == schedule.parts
    assert again.allows(when, zone) == schedule.allows(when, zone)


@given(clocks, clocks, st.sets(st.sampled_from(DAYS), min_size=1), moments, st.sampled_from(ZONES))
def test_a_time_is_in_it_as_a_clock_on_the_wall_shows_it(
    begin: str, end: str, on: set[str], when: int, zone: ZoneInfo
) -> None:
    """Checked minute by minute by walking back to where it began."""
    if begin == end:
        return
    now = datetime.fromtimestamp(when, zone)
    clock, today, before = f"{now:%H:%M}", DAYS[now.weekday()], DAYS[now.weekday() - 1]
    if begin < end:
        expected = today in on and begin <= clock < end
    else:
        expected = (today in on and clock >= begin) or (before in on and clock < end)
    assert parse_schedule(f"{' '.join(on)} {begin}-{end}").allows(when, zone) == expected


@given(moments, st.sampled_from(ZONES))
def test_a_day_and_its_nights_leave_nothing_out(when: int, zone: ZoneInfo) -> None:
    day, night = parse_schedule("06:00-22:00"), parse_schedule("22:00-06:00")
    assert day.allows(when, zone) != night.allows(when, zone)
    assert parse_schedule("mon-sun").allows(when, zone)
    assert parse_schedule("mon-fri").allows(when, zone) != parse_schedule("sat-sun").allows(when, zone)


def test_over_midnight_it_is_the_day_on_which_it_begins_that_counts() -> None:
    nights = parse_schedule("mon-fri 22:00-06:00")
    assert nights.allows(at("2026-11-27T22:00"), BERLIN), "Friday"
    assert nights.allows(at("2026-11-28T05:59"), BERLIN), "Saturday, begun on Friday"
    assert not nights.allows(at("2026-11-28T06:00"), BERLIN)
    assert not nights.allows(at("2026-11-28T23:00"), BERLIN), "Saturday"
    assert not nights.allows(at("2026-11-30T05:00"), BERLIN), "Monday, begun on Sunday"


def test_on_days_on_which_clocks_are_set() -> None:
    early, nights = parse_schedule("02:00-03:00"), parse_schedule("22:00-06:00")

    def minutes(schedule_day: str, of: object) -> int:
        start = datetime.fromisoformat(schedule_day).replace(tzinfo=BERLIN).astimezone(UTC)
        steps = (start + timedelta(minutes=minute) for minute in range(25 * 60))
        same = [step for step in steps if step.astimezone(BERLIN).date().isoformat() == schedule_day]
        return sum(of.allows(step.timestamp(), BERLIN) for step in same)  # type: ignore[attr-defined]

    assert minutes("2026-03-29", early) == 0, "that hour is left out"
    assert minutes("2026-10-25", early) == 120, "it comes twice"
    assert (minutes("2026-03-29", nights), minutes("2026-10-25", nights)) == (7 * 60, 9 * 60)


@pytest.mark.parametrize(
    "text", ["", " ; ", "always", "mon-", "25:00-26:00", "10:00", "22:00-22:00", "mon-fre", "24:00-06:00", "9:00-10:00"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|same"):
        parse_schedule(text)


@given(st.text(max_size=300))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        made = parse_schedule(text)
    except ValueError:
        return
    assert parse_schedule(str(made)).parts == made.parts


def test_it_is_written_as_short_as_can_be() -> None:
    assert str(parse_schedule("Mon, Wed,Thu,fri 22:00\u201306:00, sat-sun")) == "mon wed-fri 22:00-06:00; sat-sun"
    assert str(parse_schedule("mon-sun 00:00-24:00")) == "mon-sun"
    assert str(parse_schedule("mon-sun 08:00-12:00 13:00-17:00")) == "08:00-12:00 13:00-17:00"
