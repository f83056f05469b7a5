"""Data sets are read as they are laid out, and errors say what was expected."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.errors import ConfigError
from sightline.train.cache import Photos
from sightline.train.records import IGNORE, kept_aside, read, split
from support import made


def test_a_coco_folder_gives_boxes_in_corners_and_class_indices(tmp_path: Path) -> None:
    folder = made.coco_folder(tmp_path / "data")
    content = json.loads((folder / "annotations.json").read_text())
    data = read(folder, "detect")
    assert data.classes == made.CLASSES
    first = next(a for a in content["annotations"] if a["image_id"] == 0)
    x, y, w, h = first["bbox"]
    record = next(r for r in data.records if r.name == "0.png")
    assert record.boxes[0].tolist() == [x, y, x + w, y + h, first["category_id"] - 10]
    assert record.complete == {0, 1}


def test_a_crowd_makes_its_class_unknown_in_that_photo(tmp_path: Path) -> None:
    folder = made.coco_folder(tmp_path / "data")
    content = json.loads((folder / "annotations.json").read_text())
    content["annotations"].append({"image_id": 3, "category_id": 11, "bbox": [0, 0, 9, 9], "iscrowd": 1})
    (folder / "annotations.json").write_text(json.dumps(content))
    records = {r.name: r for r in read(folder, "detect").records}
    assert records["3.png"].complete == {0}
    assert records["4.png"].complete == {0, 1}


def test_train_and_val_files_are_the_split(tmp_path: Path) -> None:
    folder = made.coco_folder(tmp_path / "data")
    content = json.loads((folder / "annotations.json").read_text())
    for name, images in (("train", content["images"][:30]), ("val", content["images"][30:])):
        ids = {image["id"] for image in images}
        own = [a for a in content["annotations"] if a["image_id"] in ids]
        (folder / f"{name}.json").write_text(json.dumps({**content, "images": images, "annotations": own}))
    (folder / "annotations.json").unlink()
    data = read(folder, "detect")
    assert {r.name for r in data.part(validation=True).records} == {f"{i}.png" for i in range(30, 40)}


def test_the_split_depends_on_the_name_alone_and_has_the_asked_share() -> None:
    kept = [kept_aside(f"photo-{i}.jpg") for i in range(5000)]
    assert 400 < sum(kept) < 600
    assert kept == [kept_aside(f"photo-{i}.jpg") for i in range(5000)]


@settings(max_examples=40)
@given(st.sets(st.text(min_size=1, max_size=3), min_size=2, max_size=50))
def test_a_split_has_both_sides_and_keeps_what_is_kept_aside(names: set[str]) -> None:
    aside = split(names)
    assert aside == split(sorted(names))
    assert 0 < len(aside) < len(names)
    kept = {name for name in names if kept_aside(name)}
    assert aside >= kept or len(kept) == len(names)
    assert len(aside) >= len(names) // 20


def test_one_photo_cannot_be_split() -> None:
    assert split(["a.jpg"]) == frozenset()
    assert split([]) == frozenset()


def test_a_folder_of_masks_is_decoded_into_the_cache_and_read_from_it_again(tmp_path: Path) -> None:
    data = read(made.mask_folder(tmp_path / "data"), "segment")
    assert data.classes == ("background", "disc", "bar")
    first = Photos(data, tmp_path / "cache")
    again = Photos(data, tmp_path / "cache")
    for photos in (first, again):
        assert photos.has_mask(0)
        assert photos.image(0).shape == (128, 128, 3)
        assert set(np.unique(photos.mask(0))) <= {0, 1, 2}
    assert np.array_equal(first.image(7), again.image(7))


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_an_empty_folder_says_what_was_expected(tmp_path: Path, task: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        read(tmp_path, task)  # type: ignore[arg-type]


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    folder = made.mask_folder(tmp_path / "data")
    (folder / "masks" / "5.png").unlink()
    with pytest.raises(ConfigError, match=r"5\.png has no mask"):
        read(folder, "segment")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": [{}], "categories": [], "annotations": []}'])
def test_a_broken_coco_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(ConfigError, match="not a COCO file"):
        read(tmp_path, "detect")


@pytest.mark.parametrize("box", [[float("nan")] * 4, [0, 0, 1e30, 1], ["a", 0, 1, 1], [1, 2]])
def test_a_box_that_is_none_is_refused(tmp_path: Path, box: list[object]) -> None:
    folder = made.coco_folder(tmp_path / "data")
    content = json.loads((folder / "annotations.json").read_text())
    content["annotations"][0]["bbox"] = box
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="not a COCO file of boxes"):
        read(folder, "detect")


def test_photos_without_a_single_box_are_refused(tmp_path: Path) -> None:
    folder = made.coco_folder(tmp_path / "data")
    content = json.loads((folder / "annotations.json").read_text())
    (folder / "annotations.json").write_text(json.dumps(content | {"annotations": []}))
    with pytest.raises(ConfigError, match="has no box: expected some"):
        read(folder, "detect")


@pytest.mark.parametrize("names", [b"", b"background\n", b"\xff\xfe", b"a\n" * 300])
def test_classes_of_masks_are_text_and_at_least_two(tmp_path: Path, names: bytes) -> None:
    folder = made.mask_folder(tmp_path / "data")
    (folder / "classes.txt").write_bytes(names)
    with pytest.raises(ConfigError, match=r"classes\.txt.*expected (text|the background)"):
        read(folder, "segment")


def test_a_name_that_no_model_may_have_is_told_before_the_training(tmp_path: Path) -> None:
    folder = made.mask_folder(tmp_path / "data")
    (folder / "classes.txt").write_text("background\ndisc\n" + "x" * 201)
    with pytest.raises(ConfigError, match="has a name of 201 characters: expected at most 200"):
        read(folder, "segment")


def test_a_mask_with_a_class_of_no_name_is_refused(tmp_path: Path) -> None:
    folder = made.mask_folder(tmp_path / "data")
    (folder / "classes.txt").write_text("background\nthing\n")
    with pytest.raises(ConfigError, match=r"the mask of .* has the value 2: expected 2 classes, or 255"):
        Photos(read(folder, "segment"), tmp_path / "cache")


@pytest.mark.parametrize("index", [None, "", "[]", "{}", '{"classes": [], "voc21": [], "records": [{}]}'])
def test_an_archive_that_is_none_is_refused(tmp_path: Path, index: str | None) -> None:
    if index is None:
        (tmp_path / "a.zip").write_bytes(b"garbage")
    else:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("index.json", index)
    with pytest.raises(ConfigError, match=r"a\.zip is not an archive of photos with an index"):
        read(tmp_path, "detect")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from sightline.train.weights import load_checkpoint

    (tmp_path / "a.pt").write_text('{"a": 1}')
    with pytest.raises(ConfigError, match="no checkpoint of a run"):
        load_checkpoint(tmp_path / "a.pt")


def test_the_archives_keep_human_truth_apart_from_silence(assets: Path) -> None:
    data = read(assets / "photos", "detect")
    assert len(data.classes) == 80
    named = {r.name: r for r in data.records}
    assert sum(len(r.complete) == 80 for r in named.values()) == 215
    assert sum(r.complete == {0} for r in named.values()) > 2000
    people = read(assets / "photos", "segment")
    assert people.classes == ("background", "person")
    assert all(r.mask is not None for r in people.part(validation=True).records)


def test_boxes_without_masks_leave_the_inside_unjudged(assets: Path, tmp_path: Path) -> None:
    data = read(assets / "photos", "segment")
    boxed = [r for r in data.records if r.mask is None and (r.boxes[:, 4] == 0).any()][:3]
    photos = Photos(type(data)(data.classes, tuple(boxed)), tmp_path)
    for i, record in enumerate(boxed):
        mask = photos.mask(i)
        x1, y1, x2, y2 = record.boxes[record.boxes[:, 4] == 0][0, :4]
        assert mask[int((y1 + y2) / 2), int((x1 + x2) / 2)] == IGNORE
        assert set(np.unique(mask)) <= {0, IGNORE}
