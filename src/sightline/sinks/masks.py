"""Class maps as 8-bit grey PNGs of the source's size, one per frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import SinkError
from sightline.core.types import FrameResult
from sightline.media.alpha import class_map_of
from sightline.sinks.base import Entry, Names, write_whole, writing


def open(target: str) -> Masks:
    """Open a folder, which is made if it does not exist."""
    folder = Path(target)
    with writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".sightline"
        probe.touch()
        probe.unlink()
    return Masks(target, folder)


class Masks:
    """Writes PNGs that are named after the picture, or by the frame's number.

    A segmentation's values are its class ids. For a detector with masks they are class id + 1, and 0 for nothing.
    """

    wants_drawn = False

    def __init__(self, target: str, folder: Path) -> None:
        self.target = target
        self._folder = folder
        self._names = Names(".png")

    def write(self, entry: Entry) -> None:
        """Write one PNG atomically. Raises SinkError, also for a prediction without masks."""
        height, width = entry.image.shape[:2]
        mask = _classes(entry.result, width, height)
        # For flat areas run lengths alone are several times as fast as OpenCV's default, and smaller.
        settings = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
        _, png = cv2.imencode(".png", mask, settings)
        write_whole(self._folder / self._names.of(entry), png.tobytes())

    def close(self) -> None:
        """Do nothing, as no file is left open."""


def _classes(result: FrameResult, width: int, height: int) -> NDArray[np.uint8]:
    raster = result.prediction.raster()
    if raster is None:
        raise SinkError(
            f"model {result.card.name!r} finds boxes without masks: leave --masks out or take another model"
        )
    if raster.alpha is not None and not raster.nothing:  # outlines without steps
        return class_map_of(raster.alpha, width, height)
    values = raster.values
    if raster.kind == "instances" and raster.class_of is not None:
        of_value = np.where(raster.class_of < 0, 0, np.clip(raster.class_of, 0, 254) + 1).astype(np.uint8)
        values = of_value[values]
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
