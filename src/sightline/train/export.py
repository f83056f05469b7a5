"""Export of a trained network as one ONNX file that every runtime reads.

Normalisation is folded into the convolutions. A detector's weights are stored as 16-bit floats, a segmenter's as 8-bit
integers with one scale per output channel. ``Cast`` and ``Mul`` turn them into floats; runtimes do that once, when they
load the file. The file is small while the arithmetic stays in floats. Integers cost ``nano`` 0.009 of mAP50, which is
too much for detectors.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sightline.train.assign import to_boxes
from sightline.train.nets import STRIDES, ConvUnit, DetectorNet

OPSET = 17


class PackedConv(nn.Module):
    """A convolution with float16 weights, or int8 weights with a scale per output channel."""

    def __init__(self, conv: nn.Conv2d, *, integers: bool) -> None:
        super().__init__()
        weight = conv.weight.detach()
        scale = weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-8) / 127
        self.register_buffer("weight", (weight / scale).round().to(torch.int8) if integers else weight.half())
        self.register_buffer("scale", scale if integers else None)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach())
        self.stride, self.padding = conv.stride, conv.padding

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolution with its weights unpacked to float32."""
        weight = self.weight.float() if self.scale is None else self.weight.float() * self.scale  # type: ignore
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)  # type: ignore


def packed(net: nn.Module, *, integers: bool) -> nn.Module:
    """Copy a network for inference, with normalisation folded in and weights as integers or 16-bit floats."""
    net = copy.deepcopy(net).cpu().float().eval()
    _pack(net, integers)
    return net


def _pack(module: nn.Module, integers: bool) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, ConvUnit):
            conv, norm, *rest = child
            fused = fuse_conv_bn_eval(conv, norm)  # type: ignore
            setattr(module, name, nn.Sequential(PackedConv(fused, integers=integers), *rest))  # type: ignore
        elif isinstance(child, nn.Conv2d):
            setattr(module, name, PackedConv(child, integers=integers))
        else:
            _pack(child, integers)


class DetectGraph(nn.Module):
    """Boxes in input pixels and scores from 0 to 1, before non-maximum suppression."""

    outputs = ("boxes", "scores")

    def __init__(self, net: DetectorNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map N x 3 x H x W uint8 to boxes N x A x 4 and scores N x classes x A."""
        maps = self.net.maps(images)
        logits, sides = self.net.heads(maps)
        # The cells' places are worked out in the graph, so that it takes any size.
        centres, strides = zip(*(_cells(x, stride) for x, stride in zip(maps, STRIDES, strict=True)), strict=True)
        return to_boxes(sides, torch.cat(centres), torch.cat(strides)), logits.sigmoid()


def _cells(x: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Centres A x 2 and strides A of a map's cells, in pixels."""
    column = (torch.arange(x.shape[3], dtype=torch.float32) + 0.5) * stride
    row = (torch.arange(x.shape[2], dtype=torch.float32) + 0.5) * stride
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


def export(net: nn.Module, kind: str, classes: Sequence[str], size: int, path: Path, about: Mapping[str, str]) -> None:
    """Write the ONNX file, for pictures of any size whose sides are multiples of 32.

    ``size`` is the side that a runtime takes unless told otherwise. ``about`` is added to the metadata, beside the
    task, the side and the class names.
    """
    graph = GRAPHS[kind](packed(net, integers=kind == "segment")).eval()
    example = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but it needs only torch and keeps the integers as they are.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=False,
            input_names=["images"],
            output_names=list(graph.outputs),
            dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}} | GROWING[kind],
        )
    own = {"sightline": kind, "names": json.dumps(list(classes)), "imgsz": json.dumps([size, size])}
    write_metadata(path, own | dict(about))


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
