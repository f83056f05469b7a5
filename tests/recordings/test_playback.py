"""Recorded frames come back with their own results: at any codec, forth and back, over files, gaps and half files."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.core.errors import NotFound
from sightline.media import codecs
from sightline.recordings import folders
from sightline.recordings.playback import Playback, Shown, thumbnail
from support.clips import number_of
from support.recordings import file_of, mask_line, place_of, record
from support.serving import pixels

BEGAN = 1_796_000_000.25


def said(shown: Shown | None) -> dict[str, Any]:
    """What a frame's message says. Its pixels, its number and its box are of the same frame."""
    assert shown is not None
    message: dict[str, Any] = json.loads(shown.message)
    number = number_of(pixels(shown.data[: message["jpeg_bytes"]])[:100])
    assert number == message["frameNumber"] % 256
    if message["detections"]:
        assert message["detections"][0]["xyxy"] == list(place_of(number))
    assert len(shown.data) == message["jpeg_bytes"] + message["mask_bytes"]
    return message


def numbers(root: Path, *steps: int, at: float = BEGAN) -> list[int]:
    with closing(Playback(root, "door")) as place:
        return [said(place.seek(at))["frameNumber"], *(said(place.step(n))["frameNumber"] for n in steps)]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "mpeg4"])
def test_every_frame_has_its_own_result_whatever_the_codec(tmp_path: Path, codec: str) -> None:
    record(tmp_path, "door", BEGAN, range(25), codec=codec)
    assert numbers(tmp_path, *[1] * 24, *[-1] * 24, 7, -3, 11) == [*range(25), *range(23, -1, -1), 7, 4, 15]


@pytest.mark.parametrize(("after", "number"), [(-9, 0), (0, 0), (0.99, 9), (1.0, 10), (1.01, 10), (2.4, 24), (99, 24)])
def test_a_moment_shows_what_was_to_be_seen_then(tmp_path: Path, after: float, number: int) -> None:
    record(tmp_path, "door", BEGAN, range(25))
    assert numbers(tmp_path, at=BEGAN + after) == [number]


def test_files_follow_each_other_and_a_gap_ends_where_something_is_recorded(tmp_path: Path) -> None:
    midnight = 1_796_083_200.0 - 1_796_083_200.0 % 86400
    record(tmp_path, "door", midnight - 0.5, range(5))
    record(tmp_path, "door", midnight, range(5, 10))
    record(tmp_path, "door", midnight + 7200, range(10, 15))
    with closing(Playback(tmp_path, "door")) as place:
        assert [said(place.seek(midnight + at))["frameNumber"] for at in (-0.1, 0.1, 60, 7200.15)] == [4, 6, 10, 11]
        assert said(place.seek(midnight - 0.15))["frameNumber"] == 3
        assert [said(place.advance(0))["frameNumber"] for _ in range(6)] == [4, 5, 6, 7, 8, 9]
        last = place.step(0) or place.seek(midnight + 0.4)
        assert last is not None
        assert last.next_at == midnight + 7200
        assert said(place.advance(midnight + 7200.2))["frameNumber"] == 12
        assert [said(place.step(n))["frameNumber"] for n in (-3, -1, 5)] == [9, 8, 13]
        assert said(place.advance(midnight + 9999))["frameNumber"] == 14
        assert place.advance(midnight + 9999) is None


def test_a_file_whose_writer_was_killed_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    record(tmp_path, "door", BEGAN, range(60), killed=True)
    with closing(Playback(tmp_path, "door")) as place:
        seen = [said(place.seek(BEGAN + 1.5))["frameNumber"]]
        while (shown := place.advance(0)) is not None:
            seen.append(said(shown)["frameNumber"])
        assert seen == list(range(15, len(seen) + 15))
        assert len(seen) > 10
        assert said(place.seek(BEGAN + 0.4))["frameNumber"] == 4


def test_what_is_being_written_goes_on(tmp_path: Path) -> None:
    path = record(tmp_path, "door", BEGAN, range(30))
    lines = path.with_suffix(".jsonl").read_text()
    path.with_suffix(".jsonl").write_text("".join(lines.splitlines(keepends=True)[:11]))
    with closing(Playback(tmp_path, "door")) as place:
        assert said(place.seek(BEGAN + 0.9))["frameNumber"] == 9
        assert place.advance(0) is None
        path.with_suffix(".jsonl").write_text(lines)
        assert said(place.advance(0))["frameNumber"] == 10


def test_what_was_not_inferred_is_told_and_masks_come_along(tmp_path: Path) -> None:
    path = record(tmp_path, "door", BEGAN, range(10), dropped=frozenset((3,)))
    mask = codecs.encode_mask(np.ones((90, 160), np.uint8))
    mask_line(path, 4, mask)
    with closing(Playback(tmp_path, "door")) as place:
        assert said(place.seek(BEGAN + 0.3))["not_inferred"] == "rate"
        shown = place.step(1)
        assert "not_inferred" not in said(shown)
        assert shown is not None
        assert shown.data.endswith(mask)


def test_frames_without_a_result_are_played_only_where_there_are_no_others(tmp_path: Path) -> None:
    record(tmp_path, "door", BEGAN, range(50), dropped=frozenset((3, 4, *range(20, 40))))

    def played(until: float = 0) -> list[int]:
        with closing(Playback(tmp_path, "door")) as place:
            shown = place.seek(BEGAN)
            seen = []
            while shown is not None:
                seen.append(said(shown)["frameNumber"])
                assert shown.next_at is None or shown.next_at > shown.at
                shown = place.advance(shown.at + until)
            return seen

    assert played() == [0, 1, 2, *range(5, 30), *range(40, 50)]
    assert played(0.4) == [0, 2, 6, 10, 14, 18, 19, 23, 27, 31, 40, 44, 48, 49]


def test_what_is_no_recording_is_passed_over(tmp_path: Path) -> None:
    record(tmp_path, "door", BEGAN, range(5))
    broken = file_of(tmp_path, "door", BEGAN + 60)
    broken.write_bytes(b"no video")
    broken.with_suffix(".jsonl").write_text("neither\n{}\n[]\n")
    (broken.parent / "notes.mp4").write_text("x")
    (tmp_path / "door" / "2026-99-99").mkdir()
    record(tmp_path, "door", BEGAN + 120, range(5, 9))
    assert numbers(tmp_path, 5, -1, at=BEGAN) == [0, 5, 4]
    assert numbers(tmp_path, at=BEGAN + 70) == [5]
    assert folders.begun_at(broken.parent / "notes.mp4") is None


def test_where_nothing_is_recorded_there_is_nothing(tmp_path: Path) -> None:
    with closing(Playback(tmp_path, "door")) as place:
        assert place.seek(BEGAN) is None
        assert place.step(1) is None
        assert place.advance(BEGAN) is None
    with pytest.raises(NotFound, match="nothing is recorded"):
        thumbnail(tmp_path, "door", BEGAN, 64)


def test_a_thumbnail_is_small_and_of_its_moment(tmp_path: Path) -> None:
    record(tmp_path, "door", BEGAN, range(40))
    image = pixels(thumbnail(tmp_path, "door", BEGAN + 3.3, 160))
    assert image.shape == (90, 160, 3)
    assert number_of(image[:50]) == 33
