"""``recording:`` as a source: every recorded picture, at its own time, over files and gaps."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import SourceError
from sightline.sources._foreign import Allowed, Refused
from sightline.sources._reconnecting import ReconnectingSource
from sightline.sources.base import Shot, open_source
from support.clips import number_of
from support.inside import inside
from support.recordings import record
from support.waiting import within

BEGAN = 1_796_000_000.25


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two files that follow each other, a gap of an hour, and one of VP9 whose writer was killed."""
    root = tmp_path / "recordings"
    record(root, "door", BEGAN, range(10))
    record(root, "door", BEGAN + 1, range(10, 20))
    record(root, "door", BEGAN + 3600, range(20, 30), codec="libvpx-vp9")
    return tmp_path


def shots(data: Path, query: str = "") -> list[Shot]:
    with open_source(f"recording:door{query}", data=lambda: data) as opened:
        return list(opened)


def seen(data: Path, query: str = "") -> list[int]:
    return [number_of(shot.image[:100]) for shot in shots(data, query)]


def test_every_picture_comes_at_its_own_time(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = shots(data)
    assert [number_of(shot.image[:100]) for shot in found] == list(range(30))
    expected = [BEGAN + n / 10 + (3598 if n >= 20 else 0) for n in range(30)]
    assert [shot.at for shot in found] == pytest.approx(expected, abs=1e-6)
    # Of the gap three seconds stay: the objects of before are given up, and nobody waits for an hour.
    assert found[19].timestamp == pytest.approx(1.9)
    assert found[20].timestamp == pytest.approx(4.9)
    assert "nothing is recorded from" in caplog.text


def test_a_slow_camera_keeps_its_pace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of each six seconds three were left, and each time the log said that nothing was recorded."""
    record(tmp_path / "recordings", "door", BEGAN, range(5), fps=1 / 6)
    assert [shot.timestamp for shot in shots(tmp_path)] == pytest.approx([0, 6, 12, 18, 24])
    assert "nothing is recorded" not in caplog.text


@pytest.mark.parametrize(("query", "count"), [("", 30), (f"?from={BEGAN - 900}&to={BEGAN + 9000}", 30)])
def test_it_says_how_many_pictures_there_are(data: Path, query: str, count: int) -> None:
    """It counted those that there would be without the gap."""
    with open_source(f"recording:door{query}", data=lambda: data) as opened:
        assert opened.total == count
    with open_source(f"recording:door?from={BEGAN}&to={BEGAN + 1.5}", data=lambda: data) as opened:
        assert opened.total == pytest.approx(15, abs=2)


@pytest.mark.parametrize(
    ("first", "last", "numbers"),
    [(0.5, 1.25, range(5, 13)), (-50, 0.05, range(1)), (1.95, 3600.15, (20, 21)), (3600.85, 9e9, (29,))],
)
def test_a_span_has_the_pictures_of_its_time(data: Path, first: float, last: float, numbers: range) -> None:
    assert seen(data, f"?from={BEGAN + first}&to={BEGAN + last}") == list(numbers)


def test_times_are_seconds_or_as_people_write_them(data: Path) -> None:
    begin = datetime.fromtimestamp(BEGAN + 0.45).isoformat()
    assert seen(data, f"?from={begin}&to={BEGAN + 0.75}") == [5, 6, 7]
    zoned = time.strftime("%Y-%m-%dT%H:%M:%S+01:00", time.gmtime(BEGAN + 3600 + 3600))
    assert seen(data, f"?from={zoned}")[:1] == [20]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("recording:../door", "stream name"),
        ("recording:door/..", "stream name"),
        ("recording:", "stream name"),
        ("recording:door?form=1", "form is unknown; expected from or to"),
        ("recording:door?from=yesterday", "recording: yesterday: expected a time such as"),
        ("recording:door?from=nan", "nan: expected a time"),
        ("recording:door?from=5&to=5", "expected a time that ends after it begins"),
        ("recording:door?from=5&to=6", "nothing is recorded of stream 'door' from"),
        ("recording:yard", "nothing is recorded of stream 'yard'"),
    ],
)
def test_what_is_wrong_is_said(data: Path, spec: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(spec, data=lambda: data)
    assert told in caught.value.message


def test_a_file_that_can_not_be_read_costs_no_other(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = sorted((data / "recordings").rglob("*.mp4"))[1]
    broken.write_bytes(b"nothing")
    with open_source("recording:door", data=lambda: data) as opened:
        assert [number_of(shot.image[:100]) for shot in opened] == [*range(10), *range(20, 30)]
        assert opened.unreadable == 1
    assert f"{broken.name} is left out" in caplog.text


def test_it_begins_again_where_it_is_to_go_on_for_ever(data: Path) -> None:
    spec = f"recording:door?from={BEGAN}&to={BEGAN + 0.25}#loop"
    pictures = iter(ReconnectingSource(spec, fps=1000, data=lambda: data))
    assert [number_of(next(pictures).image[:100]) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_clients_may_name_one_where_the_operator_lets_them() -> None:
    spec = "recording:door?from=2026-11-30T06:00"
    assert Allowed(("rtsp", "recording")).check(spec) == spec
    with pytest.raises(Refused, match="begins with recording: expected one with rtsp"):
        Allowed(("rtsp",)).check(spec)


def test_run_takes_the_times_of_then(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    words = ["run", f"recording:door?from={BEGAN}&to={BEGAN + 0.35}", "--model", "motion", "--jsonl", str(target)]
    done = CliRunner().invoke(app, words, env={"SIGHTLINE_DATA": str(data)})
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["timestamp"] / 1000 for line in lines] == pytest.approx([BEGAN + n / 10 for n in range(4)], abs=1e-3)
    assert {line["stream"] for line in lines} == {"door"}


@pytest.mark.asyncio
async def test_a_server_plays_a_recording_as_a_camera(data: Path) -> None:
    spec = f"recording:door?from={BEGAN}#loop"
    async with inside(sources={"again": spec}, data=data) as server:
        stats = await within(server.figures(lambda s: s["streams"].get("again", {}).get("received", 0) > 5), 30)
        assert stats["streams"]["again"]["failed"] == 0


@pytest.mark.asyncio
async def test_an_admin_adds_a_recording_as_a_camera(data: Path) -> None:
    async with inside(data=data) as server, httpx2.AsyncClient(base_url=server.http, timeout=30) as http:
        spec = f"recording:door?from={BEGAN}#loop"
        seen = await http.post("/api/sources/test", json={"source": spec})
        assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
        assert (await http.post("/api/streams", json={"id": "again", "source": spec})).status_code == 201
        await server.figures(lambda s: s["streams"].get("again", {}).get("received", 0) > 3)
        for wrong in ("recording:../../etc?from=1", "recording:yard"):
            refused = await http.post("/api/sources/test", json={"source": wrong})
            assert refused.status_code >= 400, refused.text
            assert "root" not in refused.text
