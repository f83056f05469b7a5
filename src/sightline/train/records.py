"""Data set reader: the photos of a data set and what is known about each.

``read`` supports three layouts and tells them apart by what the folder contains:

- COCO: ``annotations.json`` (split here) or ``train.json`` and ``val.json``, with the photos in ``images/``.
- Masks: ``images/``; ``masks/NAME.png`` whose pixels are class ids (255: not judged); ``classes.txt``, a name a line.
- Archives: ``*.zip``, each with an ``index*.json`` of records (boxes, the classes they are complete for, masks).
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ConfigError
from sightline.models._labels import MAX_NAME

Task = Literal["detect", "segment"]
IGNORE = 255
"""Value of mask pixels that are not judged."""
FARTHEST = 1e6
"""Pixels from the corner of a photo that a number of a box may be."""
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
GROUPS = {
    "EG1800 portraits": "portraits",
    "COCO val2017": "people",
    "COCO train2017": "people",
    "PASCAL VOC2012": "people",
    "Clothing Co-Parsing": "people",
    "Penn-Fudan Pedestrian": "street",
}


@cache
def _archive(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file in a folder or in an archive."""

    path: Path
    member: str | None = None

    def read(self) -> bytes:
        """The file's content."""
        return self.path.read_bytes() if self.member is None else _archive(self.path).read(self.member)


def _no_boxes() -> NDArray[np.float32]:
    return np.zeros((0, 5), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One photo and its truth."""

    name: str
    image: FileRef
    group: str = "all"
    """Name of the group with which this photo is judged."""
    validation: bool = False
    boxes: NDArray[np.float32] = field(default_factory=_no_boxes)
    """N x 5: x1, y1, x2, y2 in pixels of the photo, class id."""
    complete: frozenset[int] = frozenset()
    """Classes of which every instance is boxed; for another class, a missing box means nothing."""
    mask: FileRef | None = None
    mask_values: tuple[int, ...] | None = None
    """Class id for each value of the mask's pixels; None if they are class ids already."""


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Photos and their class names; a segmenter's class 0 is the background."""

    classes: tuple[str, ...]
    records: tuple[Record, ...]

    def part(self, *, validation: bool) -> DataSet:
        """The photos held out for validation, or all others."""
        return DataSet(self.classes, tuple(r for r in self.records if r.validation == validation))


def kept_aside(name: str, share: float = 0.1) -> bool:
    """Whether a photo belongs to the validation split. It depends on the name alone, so the split never changes."""
    return _draw(name) < share


def _draw(name: str) -> float:
    """A number from 0 to 1 that is always the same for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def split(names: Iterable[str]) -> frozenset[str]:
    """Names of a small data set's validation split: those kept aside, but at least one in twenty, and never all.

    Of a dozen photos chance may keep none aside. Then those that come nearest to it are taken.
    """
    ranked = sorted(set(names), key=_draw)
    count = max(sum(map(kept_aside, ranked)), len(ranked) // 20, 1)
    return frozenset(ranked[: min(count, len(ranked) - 1)])


def read(folder: Path, task: Task) -> DataSet:
    """Read a data set in any of the three layouts. Raises ConfigError saying what was expected."""
    if any(folder.glob("*.zip")):
        data = _read_archives(folder, task)
    elif task == "detect" and any((folder / name).is_file() for name in ("annotations.json", "train.json")):
        data = _read_coco(folder)
    elif task == "segment" and (folder / "masks").is_dir():
        data = _read_masks(folder)
    else:
        wanted = "annotations.json or train.json" if task == "detect" else "images/, masks/ and classes.txt"
        raise ConfigError(f"no data set for {task!r} in {folder}: expected {wanted}, or *.zip with an index")
    if not data.records:
        raise ConfigError(f"the data set in {folder} holds no photo for {task!r}")
    if long := [name for name in data.classes if len(name) > MAX_NAME]:
        told = f"the class {long[0][:40]!r}... in {folder} has a name of {len(long[0])} characters"
        raise ConfigError(f"{told}: expected at most {MAX_NAME}, or no model may have it")
    return data


def _read_coco(folder: Path) -> DataSet:
    if (folder / "annotations.json").is_file():
        return _coco_file(folder, "annotations.json", None)
    train = _coco_file(folder, "train.json", False)
    if not (folder / "val.json").is_file():
        raise ConfigError(f"{folder} has train.json but no val.json")
    val = _coco_file(folder, "val.json", True)
    if val.classes != train.classes:
        raise ConfigError(f"train.json and val.json in {folder} name different categories")
    return DataSet(train.classes, train.records + val.records)


def _coco_file(folder: Path, name: str, validation: bool | None) -> DataSet:
    try:
        content = json.loads((folder / name).read_text("utf-8"))
        categories = sorted(content["categories"], key=lambda c: c["id"])
        ids = {c["id"]: i for i, c in enumerate(categories)}
        boxes: dict[Any, list[list[float]]] = {image["id"]: [] for image in content["images"]}
        crowded: dict[Any, set[int]] = {image["id"]: set() for image in content["images"]}
        for a in content["annotations"]:
            x, y, w, h = map(float, a["bbox"])
            if not all(abs(number) <= FARTHEST for number in (x, y, w, h)):  # written so that NaN does not pass
                raise ValueError(f"a box of {a['bbox']}")
            if a.get("iscrowd"):
                crowded[a["image_id"]].add(ids[a["category_id"]])
            else:
                boxes[a["image_id"]].append([x, y, x + w, y + h, ids[a["category_id"]]])
        images = [(image["id"], str(image["file_name"])) for image in content["images"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{folder / name} is not a COCO file of boxes: {error!r}") from error
    if not any(boxes.values()):
        raise ConfigError(f"{folder / name} has no box: expected some to learn from")
    # Photos without boxes judge no class, so they are split on their own.
    aside = split(file for i, file in images if boxes[i]) | {f for i, f in images if not boxes[i] and kept_aside(f)}
    records = [
        Record(
            name=file,
            image=FileRef(folder / "images" / file),
            validation=file in aside if validation is None else validation,
            boxes=np.array(boxes[i], np.float32).reshape(-1, 5),
            complete=frozenset(ids.values()) - crowded[i],
        )
        for i, file in images
    ]
    return DataSet(tuple(str(c["name"]) for c in categories), tuple(records))


def _read_masks(folder: Path) -> DataSet:
    if not (folder / "classes.txt").is_file():
        raise ConfigError(
            f"{folder} has masks/ but no classes.txt (one class name a line, the first is the background)"
        )
    try:
        named = (folder / "classes.txt").read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as e:
        raise ConfigError(f"{folder / 'classes.txt'}: expected text in UTF-8 ({e.reason})") from None
    classes = tuple(name.strip() for name in named if name.strip())
    if not 2 <= len(classes) < IGNORE:
        raise ConfigError(
            f"{folder / 'classes.txt'} names {len(classes)} classes: expected the background and 1 to {IGNORE - 2} more"
        )
    records = []
    photos = sorted(p for p in (folder / "images").iterdir() if p.suffix.lower() in PHOTO_ENDINGS)
    aside = split(photo.name for photo in photos)
    for photo in photos:
        mask = folder / "masks" / f"{photo.stem}.png"
        if not mask.is_file():
            raise ConfigError(f"{photo.name} has no mask: expected {mask}")
        records.append(Record(photo.name, FileRef(photo), validation=photo.name in aside, mask=FileRef(mask)))
    return DataSet(classes, tuple(records))


def _read_archives(folder: Path, task: Task) -> DataSet:
    classes: tuple[str, ...] = ()
    records: list[Record] = []
    for path in sorted(folder.glob("*.zip")):
        try:
            index = next((n for n in _archive(path).namelist() if Path(n).match("index*.json")), None)
            if index is None:
                raise ConfigError(f"{path} holds no index*.json")
            content = json.loads(_archive(path).read(index))
            classes = tuple(content["classes"])
            person = tuple(int(name == "person") for name in content["voc21"])
            voc = (*person, *[0] * (IGNORE - len(person)), IGNORE)
            records += _archived(path, content["records"], classes, {"person": (0, *[1] * 255), "voc21": voc}, task)
        except (zipfile.BadZipFile, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(f"{path} is not an archive of photos with an index: {error!r}") from error
    return DataSet(classes if task == "detect" else ("background", "person"), tuple(records))


def _archived(
    path: Path, entries: Iterable[Any], classes: tuple[str, ...], values: dict[str, tuple[int, ...]], task: Task
) -> Iterable[Record]:
    """Records of one archive. A segmenter gets those with a person mask or with every person boxed."""
    for entry in entries:
        everything = entry.get("boxes_complete_for") == "all"
        named = classes if everything else entry.get("boxes_complete_for") or ()
        complete = frozenset(classes.index(name) for name in named)
        mask = FileRef(path, entry["mask"]) if task == "segment" and "mask" in entry else None
        if task == "segment" and mask is None and classes.index("person") not in complete:
            continue
        # Photos with all classes boxed are few, and most classes can be judged on them alone: four in ten are held out.
        validation = kept_aside(entry["image"], 0.4 if everything else 0.1)
        if task == "segment" and mask is None and validation:
            continue
        yield Record(
            name=entry["image"],
            image=FileRef(path, entry["image"]),
            group=GROUPS.get(entry["source"], "other"),
            validation=validation,
            boxes=np.array(entry.get("boxes", []), np.float32).reshape(-1, 5),
            complete=complete,
            mask=mask,
            mask_values=values.get(entry.get("mask_kind", "")) if mask else None,
        )
