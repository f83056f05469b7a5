"""Cache of decoded photos: one flat file for images and one for masks, read at memory speed in every epoch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ConfigError
from sightline.core.types import Image
from sightline.train.records import IGNORE, DataSet, Record

LONGER_SIDE = 320


class Photos:
    """The photos of a data set, with a longer side of at most 320 pixels. Masks and boxes use the same pixels."""

    def __init__(self, data: DataSet, folder: Path) -> None:
        """Open the cache for these photos in ``folder``; decode them first if it is missing."""
        self.data = data
        key = hashlib.sha256("\n".join(f"{r.name}{r.image.path}{r.mask}" for r in data.records).encode()).hexdigest()
        self._files = {kind: folder / f"{key[:16]}.{kind}" for kind in ("images", "masks", "npy")}
        if not self._files["npy"].is_file():
            folder.mkdir(parents=True, exist_ok=True)
            self._decode()
        # Columns: height, width, first pixel, has a mask, scale from the original photo to this one (in millionths).
        self._index: NDArray[np.int64] = np.load(self._files["npy"])
        self._images = np.memmap(self._files["images"], np.uint8, "r")
        self._masks = np.memmap(self._files["masks"], np.uint8, "r")
        self.boxes = [
            np.concatenate([r.boxes[:, :4] * np.float32(row[4] / 1e6), r.boxes[:, 4:]], 1)
            for r, row in zip(data.records, self._index, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._index)

    def image(self, i: int) -> Image:
        """The photo as H x W x 3 uint8 in BGR; read-only."""
        h, w, start = (int(v) for v in self._index[i, :3])
        return self._images[start * 3 : (start + h * w) * 3].reshape(h, w, 3)

    def has_mask(self, i: int) -> bool:
        """Whether anything is known about this photo's pixels."""
        return bool(self._index[i, 3])

    def mask(self, i: int) -> NDArray[np.uint8]:
        """The mask as H x W class ids; 255 is not judged."""
        h, w, start = (int(v) for v in self._index[i, :3])
        return self._masks[start : start + h * w].reshape(h, w)

    def _decode(self) -> None:
        rows, start = [], 0
        with self._files["images"].open("wb") as images, self._files["masks"].open("wb") as masks:
            for record in self.data.records:
                image, factor = _small(record)
                mask = _mask(record, image.shape[:2], factor)
                _check(record, mask, len(self.data.classes))
                images.write(image.tobytes())
                masks.write((np.full(image.shape[:2], IGNORE, np.uint8) if mask is None else mask).tobytes())
                rows.append((*image.shape[:2], start, mask is not None, round(factor * 1e6)))
                start += image.shape[0] * image.shape[1]
        with self._files["npy"].open("wb") as index:
            np.save(index, np.array(rows, np.int64))


def _check(record: Record, mask: NDArray[np.uint8] | None, classes: int) -> None:
    """Raise ConfigError for a mask with a class that has no name."""
    if record.mask is None or mask is None:
        return
    beyond = mask[(mask >= classes) & (mask != IGNORE)]
    if beyond.size:
        raise ConfigError(f"the mask of {record.name} has the value {beyond.max()}: expected {classes} classes, or 255")


def _small(record: Record) -> tuple[Image, float]:
    image = cv2.imdecode(np.frombuffer(record.image.read(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{record.name} is not a picture that can be decoded")
    factor = min(1.0, LONGER_SIDE / max(image.shape[:2]))
    if factor < 1:
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8), factor


def _mask(record: Record, shape: tuple[int, ...], factor: float) -> NDArray[np.uint8] | None:
    """The photo's mask. If only boxes are known: background outside the boxes, not judged inside."""
    if record.mask is None:
        if not record.complete:
            return None
        mask = np.zeros(shape, np.uint8)
        for x1, y1, x2, y2 in record.boxes[record.boxes[:, 4] == 0, :4] * factor:
            mask[max(0, int(y1) - 1) : int(y2) + 2, max(0, int(x1) - 1) : int(x2) + 2] = IGNORE
        return mask
    decoded = cv2.imdecode(np.frombuffer(record.mask.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if decoded is None:
        raise ConfigError(f"the mask of {record.name} is not a picture that can be decoded")
    mask = np.asarray(decoded, np.uint8)
    if mask.shape != shape:
        mask = np.asarray(cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    if record.mask_values is not None:
        mask = np.array(record.mask_values, np.uint8)[mask]
    return mask
