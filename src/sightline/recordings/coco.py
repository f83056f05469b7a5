"""Pictures of a recording with what was found in them, as ``sightline train`` and others read it: COCO in a ZIP file.

``images/NAME.jpg`` and ``annotations.json``. Objects with a mask have polygons; regions of a class are crowds.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import BadImage
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Image
from sightline.media import codecs
from sightline.recordings import said
from sightline.recordings.lines import FrameLine

QUALITY = 92
MOST = 20_000
"""Pictures of an archive."""
LEAST_AREA = 1.0
"""Pixels of the smallest part of an object that gets a polygon."""
BESIDE = 1 << 20
"""Bytes of annotations that wait in memory; more wait in a file."""


class Archive:
    """A ZIP file that is being written. What it holds in memory does not grow with it."""

    def __init__(self, target: Path) -> None:
        """Make the file. Raises OSError."""
        self.pictures = self.objects = 0
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._images, self._annotations = (_beside(target.parent) for _ in range(2))
        self._classes: dict[str, int] = {}
        self._names: set[str] = set()

    def add(self, image: Image, at: float, stream: str, line: FrameLine) -> None:
        """Add a picture with what its line says was found. Raises OSError."""
        height, width = image.shape[:2]
        name = self._name(stream, at)
        self._zip.writestr(f"images/{name}", codecs.encode_jpeg(image, QUALITY))
        self.pictures += 1
        size = {"width": width, "height": height}
        _append(self._images, {"id": self.pictures, "file_name": name, "taken_at": at} | size)
        for row in self._rows(image, line):
            self.objects += 1
            _append(self._annotations, {"id": self.objects, "image_id": self.pictures} | row)

    def close(self) -> None:
        """Write the annotations, and complete the file. Raises OSError."""
        categories = [{"id": id, "name": name, "supercategory": ""} for name, id in self._classes.items()]
        entry = zipfile.ZipInfo("annotations.json", _now())
        with self._zip, self._images, self._annotations, self._zip.open(entry, "w", force_zip64=True) as file:
            file.write(b'{"info": {"description": "Sightline"}, "licenses": [], "categories": ')
            file.write(msgspec.json.encode(categories))
            for key, part in (("images", self._images), ("annotations", self._annotations)):
                file.write(f', "{key}": ['.encode())
                part.seek(0)
                shutil.copyfileobj(part, file)
                file.write(b"]")
            file.write(b"}")

    def abandon(self) -> None:
        """Let go of the files."""
        for file in (self._images, self._annotations, self._zip):
            file.close()

    def _name(self, stream: str, at: float) -> str:
        """Return a name that no other picture has: by it, a training puts a picture into one of its parts."""
        taken = datetime.fromtimestamp(at, UTC)
        stem = f"{stream}-{taken:%Y%m%dT%H%M%S}.{taken.microsecond // 1000:03}"
        name, number = f"{stem}.jpg", 1
        while name in self._names:
            number += 1
            name = f"{stem}-{number}.jpg"
        self._names.add(name)
        return name

    def _rows(self, image: Image, line: FrameLine) -> Iterator[dict[str, Any]]:
        found = said.said_of(line)
        if found is None:
            return
        try:
            prediction = said.prediction_of(found, line, image)
        except BadImage:  # then there are boxes alone
            prediction = said.prediction_of(found, FrameLine(pts=line.pts, at=line.at, result=line.result), image)
        if isinstance(prediction, Segmentation):
            names = {one.class_id: one.class_name for one in found.segments}
            yield from self._regions(prediction.class_map, names, image.shape[:2])
        elif isinstance(prediction, Detections):
            yield from self._objects(prediction, [one.class_name for one in found.detections], image.shape[:2])

    def _objects(self, rows: Detections, names: list[str], size: tuple[int, ...]) -> Iterator[dict[str, Any]]:
        height, width = size
        edges = np.clip(rows.xyxy.astype(np.float64), 0, [width, height, width, height]).round(2)
        for number, (name, (left, top, right, bottom)) in enumerate(zip(names, edges.tolist(), strict=True)):
            if right <= left or bottom <= top:
                continue
            wide, high = round(right - left, 2), round(bottom - top, 2)
            row: dict[str, Any] = {"category_id": self._id(name), "bbox": [left, top, wide, high], "iscrowd": 0}
            row |= {
                "area": round(wide * high, 2),
                "segmentation": [],
                "score": round(float(rows.confidence[number]), 4),
            }
            if rows.mask is not None and number < 255:
                mask = _scaled(rows.mask == number + 1, width, height)
                if polygons := _polygons(mask):
                    row |= {"segmentation": polygons, "area": int(mask.sum())}
            yield row

    def _regions(
        self, values: NDArray[np.uint8], names: dict[int, str], size: tuple[int, ...]
    ) -> Iterator[dict[str, Any]]:
        height, width = size
        for class_id, name in names.items():
            mask = _scaled(values == class_id, width, height)
            if name == "background" or not mask.any():
                continue
            left, top, wide, high = cv2.boundingRect(mask)
            run = {"size": [height, width], "counts": _runs(mask)}
            row = {"category_id": self._id(name), "bbox": [left, top, wide, high], "area": int(mask.sum())}
            yield row | {"iscrowd": 1, "segmentation": run}

    def _id(self, name: str) -> int:
        return self._classes.setdefault(name, len(self._classes) + 1)


def _scaled(mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _polygons(mask: NDArray[np.uint8]) -> list[list[float]]:
    parts, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [part.reshape(-1).tolist() for part in parts if len(part) >= 3 and cv2.contourArea(part) >= LEAST_AREA]


def _runs(mask: NDArray[np.uint8]) -> list[int]:
    """Return the lengths of runs down the columns, of nothing first, as COCO has them."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], ends, [flat.size]))).tolist()
    return [0, *runs] if flat.size and flat[0] else list(runs)


def _beside(folder: Path) -> tempfile.SpooledTemporaryFile[bytes]:
    return tempfile.SpooledTemporaryFile(BESIDE, dir=str(folder))


def _append(file: tempfile.SpooledTemporaryFile[bytes], row: dict[str, Any]) -> None:
    file.write((b", " if file.tell() else b"") + msgspec.json.encode(row))


def _now() -> tuple[int, int, int, int, int, int]:
    now = datetime.now(UTC)
    return now.year, now.month, now.day, now.hour, now.minute, now.second
