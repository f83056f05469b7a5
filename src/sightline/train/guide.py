"""A teacher that looks at every training picture beside the learner: an ONNX file of the YOLOX family.

Its boxes alone say little about a picture. Its feature maps, and its scores at every cell, say something about all of
it, so that a learner gets further with the same photos and minutes (after Cao et al., PKD, 2022). The cells are those
of the learner: three grids of strides 8, 16 and 32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.utils import Extractor
from torch import Tensor, nn
from torch.nn import functional

from sightline.train.assign import cells, distance_overlap, to_boxes
from sightline.train.nets import STRIDES

PARTS = ("cls_preds", "reg_preds", "obj_preds")
"""Names of the last convolutions of a YOLOX head, one for each grid."""
AT_ONCE = 4
"""Pictures per run of the teacher; more of them don't fit into a processor's cache."""
SURE = 0.1
"""Score from which a teacher's box is worth copying."""
FEATURES = 6.0
"""Weight of the feature maps in the loss; that of scores and boxes is 1."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the teacher makes of N pictures with A cells each."""

    maps: list[Tensor]
    """A feature map for each grid, N x channels x H x W."""
    scores: Tensor
    """N x classes x A, from 0 to 1, for the classes that it knows."""
    boxes: Tensor
    """N x A x 4 in pixels."""


class Guide:
    """The teacher, and the losses of a learner who doesn't see what it sees."""

    def __init__(self, model: onnx.ModelProto, heads: Mapping[str, Sequence[onnx.NodeProto]], classes: Tensor) -> None:
        """``heads`` has the three last convolutions of each of ``PARTS``; ``classes`` the learner's id of each class.

        A class that the learner doesn't know has the id -1.
        """
        self._known = torch.nonzero(classes >= 0).flatten()
        self.classes = classes[self._known]
        maps = [heads[part][i].input[0] for part in PARTS[:2] for i in range(len(STRIDES))]
        self._names = maps + [node.output[0] for part in PARTS for node in heads[part]]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            _cut(model, self._names).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.channels = 2 * next(_channels(model, node) for node in heads[PARTS[0]])

    @classmethod
    def of(cls, path: Path, classes: Sequence[str], labels: Sequence[str]) -> Guide | None:
        """A guide from a YOLOX file, or None if the file has other heads; ``labels`` are the file's class names."""
        model = onnx.load(path)
        heads = {part: [_reader(model, f"{part}.{i}.weight") for i in range(len(STRIDES))] for part in PARTS}
        found = {part: [node for node in nodes if node is not None] for part, nodes in heads.items()}
        if any(len(nodes) < len(STRIDES) for nodes in found.values()):
            return None
        ids = {name: i for i, name in enumerate(classes)}
        return cls(model, found, torch.tensor([ids.get(label, -1) for label in labels]))

    def look(self, pixels: Tensor) -> View:
        """Look at pictures N x S x S x 3 uint8 in BGR."""
        images = np.ascontiguousarray(pixels.cpu().numpy().transpose(0, 3, 1, 2)).astype(np.float32)
        runs = [
            self._session.run(self._names, {self._session.get_inputs()[0].name: images[i : i + AT_ONCE]})
            for i in range(0, len(images), AT_ONCE)
        ]
        outputs = [torch.from_numpy(np.concatenate(parts)).to(pixels.device) for parts in zip(*runs, strict=True)]
        scored, sided, classes, boxes, objects = (outputs[i : i + 3] for i in range(0, 15, 3))
        scores = [(c[:, self._known].sigmoid() * o.sigmoid()).flatten(2) for c, o in zip(classes, objects, strict=True)]
        centres, strides = (t.to(pixels.device) for t in cells(pixels.shape[1]))
        where = torch.cat([b.flatten(2) for b in boxes], 2).transpose(1, 2)
        # A box's middle is told from its cell's corner, in strides; its size as a logarithm.
        middle = where[..., :2] * strides[:, None] + centres - strides[:, None] / 2
        half = where[..., 2:].exp() * strides[:, None] / 2
        return View(
            [torch.cat(pair, 1) for pair in zip(scored, sided, strict=True)],
            torch.cat(scores, 2),
            torch.cat([middle - half, middle + half], -1),
        )

    def losses(
        self, pixels: Tensor, maps: Sequence[Tensor], logits: Tensor, sides: Tensor, adapters: nn.ModuleList
    ) -> dict[str, Tensor]:
        """How far a learner's maps, logits and sides are from what the teacher sees."""
        view = self.look(pixels)
        apart = [1 - agreement(a(m), told) for a, m, told in zip(adapters, maps, view.maps, strict=True)]
        logits = logits.float()[:, self.classes]
        entropy = functional.softplus(logits).sum() - (view.scores * logits).sum()
        best = view.scores.amax(1)
        sure = best > SURE
        centres, strides = (t.to(pixels.device) for t in cells(pixels.shape[1]))
        closeness = distance_overlap(to_boxes(sides.float(), centres, strides)[sure], view.boxes[sure])
        return {
            "taught maps": FEATURES * torch.stack(apart).mean(),
            "taught scores": entropy / view.scores.sum().clamp(min=1),
            "taught boxes": ((1 - closeness) * best[sure]).sum() / best[sure].sum().clamp(min=1),
        }


def agreement(mine: Tensor, told: Tensor) -> Tensor:
    """Mean correlation of two feature maps N x C x H x W, channel by channel: 1 if they say the same."""
    mine, told = (functional.batch_norm(x.float(), None, None, training=True) for x in (mine, told))
    return (mine * told).mean()


def _reader(model: onnx.ModelProto, weight: str) -> onnx.NodeProto | None:
    """The convolution whose weight has this name, with anything before it."""
    return next((n for n in model.graph.node if n.op_type == "Conv" and n.input[1].endswith(weight)), None)


def _channels(model: onnx.ModelProto, node: onnx.NodeProto) -> int:
    return int(next(w.dims[1] for w in model.graph.initializer if w.name == node.input[1]))


def _cut(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """The part of a model that makes these tensors, for pictures of any number and size."""
    part = Extractor(onnx.shape_inference.infer_shapes(model)).extract_model([model.graph.input[0].name], list(names))
    del part.graph.value_info[:]
    for value in (*part.graph.input, *part.graph.output):
        for k in (0, 2, 3):
            value.type.tensor_type.shape.dim[k].dim_param = f"{value.name}_{k}"
    return part
