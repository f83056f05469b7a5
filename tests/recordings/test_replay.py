"""A recording is looked at again, with other zones, rules, models and confidences, beside what was found then."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from sightline.analytics.zones.board import ZoneBoard
from sightline.analytics.zones.totals import Counted, LineCounts, ZoneCounts
from sightline.cli import app
from sightline.cli.run import StopSignal
from sightline.core.errors import ConfigError, SightlineError, SourceError
from sightline.core.records import Detection
from sightline.core.zones import CrossingLine, Zone
from sightline.recordings.replay.matching import same
from sightline.recordings.replay.tallies import Increments
from sightline.zoo import loader
from sightline.zoo.options import LoadOptions
from support.clips import write_clip
from support.inside import Inside, inside
from support.squares import DOG, PERSON, Squares, remember, scene, walk

BEGAN = 1_796_000_000.25
SPAN = ("--from", str(BEGAN - 1), "--to", str(BEGAN + 60))
GATE = CrossingLine(points=((0.5, 1.0), (0.5, 0.0)))
UPPER = Zone(points=((0.3, 0.0), (0.7, 0.0), (0.7, 0.5), (0.3, 0.5)))
ZONES = """
[zones.{zone}]
points = [[0.3, {top}], [0.7, {top}], [0.7, {bottom}], [0.3, {bottom}]]
[lines.gate]
points = [[{x}, 1.0], [{x}, 0.0]]
[rules.passes]
line = "gate"
{more}
"""


@pytest.fixture(autouse=True)
def _squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that the commands load."""

    def load(name: str, options: LoadOptions) -> Squares:
        return Squares(options.confidence)

    monkeypatch.setattr(loader, "load_model", load)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Somebody walks through once, over a line and through a zone, in two files."""
    board = ZoneBoard("door", {"upper": UPPER}, {"gate": GATE})
    images = walk(34)
    remember(tmp_path, "door", BEGAN, images[:20], images[20:], zones=board)
    return tmp_path


def command(data: Path, *words: str) -> Result:
    result = CliRunner().invoke(app, ["replay", *words], env={"SIGHTLINE_DATA": str(data), "COLUMNS": "200"})
    if isinstance(result.exception, SightlineError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def outcome(data: Path, *words: str, span: Sequence[str] = SPAN, stream: str = "door") -> dict[str, Any]:
    return dict(json.loads(command(data, stream, *span, "--json", *words).stdout))


def zones(
    folder: Path, *, zone: str = "upper", top: float = 0.0, bottom: float = 0.5, x: float = 0.5, more: str = ""
) -> str:
    path = folder / "zones.toml"
    path.write_text(ZONES.format(zone=zone, top=top, bottom=bottom, x=x, more=more))
    return str(path)


def test_the_same_model_finds_the_same(data: Path, tmp_path: Path) -> None:
    found = outcome(data, "--zones", zones(tmp_path), "-o", str(tmp_path / "out.jsonl"))
    assert (found["frames"], found["both"], found["differing"], found["differences"]) == (34, 34, 0, [])
    assert found["then"]["classes"] == found["now"]["classes"]
    assert found["now"]["classes"]["person"] == {"frames": 34, "most": 1, "objects": 1}
    assert found["then"]["models"] == found["now"]["models"] == ["squares"]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert lines[0]["timestamp"] == BEGAN * 1000


def test_what_zones_and_lines_count_is_as_counted_by_hand(data: Path, tmp_path: Path) -> None:
    same_place = outcome(data, "--zones", zones(tmp_path))
    person, dog = {"person": 1}, {"dog": 1}
    # The person walks at the top to the right, the dog at the bottom to the left.
    for side in ("then", "now"):
        lines = same_place[side]["lines"]["gate"]
        assert {frozenset(lines["into"]), frozenset(lines["out"])} == {frozenset(person), frozenset(dog)}
        assert same_place[side]["zones"] == {"upper": {"into": person, "out": person}}
    assert same_place["then"]["lines"] == same_place["now"]["lines"]
    moved = outcome(data, "--zones", zones(tmp_path, zone="lower", top=0.6, bottom=1.0, x=0.01))
    assert moved["now"]["zones"] == {"lower": {"into": dog, "out": dog}}
    assert moved["now"]["lines"] == {"gate": {"into": {}, "out": {}}}
    assert moved["then"]["zones"] == same_place["then"]["zones"]


def test_rules_fire_as_they_would_have_then(data: Path, tmp_path: Path) -> None:
    hour = time.localtime(BEGAN).tm_hour
    within = f'hours = "{hour:02}:00-{(hour + 1) % 24:02}:00"'
    beyond = f'hours = "{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"'
    cases = (("", 2), ('classes = ["dog"]', 1), (within, 2), (beyond, None))
    for more, fired in (*((f"{more}\ncooldown_s = 0", fired) for more, fired in cases), ("cooldown_s = 60", 1)):
        found = outcome(data, "--zones", zones(tmp_path, more=more))["now"]
        assert found["fired"].get("passes") == fired, more
        events = [one for one in found["events"] if one["kind"] == "rule"]
        assert len(events) == (fired or 0)
        assert all(BEGAN + 1 < one["at"] < BEGAN + 3 for one in events)
    rules = tmp_path / "rules.toml"
    rules.write_text('[rules.stays]\nzone = "upper"\nfor_s = 1.0\n')
    found = outcome(data, "--zones", zones(tmp_path), "--rules", str(rules))["now"]
    assert found["fired"] == {"stays": 1}


def test_another_confidence_leaves_out_what_it_should(data: Path) -> None:
    found = outcome(data, "--confidence", "0.5")
    assert found["differing"] == 34
    assert {name: one["frames"] for name, one in found["then"]["classes"].items()} == {"person": 34, "dog": 34}
    assert {name: one["frames"] for name, one in found["now"]["classes"].items()} == {"person": 34}
    first = found["differences"][0]
    assert [one["class_name"] for one in first["then"]] == ["person", "dog"]
    assert [one["class_name"] for one in first["now"]] == ["person"]
    assert first["at"] == BEGAN


def test_what_the_settings_have_for_the_stream_holds(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {"gate": {"points": [[0.5, 1], [0.5, 0]]}}
    chosen = {"door": {"classes": ["person"], "track": False, "lines": lines}}
    monkeypatch.setenv("SIGHTLINE_STREAMS", json.dumps(chosen))
    found = outcome(data)["now"]
    assert found["classes"] == {"person": {"frames": 34, "most": 1, "objects": 0}}
    monkeypatch.setenv("SIGHTLINE_STREAMS", json.dumps({"door": chosen["door"] | {"track": True}}))
    found = outcome(data)["now"]
    assert found["classes"] == {"person": {"frames": 34, "most": 1, "objects": 1}}
    assert {"dog", "person"} == {*found["lines"]["gate"]["into"], *found["lines"]["gate"]["out"]}, (
        "also what is not shown"
    )
    monkeypatch.setenv("SIGHTLINE_STREAMS", json.dumps({"door": {"confidence": 0.5}}))
    assert list(outcome(data)["now"]["classes"]) == ["person"]


def test_tracks_of_two_runs_of_a_server_are_not_the_same_object(data: Path) -> None:
    _, second = sorted((data / "recordings").rglob("*.jsonl"))
    second.write_text(second.read_text().replace('"session": "made"', '"session": "another"'))
    found = outcome(data)
    assert [found[side]["classes"]["person"]["objects"] for side in ("then", "now")] == [2, 1]


def test_a_part_of_the_time_has_its_own_frames(data: Path) -> None:
    found = outcome(data, span=("--from", str(BEGAN + 1.95), "--to", str(BEGAN + 2.25)))
    assert (found["frames"], found["both"], found["differing"]) == (3, 3, 0)


def test_frames_without_a_result_and_without_a_picture_are_told_apart(data: Path) -> None:
    first, second = sorted((data / "recordings").rglob("*.jsonl"))
    lines = first.read_text().splitlines()
    cut = json.loads(lines[3])
    del cut["result"]
    lines[3] = json.dumps(cut | {"dropped": "late"})
    first.write_text("\n".join(lines) + "\n")
    second.with_suffix(".mp4").write_bytes(b"no video")
    found = outcome(data)
    assert (found["frames"], found["both"], found["differing"]) == (34, 19, 0)
    assert (found["then"]["frames"], found["now"]["frames"]) == (33, 20)


def test_who_stops_it_gets_what_was_found_by_then(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = itertools.count()
    monkeypatch.setattr(StopSignal, "asked", lambda signal: next(asked) >= 3)
    found = outcome(data, "--confidence", "0.5")
    assert 0 < found["frames"] < 34
    assert found["frames"] == found["both"] == found["differing"]
    assert found["until"] == pytest.approx(BEGAN + (found["frames"] - 1) / 10)


def test_words_stand_side_by_side(data: Path, tmp_path: Path) -> None:
    said = command(data, "door", *SPAN, "--confidence", "0.5", "--zones", zones(tmp_path)).stdout
    assert "door, " in said
    assert "34 frames" in said
    assert any(line.split() == ["dog", "frames", "34", "0"] for line in said.splitlines())
    assert any(line.split() == ["upper", "person", "entered", "1", "1"] for line in said.splitlines())
    assert any(line.split() == ["passes", "fired", "0", "1"] for line in said.splitlines())
    assert "34 of 34 frames differ" in said
    assert "then person 0.90, dog 0.40; now person 0.90" in said
    assert "and 14 more: see --json" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("door", "--from", "1", "--to", "2"), "nothing is recorded of stream 'door'"),
        (("door", "--from", "2", "--to", "1"), "expected a time that ends after it begins"),
        (("door", "--from", "noon", "--to", "1"), "noon: expected a time such as"),
        (("../door", *SPAN), "stream name"),
        (("door", *SPAN, "--confidence", "1.5"), "--confidence 1.5: expected a number above 0 and below 1"),
        (("door", *SPAN, "--zones", "no.toml"), "--zones no.toml: No such file"),
        (("door", *SPAN, "--rules", "no.toml"), "--rules no.toml: No such file"),
        (("door", *SPAN, "-o", "-"), "expected a file"),
    ],
)
def test_what_is_wrong_is_said(data: Path, words: tuple[str, ...], told: str) -> None:
    with pytest.raises((ConfigError, SourceError, SightlineError)) as caught:
        command(data, *words)
    assert told in caught.value.message


@settings(max_examples=8)
@given(st.lists(st.lists(st.tuples(st.integers(0, 280), st.booleans()), max_size=2), min_size=2, max_size=9))
def test_a_replay_with_the_same_settings_finds_the_same_frame_by_frame(frames: list[list[tuple[int, bool]]]) -> None:
    images = [scene(*((x, 10 + 60 * i, PERSON if p else DOG) for i, (x, p) in enumerate(one))) for one in frames]
    with tempfile.TemporaryDirectory() as folder:
        data, target = Path(folder), Path(folder) / "out.jsonl"
        (path,) = remember(data, "door", BEGAN, images)
        found = outcome(data, "-o", str(target))
        assert (found["frames"], found["both"], found["differing"]) == (len(images), len(images), 0)
        then = [json.loads(line)["result"] for line in path.with_suffix(".jsonl").read_text().splitlines()[1:]]
        now = [json.loads(line) for line in target.read_text().splitlines()]
        assert [one["detections"] for one in now] == [one["detections"] for one in then]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), min_size=1, max_size=20))
def test_what_was_counted_is_told_from_totals_that_may_begin_anew(steps: list[tuple[int, int, bool]]) -> None:
    sums, entered, crossed, told = Increments(), 0, 7, (0, 0)
    for n, (more, over, anew) in enumerate(steps):
        entered, crossed = (more, over) if anew and n else (entered + more, crossed + over)
        told = (told[0] + more, told[1] + over) if n else told
        zone = ZoneCounts({}, {"dog": entered}, {}, {}, 0)
        sums.add(Counted({"lawn": zone}, {"gate": LineCounts({}, {"cat": crossed})}))
    found = sums.zones["lawn"].into.get("dog", 0), sums.lines["gate"].out.get("cat", 0)
    if any(anew for _, _, anew in steps[1:]):
        # One that begins anew and has grown as far by the next frame can't be told from one that went on.
        assert all(one <= other for one, other in zip(found, told, strict=True))
    else:
        assert found == told


def box(x: float, name: str = "dog") -> Detection:
    return Detection(0, name, 0.5, (x, 0.0, x + 10, 10.0))


@pytest.mark.parametrize(
    ("then", "now", "alike"),
    [
        ([], [], True),
        ([box(0)], [], False),
        ([box(0)], [box(3)], True),
        ([box(0)], [box(4)], False),
        ([box(0)], [box(0, "cat")], False),
        ([box(0), box(3)], [box(3), box(0)], True),
        ([box(0), box(0)], [box(0), box(50)], False),
    ],
)
def test_the_same_is_what_lies_at_about_the_same_place(
    then: list[Detection], now: list[Detection], alike: bool
) -> None:
    assert same(then, now) is alike
    assert same(now, then) is alike


def test_what_a_server_recorded_with_its_zones_and_events_and_while_it_records(tmp_path: Path) -> None:
    clip, data = write_clip(tmp_path / "clip.mp4", walk(34), fps=10), tmp_path / "data"
    door = {
        "record": "always",
        "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]]}},
        "rules": {"passes": {"line": "gate", "classes": ["person"]}},
    }
    begun = time.time()
    words = ("--from", str(begun), "--to", str(begun + 60), "--zones", zones(tmp_path, more="cooldown_s = 0"))
    serving = inside(
        load=lambda key: Squares(),
        sources={"door": str(clip)},
        streams={"door": door},
        data=data,
        record_free_gb=0,
        adaptive=False,
    )
    with asyncio.Runner() as here:  # the server has a loop of its own, and the command needs this thread
        server = here.run(serving.__aenter__())
        try:
            written = here.run(written_of(server, 25))
            meanwhile = outcome(data, span=words)
            assert meanwhile["frames"] >= written - 1, "the newest is in the file with the next one"
            assert meanwhile["differing"] == 0
            assert here.run(written_of(server, 34)) == 34
        finally:
            here.run(serving.__aexit__(None, None, None))
    found = outcome(data, span=words)
    assert (found["frames"], found["now"]["frames"], found["differing"]) == (34, 34, 0)
    assert found["then"]["fired"] == {"passes": 1}
    assert [one["name"] for one in found["then"]["events"] if one["kind"] == "rule"] == ["passes"]
    assert found["now"]["fired"] == {"passes": 2}
    assert found["then"]["lines"]["gate"] == found["now"]["lines"]["gate"]


async def written_of(server: Inside, least: int) -> int:
    """Wait until so many frames are recorded."""
    stats = await server.figures(lambda s: s["recordings"].get("door", {"written": 0})["written"] >= least)
    return int(stats["recordings"]["door"]["written"])
