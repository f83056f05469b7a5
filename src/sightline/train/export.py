"""Export of a trained network as one ONNX file of 8-bit integers that every runtime reads.

Normalisation is folded into the convolutions. Then ONNX Runtime's own tool makes weights and feature maps integers: it
looks at pictures to learn which values the maps take. ``QuantizeLinear`` and ``DequantizeLinear`` around each operator
say so in the file. A quarter of the bytes, and less than half of the time on a processor, are what that brings; what it
costs in accuracy is in ``docs/decisions.md``. The first convolution and those of the boxes' sides stay as they are.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sightline.core.types import Image
from sightline.train.assign import to_boxes
from sightline.train.nets import STRIDES, ConvUnit, DetectorNet

OPSET = 17
WHOLE = ("Conv", "Relu", "Add", "Resize", "ReduceMean")
"""Operators that compute in integers."""
EXACT = "/sides."
"""Part of the names of layers that compute in floats."""
BOUNDS: Mapping[str, tuple[str, float, float]] = {"detect": ("/scores.", -12, 8), "segment": ("/logits/", -5, 5)}
"""A part of the names of the layers that say logits, and the values beyond which a logit says nothing more."""


def folded(net: nn.Module) -> nn.Module:
    """Copy a network for inference, with normalisation folded into the convolutions."""
    net = copy.deepcopy(net).cpu().float().eval()
    _fold(net)
    return net


def _fold(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, ConvUnit):
            conv, norm, *rest = child
            setattr(module, name, nn.Sequential(fuse_conv_bn_eval(conv, norm), *rest))  # type: ignore
        else:
            _fold(child)


class DetectGraph(nn.Module):
    """Boxes in input pixels and scores from 0 to 1, before non-maximum suppression."""

    outputs = ("boxes", "scores")

    def __init__(self, net: DetectorNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map N x 3 x H x W uint8 to boxes N x A x 4 and scores N x classes x A."""
        logits, sides = self.net(images)
        # The cells' places are worked out in the graph, so that it takes any size.
        centres, strides = zip(*(_cells(images, stride) for stride in STRIDES), strict=True)
        return to_boxes(sides, torch.cat(centres), torch.cat(strides)), logits.sigmoid()


def _cells(images: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Centres A x 2 and strides A of a grid's cells, in pixels."""
    column = (torch.arange(images.shape[3] // stride, dtype=torch.float32) + 0.5) * stride
    row = (torch.arange(images.shape[2] // stride, dtype=torch.float32) + 0.5) * stride
    across = column[None, :] + torch.zeros_like(row)[:, None]
    down = row[:, None] + torch.zeros_like(column)[None, :]
    centres = torch.stack([across, down], -1).flatten(0, 1)
    return centres, torch.full_like(centres[:, 0], float(stride))


class SegmentGraph(nn.Module):
    """Logits of every class at every input pixel."""

    outputs = ("logits",)

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Map N x 3 x H x W uint8 to logits N x classes x H x W."""
        return functional.interpolate(self.net(images), scale_factor=4.0, mode="bilinear", align_corners=False)


GRAPHS: Mapping[str, Callable[[Any], DetectGraph | SegmentGraph]] = {"detect": DetectGraph, "segment": SegmentGraph}
GROWING: Mapping[str, dict[str, dict[int, str]]] = {
    "detect": {"boxes": {0: "batch", 1: "cells"}, "scores": {0: "batch", 2: "cells"}},
    "segment": {"logits": {0: "batch", 2: "height", 3: "width"}},
}
"""The axes of the outputs that depend on the picture."""


def export(
    net: nn.Module,
    kind: str,
    classes: Sequence[str],
    size: int,
    path: Path,
    about: Mapping[str, str],
    pictures: Iterable[Image],
) -> None:
    """Write the ONNX file, for pictures of any size whose sides are multiples of 32.

    ``size`` is the side that a runtime takes unless told otherwise. ``about`` is added to the metadata, beside the
    task, the side and the class names. ``pictures``, ``size`` x ``size`` x 3 uint8 in BGR, are of the kind that the
    network will see: a hundred of them say which values its feature maps take.
    """
    with TemporaryDirectory() as folder:
        floats = Path(folder) / "floats.onnx"
        _trace(GRAPHS[kind](folded(net)).eval(), GROWING[kind], size, floats)
        model = onnx.load(floats)
        _unshare(model.graph)
        model = onnx.shape_inference.infer_shapes(model)
        add_pre_process_metadata(model)  # the tool asks for what was just done
        quantize_static(
            model,
            path,
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Processors without a dot product of bytes add pairs of products in 16 bits. Weights of 7 bits fit there.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=_inner(model.graph),
            extra_options={"TensorQuantOverrides": _bounded(model.graph, kind, len(classes))},
        )
    own = {"sightline": kind, "names": json.dumps(list(classes)), "imgsz": json.dumps([size, size])}
    write_metadata(path, own | dict(about))


def _trace(graph: DetectGraph | SegmentGraph, growing: Mapping[str, dict[int, str]], size: int, path: Path) -> None:
    """Write the ONNX file of a network as it is, in 32-bit floats."""
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but it needs only torch and keeps the tensors' names.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (torch.zeros(1, 3, size, size, dtype=torch.uint8),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=False,
            input_names=["images"],
            output_names=list(graph.outputs),
            dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}, **growing},
        )


def _unshare(graph: onnx.GraphProto) -> None:
    """Give every layer tensors of its own. The exporter stores equal ones once, which the tool doesn't understand."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity" and node.input[0] in held]:
        graph.initializer.add().CopyFrom(held[node.input[0]])
        graph.initializer[-1].name = node.output[0]
        graph.node.remove(node)


class _Pictures(CalibrationDataReader):
    """Pictures as the tool asks for them."""

    def __init__(self, pictures: Iterable[Image]) -> None:
        self._left: Iterator[Image] = iter(pictures)

    def get_next(self) -> dict[str, Image] | None:
        """The next picture as the graph's input, or None."""
        picture = next(self._left, None)
        return None if picture is None else {"images": np.ascontiguousarray(picture.transpose(2, 0, 1))[None]}


def _inner(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that compute in integers: those after the first convolution, but for the boxes' last layer.

    The first one has three channels, with which integers are slower. A box's sides are told exactly. What comes after
    the last convolutions is small, or must not be rounded.
    """
    reaches: set[str] = set()
    inner = []
    for node in reversed(graph.node):
        if reaches.intersection(node.output) or node.op_type == "Conv":
            if node.op_type in WHOLE and EXACT not in node.name:
                inner.append(node.name)
            reaches.update(node.input)
    first = next(node.name for node in graph.node if node.op_type == "Conv")
    return [name for name in reversed(inner) if name != first]


def _bounded(graph: onnx.GraphProto, kind: str, classes: int) -> dict[str, list[dict[str, np.float32]]]:
    """The range of values of each tensor of logits, so that integers don't stand for those that nobody needs.

    Where several classes may be far above the background, the highest is asked for: a segmenter's logits are bounded
    only where there is one class beside the background.
    """
    if kind == "segment" and classes > 2:
        return {}
    part, least, most = BOUNDS[kind]
    tensors = [node.output[0] for node in graph.node if node.op_type == "Conv" and part in node.name]
    return {tensor: [{"rmin": np.float32(least), "rmax": np.float32(most)}] for tensor in tensors}


def write_metadata(path: Path, values: Mapping[str, str]) -> None:
    """Append entries to an ONNX file's ``metadata_props`` (field 14 of the model, a repeated message of key and value).

    Protobuf allows a repeated field to continue at the end of a message, so nothing has to be parsed.
    """
    with path.open("ab") as file:
        for key, value in values.items():
            entry = _field(1, key.encode()) + _field(2, value.encode())
            file.write(_field(14, entry))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
