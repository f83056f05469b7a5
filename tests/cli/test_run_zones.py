"""``sightline run --zones``: what moves through a clip is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import ConfigError
from support.clips import write_clip
from support.ids import install_ids

TOML = """
[zones.middle]
points = [[0.3, 0.0], [0.7, 0.0], [0.7, 1.0], [0.3, 1.0]]

[lines.gate]
points = [[0.5, 1.0], [0.5, 0.0]]

[rules.stays]
zone = "middle"
for_s = 0.2
hours = "00:00-00:01"

[rules.back]
line = "gate"
direction = "out"
"""


def passing(number: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """A room through which a square went once, to the right."""
    image = np.full((120, 320, 3), 60, np.uint8)
    x = 4 * number
    image[40:80, x : x + 30] = 255
    return image


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_clip_is_counted(tmp_path: Path, form: str) -> None:
    env = os.environ | install_ids(tmp_path / "site")
    (tmp_path / "sightline.toml").write_text('[streams.hall]\nstages = ["ids"]\n')
    (tmp_path / f"zones.{form}").write_text(TOML if form == "toml" else json.dumps(tomllib.loads(TOML)))
    write_clip(tmp_path / "clip.mp4", [passing(0)] * 10 + [passing(n) for n in range(72)])
    command = ("run", "clip.mp4", "--model", "motion", "--stream", "hall", "--zones", f"zones.{form}")
    done = subprocess.run(
        [sys.executable, "-m", "sightline", *command, "--counts", "-", "--jsonl", "out.jsonl"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    (moved,) = counts["zones"]["middle"]["entered"]
    assert counts["lines"] == {"gate": {"in": {moved: 1}, "out": {}}}
    assert counts["zones"]["middle"]["entered"] == counts["zones"]["middle"]["left"] == {moved: 1}
    assert f"{moved}: 1 in, 0 out" in done.stderr
    assert f"{moved}: 1 entered, 1 left, stayed" in done.stderr
    assert "fulfilled once: When anything is in middle for 0.2 s" in done.stderr
    assert "not fulfilled: When anything crosses gate out" in done.stderr
    events = [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines() if '"type":"event"' in line
    ]
    told = [(event["kind"], event["phase"], event["stream"], event["zone"]) for event in events]
    assert sorted(told) == sorted(
        (kind, phase, "hall", zone)
        for kind, zone in (("zone", "middle"), ("line", "gate"), ("rule", "middle"))
        for phase in ("start", "end")
    )
    (start, end) = (event for event in events if event["kind"] == "rule")
    assert (start["rule"], end["id"]) == ("stays", start["id"])
    assert end["seconds"] > 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    *_, last = (line for line in lines if "type" not in line)
    assert last["extras"]["zones"]["lines"] == counts["lines"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.toml", None, "none.toml: No such file or directory; expected a TOML or JSON file"),
        ("bad.toml", "zones = = 1", "Invalid value"),
        ("bad.json", "{", "expected a TOML or JSON file"),
        ("list.json", "[]", "got '[]'; expected the tables zones, lines and rules"),
        ("empty.toml", "", "got none of them; expected the tables [zones.NAME], [lines.NAME] and [rules.NAME]"),
        ("other.toml", "[areas.a]\npoints = 1", "got areas; expected the tables"),
        ("flat.toml", "zones = 1", "zones: got '1'; expected tables by name"),
        ("few.toml", "[zones.a]\npoints = [[0, 0], [1, 1]]", "zones.a.points: got 2 points; expected 3 to 100"),
        ("name.toml", "[zones.'a b']\npoints = [[0, 0], [1, 1], [0, 1]]", "name 'a b' of a zone, line or rule"),
        ("rule.toml", "[rules.a]\nfor_s = -1", "rules.a.for_s: got -1; expected a number of seconds"),
        (
            "many.json",
            json.dumps({"rules": {f"r{n}": {} for n in range(65)}}),
            "got 65 tables; expected at most 64",
        ),
        ("bytes.toml", "\udcff", "expected a TOML or JSON file"),
    ],
)
def test_a_file_that_can_not_be_used(tmp_path: Path, name: str, text: str | None, told: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    done = CliRunner().invoke(app, ["run", "clip.mp4", "--model", "motion", "--zones", str(path)])
    assert isinstance(done.exception, ConfigError), done.output
    assert told in done.exception.message
    assert str(path) in done.exception.message


def test_what_is_not_there_is_told_before_the_work_begins(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", [passing(n) for n in range(10)])
    (tmp_path / "zones.toml").write_text("""
    [zones.left]
    points = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    classes = ["Motion"]
    [rules.typo]
    zone = "lfet"
    [rules.way]
    line = "gate"
    [rules.who]
    classes = ["unicorn"]
    [rules.camera]
    when = "scene"
    [rules.fine]
    """)
    source, zones = str(tmp_path / "clip.mp4"), str(tmp_path / "zones.toml")
    done = CliRunner().invoke(app, ["run", source, "--model", "motion", "--zones", zones, "--counts", "-"])
    assert done.exit_code == 0, done.output
    said = [line.split(None, 1) for line in done.stderr.splitlines()]
    begun = next(n for n, line in enumerate(said) if line[0] == "done")
    assert said[:begun] == [
        ["left", "the stream's model has no class Motion: choose others, or another model"],
        ["typo", "there is no zone lfet: set it, or choose another"],
        ["way", "there is no line gate: set it, or choose another"],
        ["who", "the stream's model has no class unicorn: choose others, or another model"],
        ["camera", "when = scene is about a camera, and is never fulfilled here"],
    ]
    assert json.loads(done.stdout)["zones"]["left"]["entered"] == {}


def test_counts_of_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", "clip.mp4", "--model", "motion", "--counts", "-"])
    assert isinstance(done.exception, ConfigError)
    assert "--counts - without --zones" in done.exception.message
