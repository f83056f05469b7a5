"""Task-aligned assignment of boxes to grid cells, and the detection loss built on it.

After Feng et al., TOOD (2021): a box is assigned to the cells that already score and place it best, and each cell's
target score is how well it places the box. Boxes of all pictures are rows of one flat list, so nothing is padded.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from sightline.train.nets import STRIDES

BEST = 10
"""Number of cells assigned to each box."""


@cache
def cells(size: int) -> tuple[Tensor, Tensor]:
    """Centres A x 2 and strides A of all cells of a square input, in pixels."""
    centres, strides = [], []
    for stride in STRIDES:
        line = (torch.arange(size // stride) + 0.5) * stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        centres.append(torch.stack([x.flatten(), y.flatten()], 1))
        strides.append(torch.full((len(line) ** 2,), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def to_boxes(sides: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Convert distances ... x A x 4 in strides to boxes x1, y1, x2, y2 in pixels."""
    far = sides * strides[:, None]
    return torch.cat([centres - far[..., :2], centres + far[..., 2:]], -1)


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes, pair by pair; shapes broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    return both / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both + 1e-6)


def distance_overlap(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU (CIoU), pair by pair: the overlap less penalties for distant centres and different shapes."""
    iou = overlap(a, b)
    low, high = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    across = ((high - low) ** 2).sum(-1) + 1e-6
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(-1) / 4
    size_a, size_b = a[..., 2:] - a[..., :2] + 1e-6, b[..., 2:] - b[..., :2] + 1e-6
    turn = torch.atan(size_b[..., 0] / size_b[..., 1]) - torch.atan(size_a[..., 0] / size_a[..., 1])
    shape = turn**2 * 0.4053  # 4 / pi squared
    with torch.no_grad():
        weight = shape / (1 - iou + shape + 1e-6)
    return iou - apart / across - weight * shape


def assign(
    says: Tensor, found: Tensor, centres: Tensor, strides: Tensor, picture: Tensor, boxes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Assign every box to its cells.

    ``says`` R x A is the score (0 to 1) of each box's class in each cell, ``found`` N x A x 4 are the network's boxes,
    ``picture`` R and ``boxes`` R x 4 are the truth. Returns rows, cells and the target score of every pair.
    """
    quality = overlap(found[picture], boxes[:, None])  # R x A
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    # A box smaller than a cell may contain no cell centre, so its half side counts as at least about half a stride.
    reach = torch.maximum(half[:, None], strides[None, :, None] * 0.55)
    inside = ((centres[None] - middle[:, None]).abs() < reach).all(-1)
    inside &= (half.amax(1)[:, None] > strides * 0.2) | (strides == STRIDES[0])
    fit = says.sqrt() * quality**4 * inside
    # An untrained cell overlaps nothing; its distance from the box breaks the tie.
    near = (centres[None] - middle[:, None]).abs().amax(-1) / strides
    best = (fit + 1e-7 / (1 + near) * inside).topk(BEST, 1)
    rows = torch.arange(len(boxes), device=boxes.device)[:, None].expand(-1, BEST)[best.values > 0]
    chosen = best.indices[best.values > 0]
    # A cell that two boxes want goes to the one it overlaps more.
    pair = quality[rows, chosen]
    key = picture[rows] * found.shape[1] + chosen
    most = torch.full((found.shape[0] * found.shape[1],), -1.0, device=boxes.device)
    keep = pair >= most.scatter_reduce(0, key, pair, "amax")[key]
    rows, chosen, pair = rows[keep], chosen[keep], pair[keep]
    fit = fit[rows, chosen]
    top = torch.zeros(len(boxes), device=boxes.device)
    best_fit = top.scatter_reduce(0, rows, fit, "amax")[rows]
    best_pair = top.scatter_reduce(0, rows, pair, "amax")[rows]
    return rows, chosen, fit / (best_fit + 1e-9) * best_pair


def detection_loss(logits: Tensor, sides: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Binary cross entropy of the scores and CIoU of the boxes.

    ``batch`` has ``pixels``; the truth as ``picture`` R, ``boxes`` R x 4, ``labels`` R, ``trust`` R (1 for a human
    annotation, less for a teacher's); and ``unjudged``, the indices of flattened logits for which nothing is known.
    """
    logits, sides = logits.float(), sides.float()
    centres, strides = (t.to(logits.device) for t in cells(batch["pixels"].shape[1]))
    found = to_boxes(sides, centres, strides)
    picture, boxes, labels = batch["picture"].long(), batch["boxes"], batch["labels"].long()
    # Cross entropy with target t is softplus(x) - t x. Almost all targets are 0, so no dense target is built.
    void = torch.zeros(logits.numel(), dtype=torch.bool, device=logits.device)
    void[batch["unjudged"]] = True
    if not len(boxes):
        entropy = functional.softplus(logits).sum() - functional.softplus(logits.flatten()[void]).sum()
        return {"scores": entropy / len(logits), "boxes": sides.sum() * 0}
    with torch.no_grad():
        says = logits[picture, labels].sigmoid()
        rows, chosen, aim = assign(says, found, centres, strides, picture, boxes)
        aim = aim * batch["trust"][rows]
        void.view_as(logits)[picture[rows], labels[rows], chosen] = False
    total = aim.sum().clamp(min=1.0)
    entropy = functional.softplus(logits).sum() - functional.softplus(logits.flatten()[void]).sum()
    entropy = entropy - (logits[picture[rows], labels[rows], chosen] * aim).sum()
    closeness = distance_overlap(found[picture[rows], chosen], boxes[rows])
    return {"scores": entropy / total, "boxes": 2.5 * ((1 - closeness) * aim).sum() / total}
