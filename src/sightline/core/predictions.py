"""Predictions: a model's answer for a picture. A new kind of prediction is one class that follows ``Prediction``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ConfigError, ModelError
from sightline.core.records import Detection, Segment

NOTHING = 255
"""Value of a class map for no class, or for one that is not to be shown."""

Rows: TypeAlias = "int | slice | Sequence[int] | Sequence[bool] | NDArray[Any]"
"""Rows to take: a number, a slice, numbers, or a truth value for each row."""
Label: TypeAlias = Callable[[int], str]
"""Gives the name of a class id."""


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """One number for every pixel, as overlays colour it and as masks are sent."""

    values: NDArray[np.uint8]
    """h x w, over the whole picture at any resolution."""
    kind: str
    """Meaning of the values: ``instances``, ``classes``, or a word of another kind of prediction."""
    class_of: NDArray[np.int32] | None = None
    """Class id of each of the 256 values, -1 for none; None where the values are no classes."""
    nothing: tuple[int, ...] = ()
    """Values that occur and stand for nothing."""
    alpha: NDArray[np.uint8] | None = None
    """h x w, over the whole picture at any resolution, where 0 and 1 are all values: the share of 1, 0 to 255."""


class Prediction(Protocol):
    """A model's answer for one picture. Inherit from it, and say only what differs."""

    mode: ClassVar[str] = "boxes"
    """Renderer that draws it where nobody chose one."""
    scored: ClassVar[bool] = False
    """True if it is made of rows with a confidence, so that a threshold changes it."""

    @property
    def objects(self) -> Detections:
        """Rows with boxes; none for a kind that has no boxes."""
        return Detections.empty()

    def scaled(self, across: float, down: float) -> Self:
        """Return the same for a picture that is so many times as wide and as high."""
        return self

    def only(self, shown: frozenset[int]) -> Self:
        """Return the same without all other classes: neither their rows nor their pixels."""
        return self

    def raster(self) -> Raster | None:
        """Return the number of every pixel; None without one."""
        return None

    def segments(self, label: Label) -> tuple[Segment, ...]:
        """Return the classes that cover pixels with their share of the picture, 0 to 1, largest first."""
        return ()

    def complete(self, labels: tuple[str, ...], size: tuple[int, int]) -> Self:
        """Return the same for use without its model: with names by class id, and pixels as many as the picture has.

        ``size``: width and height of the picture.
        """
        return self


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Detections(Prediction):
    """Objects that a detector found: N rows, columns as in ``supervision``. Indexing by rows gives Detections again.

    Raises ModelError for a confidence outside 0 to 1 and for a box that is not finite: whatever a model says, neither
    leaves this place.
    """

    mode: ClassVar[str] = "boxes"
    scored: ClassVar[bool] = True

    xyxy: NDArray[np.float32]
    """N x 4: left, top, right, bottom in pixels of the picture."""
    confidence: NDArray[np.float32]
    """N, 0 to 1."""
    class_id: NDArray[np.int32]
    """N."""
    tracker_id: NDArray[np.int32] | None = None
    """N, or None where nothing tracks. -1 for an object that has no id yet."""
    mask: NDArray[np.uint8] | None = None
    """h x w, over the whole picture at any resolution: 0 is nothing, i + 1 is row i (the first 255 rows)."""
    labels: tuple[str, ...] = ()
    """Names by class id, where a caller of ``model(image)`` gets the rows; else empty."""
    trails: NDArray[np.float32] | None = None
    """N x points x 2: where each object stood of late, in pixels, the newest last; NaN where there is no point."""

    def __post_init__(self) -> None:
        if not len(self.confidence):
            return
        # Written so that NaN does not pass.
        least, most = self.confidence.min(), self.confidence.max()
        if not (least >= 0 and most <= 1):
            wrong = most if not most <= 1 else least
            raise ModelError(
                f"the model gave a confidence of {wrong:g}: expected 0 to 1; its numbers mean something else than the "
                "family reads (docs/models.md)"
            )
        if not np.isfinite(self.xyxy).all():
            raise ModelError("the model gave a box whose numbers are not finite: expected pixels")

    @classmethod
    def empty(cls, mask: NDArray[np.uint8] | None = None) -> Detections:
        """Return no rows."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), None, mask)

    def __len__(self) -> int:
        return len(self.confidence)

    def __iter__(self) -> Iterator[Detection]:
        return iter(self.rows(self.label))

    def __getitem__(self, rows: Rows) -> Detections:
        taken = np.atleast_1d(np.arange(len(self))[list(rows) if isinstance(rows, tuple) else rows])
        return Detections(
            self.xyxy[taken],
            self.confidence[taken],
            self.class_id[taken],
            None if self.tracker_id is None else self.tracker_id[taken],
            None if self.mask is None else _renumbered(self.mask, taken),
            self.labels,
            None if self.trails is None else self.trails[taken],
        )

    def __repr__(self) -> str:
        shown = [f"{row.class_name} {row.confidence:.2f}" for row in self[:5]]
        more = [f"{len(self) - 5} more"] if len(self) > 5 else []
        return f"<{type(self).__name__}: {len(self)}{': ' if shown else ''}{', '.join(shown + more)}>"

    @property
    def objects(self) -> Detections:
        """Return the rows themselves."""
        return self

    def label(self, class_id: int) -> str:
        """Return the name of a class; ``class 7`` where there is none."""
        return label_of(class_id, self.labels)

    def rows(self, label: Label) -> tuple[Detection, ...]:
        """Return one record for each row: confidence rounded to 4 digits, coordinates to a tenth of a pixel."""
        if not len(self):
            return ()
        # Columns first: one call per column instead of one per number.
        boxes = self.xyxy.astype(np.float64).round(1).tolist()
        confidences = self.confidence.astype(np.float64).round(4).tolist()
        trackers = [-1] * len(self) if self.tracker_id is None else self.tracker_id.tolist()
        return tuple(
            Detection(class_id, label(class_id), confidence, (x1, y1, x2, y2), tracker if tracker >= 0 else None)
            for class_id, confidence, (x1, y1, x2, y2), tracker in zip(
                self.class_id.tolist(), confidences, boxes, trackers, strict=True
            )
        )

    def with_tracks(self, ids: NDArray[np.int32], trails: NDArray[np.float32]) -> Detections:
        """Return the same rows with ids and trails. They have been checked, which takes longer than the rest."""
        copy = object.__new__(Detections)
        for name in _COLUMNS:
            object.__setattr__(copy, name, getattr(self, name))
        object.__setattr__(copy, "tracker_id", ids)
        object.__setattr__(copy, "trails", trails)
        return copy

    def scaled(self, across: float, down: float) -> Detections:
        """Return the rows with their boxes in pixels of a picture of another size."""
        if across == down == 1:
            return self
        scale = np.array([across, down], np.float32)
        trails = None if self.trails is None else self.trails * scale
        return replace(self, xyxy=self.xyxy * np.tile(scale, 2), trails=trails)

    def complete(self, labels: tuple[str, ...], size: tuple[int, int]) -> Detections:
        """Return the same rows with the names of their classes, and with a mask of the picture's size."""
        return replace(self, labels=labels, mask=None if self.mask is None else _stretched(self.mask, size))

    def only(self, shown: frozenset[int]) -> Detections:
        """Return the rows of these classes."""
        return self[np.isin(self.class_id, list(shown))]

    def raster(self) -> Raster | None:
        """Return the mask of the instances."""
        if self.mask is None:
            return None
        class_of = np.full(256, -1, np.int32)
        class_of[1 : len(self) + 1] = self.class_id[:NOTHING]
        return Raster(self.mask, "instances", class_of, (0,))

    def to_supervision(self) -> Any:
        """Return a ``supervision.Detections`` with the same rows, and names in ``data["class_name"]``.

        Masks are N x h x w truth values. Raises ConfigError where supervision is not installed.
        """
        numbers = np.arange(1, len(self) + 1)[:, None, None]
        return _supervision().Detections(
            xyxy=self.xyxy,
            confidence=self.confidence,
            class_id=self.class_id,
            tracker_id=self.tracker_id,
            mask=None if self.mask is None else self.mask == numbers,
            data={"class_name": np.array([self.label(one) for one in self.class_id.tolist()], dtype=str)},
        )


_COLUMNS = tuple(field.name for field in fields(Detections))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Segmentation(Prediction):
    """A class for every pixel."""

    mode: ClassVar[str] = "filled"

    class_map: NDArray[np.uint8]
    """h x w class ids, over the whole picture at any resolution; ``NOTHING`` where nothing is to be shown."""
    labels: tuple[str, ...] = ()
    """Names by class id, where a caller of ``model(image)`` gets the map; else empty."""
    alpha: NDArray[np.uint8] | None = None
    """h x w, over the whole picture at any resolution, of a model with two classes: to what share each pixel is of
    class 1, 0 to 255, soft along edges. None where the model does not say, or class 1 is not to be shown."""

    def __repr__(self) -> str:
        height, width = self.class_map.shape
        shown = ", ".join(f"{segment.class_name} {segment.share:.0%}" for segment in self)
        return f"<{type(self).__name__}: {width}x{height}{': ' if shown else ''}{shown}>"

    def __len__(self) -> int:
        return len(self.segments(str))

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments(self.label))

    def __getitem__(self, wanted: int | str) -> NDArray[np.bool_]:
        """Return h x w, True where a class is. ``wanted``: its id or name. Raises KeyError for an unknown name."""
        if isinstance(wanted, str):
            if wanted not in self.labels:
                raise KeyError(f"class {wanted!r}: expected one of {', '.join(self.labels) or 'none'}")
            wanted = self.labels.index(wanted)
        return np.equal(self.class_map, wanted)

    def label(self, class_id: int) -> str:
        """Return the name of a class; ``class 7`` where there is none."""
        return label_of(class_id, self.labels)

    def complete(self, labels: tuple[str, ...], size: tuple[int, int]) -> Segmentation:
        """Return the same map in the picture's size, with the names of its classes; with an alpha, without steps."""
        alpha = None if self.alpha is None else _enlarged(self.alpha, size)
        if alpha is None or self.class_map.max(initial=0) > 1:  # hidden classes are in the map alone
            return Segmentation(_stretched(self.class_map, size), labels, alpha)
        return Segmentation((alpha >= 128).view(np.uint8), labels, alpha)

    def only(self, shown: frozenset[int]) -> Segmentation:
        """Return the map with all other classes as ``NOTHING``."""
        table = np.full(256, NOTHING, np.uint8)
        kept = [class_id for class_id in shown if class_id < NOTHING]
        table[kept] = kept
        return replace(self, class_map=table[self.class_map], alpha=self.alpha if 1 in shown else None)

    def raster(self) -> Raster:
        """Return the map itself."""
        occurs = self.class_map.size > 0 and int(self.class_map.max()) == NOTHING
        return Raster(self.class_map, "classes", _ITSELF, (NOTHING,) if occurs else (), self.alpha)

    def segments(self, label: Label) -> tuple[Segment, ...]:
        """Return the classes in the map with their share of the picture, rounded to 4 digits, largest first."""
        counts = np.bincount(self.class_map.ravel(), minlength=NOTHING + 1)
        counts[NOTHING] = 0
        present = counts.nonzero()[0]
        largest_first = present[np.argsort(-counts[present], kind="stable")]
        total = self.class_map.size
        return tuple(Segment(c, label(c), round(int(counts[c]) / total, 4)) for c in largest_first.tolist())

    def to_supervision(self) -> Any:
        """Return a ``supervision.Detections`` with one row for each class in the map, largest first.

        A row has the class's mask, the smallest box around it, its share of the picture as confidence, and its name in
        ``data["class_name"]``. Raises ConfigError where supervision is not installed.
        """
        found = list(self)
        masks = np.array([self[one.class_id] for one in found], bool).reshape(-1, *self.class_map.shape)
        return _supervision().Detections(
            xyxy=np.array([_around(mask) for mask in masks], np.float32).reshape(-1, 4),
            confidence=np.array([one.share for one in found], np.float32),
            class_id=np.array([one.class_id for one in found], np.int32),
            mask=masks,
            data={"class_name": np.array([one.class_name for one in found], dtype=str)},
        )


_ITSELF = np.where(np.arange(256) == NOTHING, -1, np.arange(256)).astype(np.int32)
"""Class of each value where the value is the class."""


def label_of(class_id: int, labels: Sequence[str]) -> str:
    """Return the name of a class; ``class 7`` where there is none."""
    return labels[class_id] if 0 <= class_id < len(labels) else f"class {class_id}"


def _renumbered(mask: NDArray[np.uint8], taken: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return a mask of instances whose rows are these of the old ones, in this order."""
    table = np.zeros(256, np.uint8)
    marked = np.flatnonzero(taken[:NOTHING] < NOTHING)
    table[taken[marked] + 1] = marked + 1
    return table[mask]


def _stretched(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a map at another size, its values repeated, never mixed."""
    width, height = size
    high, wide = values.shape
    rows, columns = np.arange(height) * high // height, np.arange(width) * wide // width
    return values[rows[:, None], columns] if values.size else values


def _enlarged(shares: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return shares at another size, mixed linearly between their neighbours."""
    import cv2  # the SDK does without it

    return np.asarray(cv2.resize(shares, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _around(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the smallest box around what is True."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _supervision() -> Any:
    try:
        return importlib.import_module("supervision")
    except ImportError as e:
        raise ConfigError("supervision is not installed; run: pip install supervision") from e
