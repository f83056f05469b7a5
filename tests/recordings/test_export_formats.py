"""Other formats than MP4: WebM, GIF, time-lapse, and pictures that a training reads."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import BadRequest, NotFound, SightlineError
from sightline.core.types import Image
from sightline.recordings import clip
from sightline.recordings.clip import ClipWish
from sightline.train import records
from support.clips import number_of, read_clip
from support.recordings import SIZE, mask_line, place_of, record

BEGAN = 1_796_000_000.0
FPS = 10


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    """Six seconds in two files, each frame with its number and a person; every fourth frame was not inferred."""
    root = tmp_path / "recordings"
    left_out = frozenset(range(2, 60, 4))
    return [
        record(root, "door", BEGAN, range(30), dropped=left_out),
        record(root, "door", BEGAN + 3, range(30, 60), dropped=left_out),
    ]


def numbers(path: Path) -> list[int]:
    """The numbers in the pictures of a video."""
    return [number_of(image[: image.shape[0] * 100 // SIZE[1]]) for image in read_clip(path)[1]]


def test_webm_has_every_frame_at_its_time(videos: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "clip.webm"
    assert clip.write(videos, ClipWish(BEGAN + 1, BEGAN + 5, format="webm"), target) == ""
    assert numbers(target) == list(range(10, 51))
    assert [round(at, 1) for at in read_clip(target)[0]] == [round(n / FPS, 1) for n in range(41)]
    with av.open(str(target)) as container:
        assert container.format.name == "matroska,webm"
        assert container.streams.video[0].codec_context.name in ("vp9", "vp8", "libvpx-vp9")


def test_a_time_lapse_runs_as_fast_as_asked_for(videos: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    assert clip.write(videos, ClipWish(BEGAN, BEGAN + 6, speed=4), target) == ""
    times, _ = read_clip(target)
    assert times[-1] == pytest.approx(59 / FPS / 4, abs=0.06)
    found = numbers(target)
    assert found == sorted(set(found))
    assert 40 <= len(found) <= 46, "no more than 30 pictures a second"


def test_a_gif_is_small_and_short(videos: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "clip.gif"
    assert clip.write(videos, ClipWish(BEGAN, BEGAN + 2, "drawn", "boxes", format="gif"), target) == ""
    times, images = read_clip(target)
    assert len(images) >= 15
    assert times[-1] == pytest.approx(2, abs=0.15)
    assert max(images[0].shape) <= 480
    found = numbers(target)
    assert found == sorted(set(found))
    assert target.stat().st_size < 2_000_000
    with pytest.raises(BadRequest, match="at most 30 s"):
        ClipWish(BEGAN, BEGAN + 31, format="gif").check()
    ClipWish(BEGAN, BEGAN + 300, format="gif", speed=10).check()


def opened(target: Path, folder: Path) -> dict[str, Any]:
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return dict(json.loads((folder / "annotations.json").read_text()))


def test_pictures_with_annotations_are_what_a_training_reads(videos: list[Path], tmp_path: Path) -> None:
    target, folder = tmp_path / "set.zip", tmp_path / "set"
    wish = ClipWish(BEGAN, BEGAN + 6, format="pictures", every_s=0.5)
    assert clip.write(videos, wish, target) == "12 pictures, 12 objects"
    content = opened(target, folder)
    pytest.importorskip("pycocotools")
    data = records.read(folder, "detect")
    assert data.classes == ("person",)
    assert [row.name for row in data.records] == [one["file_name"] for one in content["images"]]
    shown = [number_of(image[:100]) for row in data.records if (image := picture(row.image.path)) is not None]
    assert shown == sorted(set(shown))
    assert not set(shown) & set(range(2, 60, 4)), "nobody knows what is in a frame that was not inferred"
    assert np.diff(shown).max() <= 7
    for number, row in zip(shown, data.records, strict=True):
        assert row.boxes.tolist() == [[*place_of(number), 0]]


def picture(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with a new numpy
def test_masks_are_polygons_and_areas_are_crowds(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    path = record(tmp_path / "recordings", "door", BEGAN, range(2))
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    left, top, right, bottom = place_of(0)
    mask[top:bottom, left:right] = 1
    mask_line(path, 0, cv2.imencode(".png", mask)[1].tobytes())
    areas = np.zeros((90, 160), np.uint8)
    areas[:45] = 3
    mask_line(path, 1, cv2.imencode(".png", areas)[1].tobytes())
    lines = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    lines[2]["result"] |= {"detections": [], "mask_kind": "classes"}
    lines[2]["result"]["segments"] = [{"class_id": 3, "class_name": "sky", "share": 0.5}]
    path.with_suffix(".jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    target, folder = tmp_path / "set.zip", tmp_path / "set"
    clip.write([path], ClipWish(BEGAN, BEGAN + 1, format="pictures", every_s=0.1), target)
    opened(target, folder)
    with contextlib.redirect_stdout(io.StringIO()):
        read = coco.COCO(str(folder / "annotations.json"))
    person, sky = read.dataset["annotations"]
    assert [one["name"] for one in read.dataset["categories"]] == ["person", "sky"]
    assert abs(int(read.annToMask(person).sum()) - (right - left) * (bottom - top)) < 80
    assert (sky["iscrowd"], int(read.annToMask(sky).sum()), sky["bbox"]) == (1, 320 * 90, [0, 0, 320, 90])
    assert np.array_equal(read.annToMask(sky)[:90], np.ones((90, 320), np.uint8))


def test_what_not_every_browser_plays_is_said_and_converted(tmp_path: Path) -> None:
    path = record(tmp_path / "recordings", "door", BEGAN, range(20), codec="libx265", size=(162, 90))
    said = clip.write([path], ClipWish(BEGAN + 0.5, BEGAN + 1), tmp_path / "a.mp4")
    assert said == clip.ODD.format("H.265")
    assert clip.write([path], ClipWish(BEGAN + 0.5, BEGAN + 1, "converted"), tmp_path / "b.mp4") == ""
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert len(list(container.decode(video=0))) == 6


def test_what_has_no_results_is_no_training_data(tmp_path: Path) -> None:
    path = record(tmp_path / "recordings", "door", BEGAN, range(5), dropped=frozenset(range(5)))
    with pytest.raises(NotFound, match="with results"):
        clip.write([path], ClipWish(BEGAN, BEGAN + 1, format="pictures"), tmp_path / "set.zip")


@pytest.mark.parametrize("kind", ["recorded", "overlay"])
def test_of_a_file_that_has_just_begun_nothing_is_there_yet(tmp_path: Path, kind: clip.Kind) -> None:
    first = record(tmp_path / "recordings", "door", BEGAN, range(10))
    begun = record(tmp_path / "recordings", "door", BEGAN + 1, range(10, 20))
    begun.write_bytes(b"")  # its first lines are there before its first pictures
    clip.write([first, begun], ClipWish(BEGAN, BEGAN + 2, kind), tmp_path / "a.mp4")
    assert numbers(tmp_path / "a.mp4") == list(range(10))
    with pytest.raises(NotFound):
        clip.write([begun], ClipWish(BEGAN, BEGAN + 2, kind), tmp_path / "b.mp4")


def test_the_command_goes_by_the_files_ending(videos: list[Path], tmp_path: Path) -> None:
    def export(name: str, *words: str) -> str:
        span = ("--from", f"{BEGAN}", "--to", f"{BEGAN + 5}", "-o", str(tmp_path / name))
        given = ["recordings", "export", "door", *span, *words]
        CliRunner().invoke(app, ["recordings", "rescan"], env={"SIGHTLINE_DATA": str(tmp_path)})
        answer = CliRunner().invoke(app, given, env={"SIGHTLINE_DATA": str(tmp_path)})
        return answer.exception.message if isinstance(answer.exception, SightlineError) else ""

    assert export("a.webm", "--speed", "5") == ""
    assert len(numbers(tmp_path / "a.webm")) > 20
    assert export("a.zip", "--every", "2") == ""
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len([name for name in archive.namelist() if name.startswith("images/")]) == 3
    assert "expected a new file that ends in one of .mp4, .webm, .gif, .zip" in export("a.avi")
