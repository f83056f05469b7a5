"""Training a detector from photos annotated for some classes, with a teacher for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.core.types import Image
from sightline.train import augment, nets
from sightline.train.assign import cells, detection_loss, to_boxes
from sightline.train.cache import Photos
from sightline.train.coco import LEAST, average_precision
from sightline.train.guide import Guide
from sightline.train.loop import Batch

SIZE = 320
"""Side of the square that the finished network takes, in pixels."""
SIDES = ((0.55, 192), (0.88, 256), (1.0, SIZE))
"""Picture side by training progress, as (until, side); small pictures first, as they teach the most per minute."""
MOSAICS = ((0.55, 0.3), (1.0, 0.4))
"""Share of mosaics of four photos by training progress, as (until, share)."""
CLOSE_UPS = 0.3
"""Share of pictures that show one thing of a random class close by: photos show most things small."""
FILLS = (0.2, 0.95)
"""Share of the picture's side that such a thing takes."""
COMMON = 0.03
"""A class is rare if a smaller share of the photos contains it."""
MOST_REPEATS = 4.0
CERTAIN = 0.25
"""Confidence from which a teacher's box counts as present; a less certain one is neither present nor absent."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureTruth:
    """Truth for one photo: boxes N x 4, their classes and trust (0: not judged), and the classes nobody looked for."""

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    trust: NDArray[np.float32]
    unknown: NDArray[np.int64]

    @classmethod
    def of(cls, photos: Photos, i: int, taught: NDArray[np.float32] | None) -> PictureTruth:
        """Join human boxes with a teacher's (N x 6: box, class, confidence) for the classes that the human left out."""
        own = photos.boxes[i]
        complete = photos.data.records[i].complete
        if taught is None:
            unknown = np.array([c for c in range(len(photos.data.classes)) if c not in complete], np.int64)
            return cls(own[:, :4], own[:, 4].astype(np.int64), np.ones(len(own), np.float32), unknown)
        taught = taught[[int(c) not in complete for c in taught[:, 4]]]
        # The teacher's confidence, softened by a square root, is the score that the learner should give.
        trust = np.where(taught[:, 5] >= CERTAIN, np.sqrt(taught[:, 5]), 0)
        return cls(
            np.concatenate([own[:, :4], taught[:, :4]]),
            np.concatenate([own[:, 4], taught[:, 4]]).astype(np.int64),
            np.concatenate([np.ones(len(own)), trust]).astype(np.float32),
            np.zeros(0, np.int64),
        )


class DetectTask:
    """Detection on photos with boxes, some of them combined into mosaics of four."""

    kind = "detect"
    size = SIZE

    def __init__(
        self,
        train: Photos,
        validation: Photos,
        taught: list[NDArray[np.float32]] | None = None,
        guide: Guide | None = None,
    ) -> None:
        """``taught`` has a teacher's boxes for each photo of ``train``, N x 6 each; ``guide`` sees every picture."""
        self.train, self.validation, self.guide = train, validation, guide
        self.classes = train.data.classes
        self.truth = [PictureTruth.of(train, i, taught[i] if taught else None) for i in range(len(train))]
        known = [i for i, r in enumerate(train.data.records) if r.complete or taught]
        self._usable = np.array(known, np.int64)
        self._repeats = repeats([self.truth[i].labels[self.truth[i].trust > 0] for i in known], len(self.classes))
        self._kept: NDArray[np.int64] = np.zeros(0, np.int64)
        self._boxed = boxed_classes([self.truth[i] for i in known], known)

    def network(self) -> nn.Module:
        """A new, untrained network."""
        if self.guide is None:
            return nets.DetectorNet(len(self.classes))
        return nets.GuidedNet(len(self.classes), self.guide.channels)

    def batch(self, size: int, rng: np.random.Generator, progress: float) -> Batch:
        """Pictures N x S x S x 3, their boxes as one flat list, and the indices of scores that are not judged."""
        side = next(side for until, side in SIDES if progress <= until)
        mosaic = next(share for until, share in MOSAICS if progress <= until)
        pictures, truths = [], []
        for _ in range(size):
            chance = rng.random()
            make = self._mosaic if chance < mosaic else self._close_up if chance < mosaic + CLOSE_UPS else self._single
            picture, truth = make(side, rng)
            pictures.append(augment.recolour(picture, rng, 0.7))
            truths.append(truth)
        sure = [t.trust > 0 for t in truths]
        return {
            "pixels": np.stack(pictures),
            "picture": np.repeat(np.arange(size, dtype=np.int32), [int(s.sum()) for s in sure]),
            "boxes": np.concatenate([t.boxes[s] for t, s in zip(truths, sure, strict=True)]),
            "labels": np.concatenate([t.labels[s] for t, s in zip(truths, sure, strict=True)]).astype(np.int32),
            "trust": np.concatenate([t.trust[s] for t, s in zip(truths, sure, strict=True)]),
            "unjudged": np.flatnonzero([unjudged(t, side, len(self.classes)) for t in truths]),
        }

    def _next(self, rng: np.random.Generator) -> int:
        if not len(self._kept):
            times = np.floor(self._repeats + rng.random(len(self._repeats))).astype(np.int64)
            self._kept = rng.permutation(np.repeat(self._usable, times))
        i, self._kept = int(self._kept[-1]), self._kept[:-1]
        return i

    def _single(self, side: int, rng: np.random.Generator) -> tuple[Image, PictureTruth]:
        return self._placed(self._next(rng), side, side, rng, zoom=(0.5, 1.8))

    def _close_up(self, side: int, rng: np.random.Generator) -> tuple[Image, PictureTruth]:
        """One thing of a class, which comes as often as the square root of the number of its boxes."""
        if not self._boxed:
            return self._single(side, rng)
        often = np.sqrt([len(things) for things in self._boxed])
        things = self._boxed[int(rng.choice(len(often), p=often / often.sum()))]
        i, k = things[int(rng.integers(len(things)))]
        return self._warped(
            i, augment.close_up(self.truth[i].boxes[k], side, rng, fills=FILLS, stretch=1.3), side, side
        )

    def _mosaic(self, side: int, rng: np.random.Generator) -> tuple[Image, PictureTruth]:
        """Four photos around a random centre."""
        cx, cy = (int(v) for v in rng.uniform(0.3, 0.7, 2) * side)
        canvas = np.empty((side, side, 3), np.uint8)
        parts = []
        for x1, y1, x2, y2 in ((0, 0, cx, cy), (cx, 0, side, cy), (0, cy, cx, side), (cx, cy, side, side)):
            picture, truth = self._placed(self._next(rng), x2 - x1, y2 - y1, rng, zoom=(0.8, 2.2))
            canvas[y1:y2, x1:x2] = picture
            parts.append(moved(truth, x1, y1, (x1, y1, x2, y2)))
        return canvas, PictureTruth(*(np.concatenate([getattr(p, f) for p in parts]) for f in PictureTruth.__slots__))

    def _placed(
        self, i: int, width: int, height: int, rng: np.random.Generator, zoom: tuple[float, float]
    ) -> tuple[Image, PictureTruth]:
        matrix = augment.placement(self.train.image(i).shape, width, height, rng, zoom=zoom, stretch=1.3)
        return self._warped(i, matrix, width, height)

    def _warped(self, i: int, matrix: augment.Matrix, width: int, height: int) -> tuple[Image, PictureTruth]:
        image, truth = self.train.image(i), self.truth[i]
        boxes, inside = augment.warp_boxes(truth.boxes, matrix, width, height)
        there = inside > 0.05
        seen = (inside > 0.3) & ((boxes[:, 2:] - boxes[:, :2]).min(1, initial=1e9) > 3)
        trust = np.where(seen, truth.trust, 0).astype(np.float32)  # a sliver is neither present nor absent
        return augment.warp(image, matrix, width, height), PictureTruth(
            boxes[there], truth.labels[there], trust[there], truth.unknown
        )

    def loss(self, net: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Loss of the scores and of the boxes, and what the guide adds."""
        assert isinstance(net, nets.DetectorNet)
        maps = net.maps(batch["pixels"].permute(0, 3, 1, 2))
        logits, sides = net.heads(maps)
        losses = detection_loss(logits, sides, batch)
        if self.guide is not None:
            assert isinstance(net, nets.GuidedNet)
            losses |= self.guide.losses(batch["pixels"], maps, logits, sides, net.adapters)
        return losses

    def validate(self, net: nn.Module) -> dict[str, float]:
        """AP at an overlap of one half: the mean over all classes with a box there, and for class 0 if it has one."""
        rows = predict(net, self.validation)
        result = average_precision(self.validation.data, self.validation.boxes, rows, overlaps=(0.5,))
        return {"mAP50": result.mean50} | {
            f"AP50 {self.classes[c]}": v for c, v in result.per_class50.items() if c == 0
        }


def repeats(labels: list[NDArray[np.int64]], classes: int) -> NDArray[np.float64]:
    """Average number of times each photo is seen in an epoch; photos of rare classes are seen more than once.

    After Gupta et al., LVIS (2019): the square root of ``COMMON`` over the share of photos that contain the class.
    """
    holds = np.zeros((len(labels), classes), np.bool_)
    for i, own in enumerate(labels):
        holds[i, own] = True
    factor = np.sqrt(COMMON / np.maximum(holds.mean(0), 1e-6)).clip(1, MOST_REPEATS)
    return np.asarray(np.where(holds, factor, 1).max(1))


def boxed_classes(truths: Sequence[PictureTruth], photos: Sequence[int]) -> list[NDArray[np.int64]]:
    """For each class that has some: its boxes that count, N x 2, as the photo and the number of the box there."""
    rows = [
        (label, i, k) for i, t in zip(photos, truths, strict=True) for k, label in enumerate(t.labels) if t.trust[k]
    ]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return [table[table[:, 0] == c, 1:] for c in np.unique(table[:, 0])]


def moved(truth: PictureTruth, x: int, y: int, tile: tuple[int, int, int, int]) -> PictureTruth:
    """A tile's truth in mosaic pixels. A class nobody looked for becomes an untrusted box over the whole tile."""
    n = len(truth.unknown)
    boxes = truth.boxes + np.array([x, y, x, y], np.float32)
    whole = np.tile(np.array(tile, np.float32), (n, 1))
    return PictureTruth(
        np.concatenate([boxes, whole]),
        np.concatenate([truth.labels, truth.unknown]),
        np.concatenate([truth.trust, np.zeros(n, np.float32)]),
        np.zeros(0, np.int64),
    )


def unjudged(truth: PictureTruth, side: int, classes: int) -> NDArray[np.bool_]:
    """Classes x cells: whether the cell's centre lies in an untrusted box of that class."""
    centres = cells(side)[0].numpy()
    out = np.zeros((classes, len(centres)), np.bool_)
    out[truth.unknown] = True
    for (x1, y1, x2, y2), label in zip(truth.boxes[truth.trust == 0], truth.labels[truth.trust == 0], strict=True):
        inside = (centres[:, 0] >= x1) & (centres[:, 0] < x2) & (centres[:, 1] >= y1) & (centres[:, 1] < y2)
        out[label, inside] = True
    return out


def predict(net: nn.Module, photos: Photos, size: int = SIZE, batch_size: int = 32) -> list[NDArray[np.float32]]:
    """Detections for every photo, N x 6 each: box in the photo's pixels, class, score; the best 100."""
    device = next(net.parameters()).device
    centres, strides = (t.to(device) for t in cells(size))
    found = []
    for start in range(0, len(photos), batch_size):
        part = range(start, min(start + batch_size, len(photos)))
        factors = [augment.letterbox(photos.image(i).shape, size, size) for i in part]
        pixels = np.stack([boxed(photos.image(i), f, size) for i, f in zip(part, factors, strict=True)])
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            logits, sides = net(torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2))
            scores = logits.float().sigmoid().cpu().numpy()
            boxes = to_boxes(sides.float(), centres, strides).cpu().numpy()
        for i, factor, b, s in zip(part, factors, boxes, scores, strict=True):
            h, w = photos.image(i).shape[:2]
            rows = suppressed(b, s)
            rows[:, :4] = (rows[:, :4] / factor).clip(0, (w, h, w, h))
            found.append(rows)
    return found


def boxed(image: Image, factor: float, size: int) -> Image:
    """The photo scaled by ``factor``, in the top left corner of a grey square."""
    canvas = np.full((size, size, 3), augment.PAD, np.uint8)
    w, h = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    canvas[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    return canvas


def suppressed(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], least: float = LEAST, most: int = 100
) -> NDArray[np.float32]:
    """Per-class non-maximum suppression of boxes A x 4 and scores classes x A. Returns rows of box, class, score."""
    label, cell = np.nonzero(scores > least)
    score = scores[label, cell]
    order = np.argsort(-score)[:1000]
    cell, label, score = cell[order], label[order], score[order]
    if not len(score):
        return np.zeros((0, 6), np.float32)
    corners = boxes[cell]
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    kept = cv2.dnn.NMSBoxesBatched(sizes.tolist(), score.tolist(), label.tolist(), least, 0.6)
    keep = np.sort(np.asarray(kept, np.int64).ravel())[:most]
    return np.concatenate([corners[keep], label[keep, None], score[keep, None]], 1).astype(np.float32)
