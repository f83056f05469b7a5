"""JSON lines."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec import Struct

from sightline.core.errors import SinkError
from sightline.core.predictions import Segmentation
from sightline.sinks import jsonl
from sightline.wire import lines
from support.results import entry, files_end_at, two_found

IMAGE = np.zeros((48, 64, 3), np.uint8)


def test_a_line_says_what_was_promised(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = jsonl.open(str(path))
    sink.write(entry(IMAGE, seq=7, at=1 / 3, prediction=two_found(), source="photo.jpg"))
    sink.close()
    assert path.read_bytes().endswith(b"}\n")
    assert json.loads(path.read_text()) == {
        "stream": "hall",
        "seq": 7,
        "timestamp": 333.333,
        "source": "photo.jpg",
        "width": 64,
        "height": 48,
        "model": "finder",
        "detections": [
            {"class_id": 1, "class_name": "car", "confidence": 0.875, "xyxy": [1.2, 2.0, 30.0, 40.0]},
            {"class_id": 0, "class_name": "person", "confidence": 0.5, "xyxy": [5.0, 5.0, 25.0, 35.0]},
        ],
        "processing_time_ms": 2.5,
        "stages": {"infer": 1.5},
    }


def test_a_line_has_the_extras_of_the_stages() -> None:
    class Counts(Struct):
        now: dict[str, int]

    result = entry(IMAGE).result.changed(extras={"counts": Counts({"car": 2})})
    assert json.loads(lines.encode(lines.line_of(result, "photo.jpg")))["extras"] == {"counts": {"now": {"car": 2}}}
    assert json.loads(lines.as_json(result))["source"] == "hall"
    assert lines.as_json(result) is lines.as_json(result)


def test_a_segmentation_says_which_classes_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = jsonl.open(str(path))
    sink.write(entry(IMAGE, prediction=Segmentation(np.array([[0, 1]], np.uint8))))
    sink.close()
    line = json.loads(path.read_text())
    assert line["detections"] == []
    assert line["segments"] == [
        {"class_id": 0, "class_name": "background", "share": 0.5},
        {"class_id": 1, "class_name": "person", "share": 0.5},
    ]


def test_every_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = jsonl.open(str(path))
    for seq in range(3):
        sink.write(entry(IMAGE, seq=seq))
        assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == list(range(seq + 1))
    sink.close()


def test_an_older_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")
    sink = jsonl.open(str(path))
    sink.write(entry(IMAGE))
    sink.close()
    assert "old" not in path.read_text()


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sink = jsonl.open("-")
    sink.write(entry(IMAGE, seq=3))
    sink.close()
    assert json.loads(capfdbinary.readouterr().out)["seq"] == 3
    os.write(1, b"still open")


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = jsonl.open(str(path))

    def fill() -> None:
        for seq in range(100):
            sink.write(entry(IMAGE, seq=seq))

    with files_end_at(1000), pytest.raises(SinkError, match=r"out\.jsonl: can't be written: File too large"):
        fill()
    sink.close()
    numbers = [json.loads(line)["seq"] for line in path.read_text().splitlines()]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_without_room_is_told() -> None:
    sink = jsonl.open("/dev/full")
    with pytest.raises(SinkError, match="No space left"):
        sink.write(entry(IMAGE))
    sink.close()
