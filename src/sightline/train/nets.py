"""The two small networks: a shared trunk of dense 3x3 convolutions with a detector head or a segmenter head.

Dense convolutions at low resolution train and run faster on CPUs than depthwise ones of equal accuracy, and ReLU fuses
into them in every runtime. The input is N x 3 x H x W uint8 (BGR); scaling is part of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
WIDTHS = (16, 32, 48, 96, 160)
"""Channels at strides 2, 4, 8, 16 and 32."""
DEPTHS = (0, 0, 1, 3, 2)
"""Residual blocks at strides 2, 4, 8, 16 and 32."""
CLASS_LAYERS = ("scores.", "logits.")
"""Beginnings of the names of tensors that have a row for each class."""


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU. The export folds the normalisation into the convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, relu: bool = True) -> None:
        parts: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, momentum=0.03),
        ]
        super().__init__(*parts, *([nn.ReLU(inplace=True)] if relu else []))


class Residual(nn.Module):
    """Two convolutions with an identity shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = ConvUnit(channels, channels, relu=False)
        # A new block passes its input on, so that a deeper network can begin with a shallower one's weights.
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Trunk(nn.Module):
    """Feature maps at strides 4, 8, 16 and 32 from pixels."""

    def __init__(self, widths: Sequence[int] = WIDTHS, depths: Sequence[int] = DEPTHS) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for before, channels, depth in zip((3, *widths), widths, depths, strict=False):
            blocks = [Residual(channels) for _ in range(depth)]
            self.stages.append(nn.Sequential(ConvUnit(before, channels, stride=2), *blocks))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x = pixels.float() * (1 / 255)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1:]


def double(x: Tensor) -> Tensor:
    """Double the size by repeating pixels."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def positive(x: Tensor) -> Tensor:
    """Softplus made of operators that the WebGPU runtime has; it lacks Softplus itself."""
    return functional.relu(x) + torch.log(1 + torch.exp(-x.abs()))


class Fusion(nn.Module):
    """Top-down pyramid: each map receives the coarser one. All maps come out with ``channels``."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvUnit(w, channels, 1) for w in widths)
        self.smooth = nn.ModuleList(ConvUnit(channels, channels) for _ in widths)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        fused: list[Tensor] = []
        for i in reversed(range(len(maps))):
            x = self.lateral[i](maps[i])
            if fused:
                x = x + double(fused[0])
            fused.insert(0, self.smooth[i](x))
        return fused


def _biased(conv: nn.Conv2d, bias: float) -> nn.Conv2d:
    if conv.bias is not None:
        nn.init.constant_(conv.bias, bias)
    return conv


class DetectorNet(nn.Module):
    """Class scores (logits) and a box, as distances to its four sides in strides, for each cell of three grids."""

    def __init__(
        self, classes: int, widths: Sequence[int] = WIDTHS, depths: Sequence[int] = DEPTHS, channels: int = 64
    ) -> None:
        super().__init__()
        self.classes = classes
        self.channels = channels
        self.trunk = Trunk(widths, depths)
        self.fusion = Fusion(widths[2:], channels)
        self.towers = nn.ModuleList(ConvUnit(channels, channels) for _ in STRIDES)
        # Initial scores are 1 %, as almost every cell is background, and initial boxes are about three cells wide.
        self.scores = nn.ModuleList(_biased(nn.Conv2d(channels, classes, 1), -4.6) for _ in STRIDES)
        self.sides = nn.ModuleList(_biased(nn.Conv2d(channels, 4, 3, padding=1), 1.0) for _ in STRIDES)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Map N x 3 x H x W uint8 to logits N x classes x A and sides N x A x 4 (left, top, right, bottom; > 0)."""
        return self.heads(self.maps(pixels))

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """The last feature map of each grid, N x channels x H x W, from N x 3 x H x W uint8."""
        fused = self.fusion(self.trunk(pixels)[1:])
        return [tower(x) for tower, x in zip(self.towers, fused, strict=True)]

    def heads(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits and sides, as ``forward`` gives them, from the feature maps."""
        scores, sides = [], []
        for i, x in enumerate(maps):
            scores.append(self.scores[i](x).flatten(2))
            sides.append(self.sides[i](x).flatten(2))
        return torch.cat(scores, 2), positive(torch.cat(sides, 2).float()).transpose(1, 2)


class GuidedNet(DetectorNet):
    """A detector in training, with a layer for each grid that says in a teacher's terms what its map says."""

    def __init__(self, classes: int, told: int) -> None:
        """``told`` is the number of channels of the teacher's maps."""
        super().__init__(classes)
        self.adapters = nn.ModuleList(nn.Conv2d(self.channels, told, 1) for _ in STRIDES)


class SegmenterNet(nn.Module):
    """Class logits at a quarter of the input size."""

    def __init__(
        self, classes: int, widths: Sequence[int] = WIDTHS, depths: Sequence[int] = DEPTHS, channels: int = 48
    ) -> None:
        super().__init__()
        self.classes = classes
        self.trunk = Trunk(widths, depths)
        self.context = nn.Conv2d(widths[-1], widths[-1], 1)
        nn.init.zeros_(self.context.weight)
        self.fusion = Fusion(widths[2:], channels)
        self.fine = ConvUnit(widths[1], 24, 1)
        self.coarse = ConvUnit(channels, 24, 1)
        self.join = ConvUnit(24, 24)
        self.logits = nn.Conv2d(24, classes, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map N x 3 x H x W uint8 to N x classes x H/4 x W/4 logits."""
        fine, *maps = self.trunk(pixels)
        # Every place gets a summary of the whole picture: from close by, a wall at a shoulder looks like a coat.
        maps[-1] = maps[-1] + self.context(maps[-1].mean((2, 3), keepdim=True))
        coarse = self.coarse(self.fusion(maps)[0])
        out: Tensor = self.logits(self.join(self.fine(fine) + double(coarse)))
        return out
