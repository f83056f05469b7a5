"""Training a segmenter: a class for every pixel."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sightline.core.types import Image
from sightline.train import augment, nets
from sightline.train.cache import Photos
from sightline.train.loop import Batch
from sightline.train.records import IGNORE

SIDES = ((0.5, 160), (0.85, 224), (1.0, 256))
"""Picture side by training progress, as (until, side); small pictures first, as they teach the most per minute."""
SIZE = 256
"""Side of the square that the finished network takes, in pixels."""
MOST_REPEATS = 2.0


class SegmentTask:
    """Segmentation on photos with masks; the loss is cross entropy and dice at half the picture's size."""

    kind = "segment"
    size = SIZE

    def __init__(self, train: Photos, validation: Photos) -> None:
        self.train, self.validation = train, validation
        self.classes = train.data.classes
        self._usable = np.array([i for i in range(len(train)) if train.has_mask(i)])
        self._whole = np.array([i for i in self._usable if train.data.records[i].mask is not None])
        self._repeats = repeats([train.data.records[i].group for i in self._usable])
        self._kept: NDArray[np.int64] = np.zeros(0, np.int64)

    def network(self) -> nn.Module:
        """A new, untrained network."""
        return nets.SegmenterNet(len(self.classes))

    def batch(self, size: int, rng: np.random.Generator, progress: float) -> Batch:
        """Pictures N x S x S x 3 and masks N x S/2 x S/2."""
        while len(self._kept) < size:
            times = np.floor(self._repeats + rng.random(len(self._repeats))).astype(np.int64)
            self._kept = np.concatenate([self._kept, rng.permutation(np.repeat(self._usable, times))])
        chosen, self._kept = self._kept[:size], self._kept[size:]
        side = next(side for until, side in SIDES if progress <= until)
        pairs = [self._example(int(i), side, rng) for i in chosen]
        return {"pixels": np.stack([p for p, _ in pairs]), "mask": np.stack([m for _, m in pairs])}

    def _example(self, i: int, side: int, rng: np.random.Generator) -> tuple[Image, NDArray[np.uint8]]:
        pixels, mask = self._placed(i, side, rng, zoom=(0.6, 1.9))
        if rng.random() < 0.25:  # another photo's foreground pasted in: new backgrounds for known things
            other, shape = self._placed(int(rng.choice(self._whole)), side, rng, zoom=(0.5, 1.5))
            front = (shape > 0) & (shape != IGNORE)
            mask = np.where(front, shape, mask)
            soft = np.repeat(np.repeat(front, 2, 0), 2, 1)[..., None]
            pixels = np.where(soft, other, pixels)
        return pixels, mask

    def _placed(
        self, i: int, side: int, rng: np.random.Generator, zoom: tuple[float, float]
    ) -> tuple[Image, NDArray[np.uint8]]:
        image = self.train.image(i)
        matrix = augment.placement(image.shape, side, side, rng, zoom=zoom, angle=12.0, stretch=1.4)
        pixels = augment.recolour(augment.warp(image, matrix, side, side), rng)
        return pixels, augment.warp_mask(self.train.mask(i), halved(matrix), side // 2, IGNORE)

    def loss(self, net: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Cross entropy, and dice of every class but the background, over the judged pixels."""
        logits = functional.interpolate(
            net(batch["pixels"].permute(0, 3, 1, 2)).float(), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        mask = batch["mask"].long()
        judged = mask != IGNORE
        entropy = functional.cross_entropy(logits, mask.masked_fill(~judged, -100), ignore_index=-100)
        share = logits.softmax(1)[:, 1:] * judged[:, None]
        truth = functional.one_hot(mask.masked_fill(~judged, 0), len(self.classes)).permute(0, 3, 1, 2)[:, 1:].float()
        both, either = (share * truth).sum((2, 3)), (share + truth).sum((2, 3))
        # For a picture without the class, dice is 0 whatever the prediction; 50 pixels of smoothing correct that.
        dice = 1 - (2 * both + 50) / (either + 50)
        return {"entropy": entropy, "dice": dice.mean()}

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Intersection over union by group of photos, at the photos' own resolution, over the classes that appear."""
        device = next(net.parameters()).device
        counts: dict[str, NDArray[np.int64]] = {}
        size = len(self.classes)
        for i in range(len(self.validation)):
            if not self.validation.has_mask(i):
                continue
            found = predict(net, self.validation.image(i), device)
            group = self.validation.data.records[i].group
            total = counts.setdefault(group, np.zeros((size, size), np.int64))
            total += confusion(found, self.validation.mask(i), size)
        scores = {}
        for group, total in sorted(counts.items()):
            iou = overlaps(total)[1:]
            if not np.isnan(iou).all():
                scores[f"IoU {group}"] = float(np.nanmean(iou))
        return scores


def repeats(groups: Sequence[str]) -> NDArray[np.float64]:
    """Average number of times each photo is seen in an epoch; more for small groups, as groups are judged alone."""
    sizes = Counter(groups)
    largest = max(sizes.values())
    return np.array([min(MOST_REPEATS, math.sqrt(largest / sizes[group])) for group in groups])


def halved(matrix: augment.Matrix) -> augment.Matrix:
    """The same placement on a square of half the side; pixel centres stay aligned."""
    half = matrix * 0.5
    half[:, 2] -= 0.25
    return half


def confusion(found: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Pixel counts by true class (row) and found class (column), over the judged pixels."""
    judged = truth != IGNORE
    pairs = truth[judged].astype(np.int64) * classes + found[judged]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def overlaps(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of every class; NaN for a class that never appears."""
    both = np.diag(counts).astype(np.float64)
    either = counts.sum(0) + counts.sum(1) - both
    return np.asarray(np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0))


def predict(net: nn.Module, image: Image, device: torch.device) -> NDArray[np.uint8]:
    """Class ids of an H x W photo at its own size."""
    h, w = image.shape[:2]
    scale = augment.letterbox(image.shape, SIZE, SIZE)
    matrix = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5]])
    pixels = torch.from_numpy(augment.warp(image, matrix, SIZE, SIZE)[None]).to(device)
    with torch.inference_mode():
        logits = functional.interpolate(
            net(pixels.permute(0, 3, 1, 2)).float(), scale_factor=4.0, mode="bilinear", align_corners=False
        )[0]
        inside = logits[None, :, : max(1, round(h * scale)), : max(1, round(w * scale))]
        full = functional.interpolate(inside, size=(h, w), mode="bilinear", align_corners=False)[0]
    return np.asarray(full.argmax(0).cpu().numpy(), np.uint8)
