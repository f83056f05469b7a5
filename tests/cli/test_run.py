"""``sightline run``, mostly as a person starts it: a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.cli.run import stream_name
from sightline.core.errors import BadRequest, ConfigError, SightlineError, SinkError, SourceError
from sightline.sources.base import shown
from support.clips import moving, read_clip, write_clip
from support.made_graph import MakeGraph

COMMAND = (sys.executable, "-m", "sightline", "run")
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def run(*args: str | Path) -> Outcome:
    done = subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=90, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def refused(*args: str | Path) -> SightlineError:
    """The error of a command that must not begin."""
    result = CliRunner().invoke(app, ["run", *map(str, args)])
    assert isinstance(result.exception, SightlineError), result.output
    return result.exception


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A square that walks through a grey room for 4 seconds."""
    return write_clip(tmp_path_factory.mktemp("clips") / "the room.mp4", [moving(i) for i in range(40)], fps=10)


def test_a_clip_is_drawn_as_asked(clip: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside.mp4"
    assert run(clip, "--save", beside, "--mode", "side_by_side", "--opacity", "80").code == 0
    assert read_clip(beside)[1][20].shape == (120, 320, 3)
    instead = run(clip, "--save", tmp_path / "instead.mp4", "--mode", "replace_background")
    assert instead.code == 0
    assert "replace_background needs a model that knows the class 'person'" in " ".join(instead.err.split())
    assert re.search("sepia.*contours", refused(clip, "--mode", "sepia").message)


def test_a_clip_gives_all_that_was_asked_for(clip: Path, tmp_path: Path) -> None:
    video, jsonl, masks = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "masks"
    done = run(clip, "--save", video, "--jsonl", jsonl, "--masks", masks)
    assert done.code == 0, done.err
    assert done.out == ""

    rows = lines(jsonl)
    assert [row["seq"] for row in rows] == list(range(40))
    assert [row["timestamp"] for row in rows] == pytest.approx([i * 100 for i in range(40)])
    assert {(r["stream"], r["source"], r["width"], r["height"], r["model"]) for r in rows} == {
        ("the_room", "the room.mp4", 160, 120, "motion")
    }
    assert set(rows[0]["stages"]) == {"decode", "preprocess", "infer", "postprocess"}
    moved = [row for row in rows if row["detections"]]
    assert len(moved) > 20

    times, images = read_clip(video)
    assert times == pytest.approx([i / 10 for i in range(40)], abs=0.001)
    last = moved[-1]["seq"]
    assert np.abs(images[last].astype(int) - moving(last)).max() > 60, "something is drawn in"

    assert sorted(path.name for path in masks.iterdir()) == [f"{i:06}.png" for i in range(40)]
    mask = cv2.imread(str(masks / f"{last:06}.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert mask.shape == (120, 160)
    assert set(np.unique(np.asarray(mask))) == {0, 1}

    assert re.search(r"done +40 frames in [\d.]+ s, [\d.]+ fps", done.err)
    assert re.search(r"model +motion, [\d.]+ ms a frame, 95 % under [\d.]+ ms", done.err)
    assert re.search(r"found +motion \(\d+ frames", done.err)
    for path in (video, jsonl, masks):
        assert str(path) in done.err


def test_a_dash_puts_lines_and_nothing_else_on_standard_output(clip: Path) -> None:
    done = run(clip, "--jsonl", "-", "--stream", "door-7")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert len(rows) == 40
    assert {row["stream"] for row in rows} == {"door-7"}
    assert "done" in done.err


def test_a_folder_of_pictures_names_each(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in [("b10.png", (64, 48)), ("b2.jpg", (48, 64)), ("a.webp", (65, 49))]:
        cv2.imwrite(str(folder / name), moving(1, *size))
    (folder / "broken.jpg").write_bytes(b"broken")
    done = run(folder, "--jsonl", tmp_path / "o.jsonl", "--masks", tmp_path / "m", "--save", tmp_path / "o.mp4")
    assert done.code == 0, done.err
    rows = lines(tmp_path / "o.jsonl")
    assert [(row["source"], row["width"], row["height"]) for row in rows] == [
        ("a.webp", 65, 49),
        ("b2.jpg", 48, 64),
        ("b10.png", 64, 48),
    ]
    assert {row["stream"] for row in rows} == {"photos"}
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["a.png", "b10.png", "b2.png"]
    assert read_clip(tmp_path / "o.mp4")[0] == pytest.approx([0, 1, 2])
    assert "broken.jpg can't be read as a picture" in done.err
    assert re.search(r"unreadable +1 picture left out", done.err)


def test_a_damaged_clip_is_gone_through_and_told(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", [moving(i) for i in range(60)]).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    done = run(tmp_path / "cut.mkv", "--jsonl", tmp_path / "o.jsonl")
    assert done.code == 0, done.err
    assert 10 < len(lines(tmp_path / "o.jsonl")) < 60


def test_the_error_of_a_person_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    done = run(tmp_path / "[bold]gone.mp4")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert "[bold]gone.mp4: no such file or folder" in done.err


def test_pictures_are_saved_as_pictures(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b10.png", "b2.jpg"):
        cv2.imwrite(str(folder / name), moving(1))
    assert run(folder, "--save", tmp_path / "drawn").code == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["b10.jpg", "b2.jpg"]
    one = run(folder / "b2.jpg", "--save", tmp_path / "one.png", "--mode", "side_by_side")
    assert one.code == 0, one.err
    drawn = cv2.imread(str(tmp_path / "one.png"))
    assert drawn is not None
    assert drawn.shape == (120, 320, 3)
    assert re.search(r"pictures +\S+one\.png", one.err)
    assert run(clip, "--save", tmp_path / "frames").code == 0
    assert len(list((tmp_path / "frames").iterdir())) == 40
    assert "more than one picture" in refused(clip, "--save", tmp_path / "clip.jpg").message
    assert not (tmp_path / "clip.jpg").exists()
    before = (folder / "b2.jpg").read_bytes()
    assert "would be overwritten" in refused(folder / "b2.jpg", "--save", folder).message
    assert (folder / "b2.jpg").read_bytes() == before


@pytest.mark.parametrize(("conf", "count"), [("0.001", 3), ("0.01", 2), ("0.999", 1)])
def test_any_confidence_between_0_and_1_counts(make_graph: MakeGraph, tmp_path: Path, conf: str, count: int) -> None:
    """Fault 25: below 0.05 it was refused, and people evaluate at 0.001."""
    rows = np.zeros((20, 6), np.float32)
    for i, certainty in enumerate((0.9995, 0.02, 0.002)):
        rows[i] = [10 * i, 5, 10 * i + 8, 30, certainty, 1]
    model = make_graph({"output0": rows}, metadata={"names": "['ant', 'bee']", "stride": "32"})
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64, 3), 99, np.uint8))
    found = tmp_path / "found.jsonl"
    done = run(tmp_path / "grey.png", "--model", model, "--engine", "onnx", "--conf", conf, "--jsonl", found)
    assert done.code == 0, done.err
    assert len(lines(found)[0]["detections"]) == count


def test_what_can_not_work_is_refused_before_it_begins(clip: Path, tmp_path: Path) -> None:
    assert "rtsp://x" in refused("rtsp://x").message
    assert isinstance(refused(tmp_path / "gone.mp4"), SourceError)
    assert isinstance(refused(clip, "--model", "nothing"), ConfigError)
    assert isinstance(refused(clip, "--engine", "nothing"), ConfigError)
    for wrong in ("7", "0", "1", "-0.1", "nan"):
        assert isinstance(refused(clip, "--conf", wrong), ConfigError)
    assert isinstance(refused(clip, "--stream", "a b"), BadRequest)
    assert isinstance(refused(clip, "--save", tmp_path / "out.avi"), SinkError)
    assert isinstance(refused(clip, "--jsonl", tmp_path / "gone" / "out.jsonl"), SinkError)
    same = tmp_path / "same.mp4"
    assert "same path" in refused(clip, "--save", same, "--jsonl", same).message
    assert not same.exists()


def test_the_source_is_never_overwritten(clip: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(clip, tmp_path / "mine.mp4"))
    error = refused(mine, "--save", tmp_path / "." / "mine.mp4")
    assert "is the source" in error.message
    assert mine.read_bytes() == clip.read_bytes()
    photos = tmp_path / "photos"
    photos.mkdir()
    cv2.imwrite(str(photos / "a.png"), moving(0))
    assert "is the source" in refused(photos, "--masks", photos).message


def test_a_full_disk_is_told_before_anything_runs(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=3 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    assert "the disk is full (3 MB free)" in refused(clip, "--save", tmp_path / "out.mp4").message
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_can_not_be_used_leaves_no_files(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"bad")
    refused(clip, "--model", tmp_path / "bad.onnx", "--save", tmp_path / "out.mp4", "--jsonl", tmp_path / "o.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.onnx"]


def test_settings_count_here_too(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_MODEL", str(tmp_path / "mine.onnx"))
    assert "mine.onnx" in refused(clip).message


@pytest.mark.parametrize(
    ("source", "stream"),
    [
        ("clip.mp4", "clip"),
        ("my clip (1).mp4", "my_clip_1"),
        ("camera:0", "camera_0"),
        ("東京.mp4", "run"),
        ("a" * 99 + ".mp4", "a" * 64),
        (".mp4", "mp4"),
    ],
)
def test_a_source_gives_its_stream_a_name(source: str, stream: str) -> None:
    assert stream_name(source) == stream


@posix
def test_a_terminal_shows_a_bar_and_is_left_tidy(clip: Path) -> None:
    import pty

    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([*COMMAND, str(clip)], stdout=side, stderr=side, env=environment)
    os.close(side)
    shown = b""
    try:
        while chunk := os.read(main, 65536):
            shown += chunk
    except OSError:  # Linux's way of saying that the other side is closed
        pass
    os.close(main)
    assert process.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "Loading motion" in text
    assert re.search(r"the room\.mp4 .*/40", text)
    assert text.count("\x1b") == 0
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l"), "the cursor is back"
    assert "written    nothing; ask for it with --save" in text


def test_the_people_are_found(assets: Path, tmp_path: Path) -> None:
    clip = assets / "videos" / "one-by-one-person-detection.mp4"
    part = tmp_path / "part.mp4"
    with av.open(str(clip)) as container:
        write_clip(
            part,
            [
                np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                for frame, _ in zip(container.decode(video=0), range(120), strict=False)
            ],
            fps=10,
        )
    done = run(part, "--model", assets / "models" / "yolox_nano.onnx", "--jsonl", tmp_path / "o.jsonl")
    assert done.code == 0, done.err
    rows = lines(tmp_path / "o.jsonl")
    sure = [d for row in rows for d in row["detections"] if d["class_name"] == "person" and d["confidence"] > 0.7]
    assert len(sure) > 40
    for person in sure:
        left, top, right, bottom = person["xyxy"]
        assert 0 <= left < right <= 768
        assert 0 <= top < bottom <= 432
    assert re.search(r"found .*person \(\d+ frames", done.err)


def test_a_file_whose_name_is_not_utf8_gets_its_line(tmp_path: Path) -> None:
    """Fault 10."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in (b"caf\xe9.jpg", b"caf\xe8.jpg", b"ok.jpg"):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.write_bytes(cv2.imencode(".jpg", moving(3))[1].tobytes())
    done = run(folder, "--jsonl", tmp_path / "out.jsonl", "--save", tmp_path / "drawn")
    assert done.code == 0, done.err
    assert sorted(row["source"] for row in lines(tmp_path / "out.jsonl")) == [
        "caf\ufffd.jpg",
        "caf\ufffd.jpg",
        "ok.jpg",
    ]
    assert len(list((tmp_path / "drawn").iterdir())) == 3, "each has its own picture"
    alone = run(Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg")), "--jsonl", tmp_path / "one.jsonl")
    assert alone.code == 0, alone.err
    assert [row["stream"] for row in lines(tmp_path / "one.jsonl")] == ["caf"]
    assert "no such file" in refused(Path(os.fsdecode(os.fsencode(folder) + b"/\xe9.jpg"))).message


def test_streams_of_addresses_have_names_that_differ() -> None:
    """Fault 12."""
    names = [stream_name(shown(f"rtsp://me:pw@192.168.1.{n}/live")) for n in (10, 11)]
    assert names == ["192_168_1_10", "192_168_1_11"]
    assert stream_name("rtsp://127.0.0.1:8554") == "127_0_0_1_8554"
    assert stream_name("clip 1.mp4") == "clip_1"


def test_a_damaged_picture_has_a_line_that_says_so(tmp_path: Path, cases: Path) -> None:
    """Fault 9."""
    done = run(cases / "noeoi.jpg", "--jsonl", tmp_path / "out.jsonl")
    assert done.code == 0, done.err
    (row,) = lines(tmp_path / "out.jsonl")
    assert (row["damaged"], row["width"], row["height"]) == (True, 405, 540)
