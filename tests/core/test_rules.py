"""Rules as people give them."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadSetting
from sightline.core.rule_words import sentence
from sightline.core.rules import Rule, parse_rule
from sightline.core.schedule import DAYS

SENTENCES = json.loads((Path(__file__).parents[1] / "golden" / "sentences.json").read_text("utf-8"))
"""Rules with their sentences; tests/web/panels/rules.test.js has them too."""


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"for_s": -1}, "for_s: got -1; expected a number of seconds from 0 to 86400"),
        ({"hours": "8-18"}, "hours: got '8-18'; expected two times that differ, such as 08:00-18:00, or null"),
        ({"hours": "08:00-08:00"}, "hours: got '08:00-08:00'; expected two times that differ"),
        ({"hours": "00:00-24:00"}, "hours: got '00:00-24:00'; expected two times that differ"),
        ({"hours": "18:00-24:00-24:00"}, "hours: got '18:00-24:00-24:00'; expected two times that differ"),
        ({"hours": "24:00-08:00"}, "hours: got '24:00-08:00'; expected two times that differ"),
        ({"days": []}, "days: got []; expected a list of mon, tue"),
        ({"days": ["monday"]}, "days: got 'monday'; expected a list of mon, tue"),
        ({"zone": "a", "line": "b"}, "zone: got a zone and a line; expected one of them"),
        ({"direction": "in"}, "direction: got a direction without a line; expected a line, or no direction"),
        ({"line": "gate", "for_s": 2}, "line: got a line with for_s or at_least; expected a zone"),
        ({"when": "scene", "zone": "a"}, "when: got a rule about no object with classes, zone"),
        ({"colour": "red"}, "colour: got 'red'; expected one of the keys enabled, when"),
        ({"actions": ["email"]}, "actions: got 'email'; expected a list of notify, webhook, mqtt, command"),
        ({"zone": "two words"}, "zone: got 'two words'; expected the name of a zone, or null"),
        ({"at_least": True}, "at_least: got True; expected a whole number from 1 to 1000"),
        ([], "expected the keys enabled, when"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_was_got_and_expected(rule: object, message: str) -> None:
    with pytest.raises(BadSetting, match=re.escape(message)):
        parse_rule(rule)


def test_a_rule_survives_json() -> None:
    rule = parse_rule({"classes": ["person"], "zone": "drive", "for_s": 2, "hours": "08:00-18:00", "outside": True})
    assert parse_rule(rule.model_dump(mode="json")) == rule


@pytest.mark.parametrize(
    ("rule", "at", "counts"),
    [
        (Rule(hours="08:00-18:00"), "2026-11-27T08:00", True),
        (Rule(hours="08:00-18:00"), "2026-11-27T18:00", False),
        (Rule(hours="08:00-18:00", outside=True), "2026-11-27T18:00", True),
        (Rule(hours="22:00-24:00"), "2026-11-27T23:59", True),
        (Rule(hours="22:00-24:00"), "2026-11-28T00:00", False),
        (Rule(hours="22:00-24:00", days=("fri",)), "2026-11-27T23:59", True),
        (Rule(hours="22:00-06:00"), "2026-11-27T23:30", True),
        (Rule(hours="22:00-06:00"), "2026-11-27T05:59", True),
        (Rule(hours="22:00-06:00"), "2026-11-27T06:00", False),
        (Rule(hours="22:00-06:00", days=("fri",)), "2026-11-28T05:00", True),
        (Rule(hours="22:00-06:00", days=("fri",)), "2026-11-27T05:00", False),
        (Rule(hours="22:00-06:00", days=("sun",)), "2026-11-30T05:00", True),
        (Rule(days=("sat", "sun")), "2026-11-28T12:00", True),
        (Rule(days=("sat", "sun"), outside=True), "2026-11-28T12:00", False),
    ],
)
def test_hours_and_days_say_when_it_counts(rule: Rule, at: str, counts: bool) -> None:
    assert rule.counts_at(datetime.fromisoformat(at).timestamp()) is counts


@given(
    begin=st.integers(0, 1439),
    end=st.integers(0, 1439),
    days=st.none() | st.sets(st.sampled_from(DAYS), min_size=1),
    minutes=st.integers(0, 7 * 1440 - 1),
)
def test_within_and_outside_are_opposites_and_hours_last_as_long_as_they_say(
    begin: int, end: int, days: set[str] | None, minutes: int
) -> None:
    if begin == end:
        end = (end + 1) % 1440
    hours = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    chosen = None if days is None else [day for day in DAYS if day in days]
    inside = parse_rule({"hours": hours, "days": chosen})
    outside = parse_rule({"hours": hours, "days": chosen, "outside": True})
    now = datetime(2026, 11, 2) + timedelta(minutes=minutes)  # a Monday
    since = (now.hour * 60 + now.minute - begin) % 1440
    began = DAYS[(now - timedelta(minutes=since)).weekday()]
    expected = since < (end - begin) % 1440 and (days is None or began in days)
    assert inside.counts_at(now.timestamp()) is expected
    assert outside.counts_at(now.timestamp()) is not expected


@pytest.mark.parametrize(("rule", "said"), SENTENCES)
def test_a_rule_reads_as_a_sentence(rule: dict[str, Any], said: str) -> None:
    assert sentence(parse_rule(rule)) == said
