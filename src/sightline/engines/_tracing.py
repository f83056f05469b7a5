"""Export of a PyTorch network to an ONNX file that ONNX Runtime and OpenVINO run.

Networks are traced: of PyTorch's two exporters, only this one takes all these networks. The newer one lacks an operator
that RT-DETR uses, and needs another package, and minutes for Mask2Former.
Source: https://docs.pytorch.org/docs/stable/onnx_export.html
"""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.errors import ModelError
from sightline.engines._networks import TorchNetwork
from sightline.engines.base import reason

OPSET = 17


def trace(network: TorchNetwork, path: Path, size: tuple[int, int], *, open_sides: bool) -> None:
    """Write ``network`` to ``path``, for any batch, and for any height and width if ``open_sides``. Raises ModelError.

    ``size`` is height and width of the traced input. The network must not be used for other sizes afterwards.
    """
    positions_for(network, *size)
    names = list(network.outputs)
    axes: dict[str, dict[int, str]] = {name: {0: "batch"} for name in ("images", *names)}
    if open_sides:
        axes["images"] |= {2: "height", 3: "width"}
    example = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about sizes that become constants, and about the newer exporter
            torch.onnx.export(
                network,
                (example,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=names,
                dynamic_axes=axes,
            )
    except (RuntimeError, TypeError, ValueError) as e:  # unknown operators are RuntimeErrors
        raise ModelError(f"PyTorch {torch.__version__} can't write it as ONNX ({reason(e)})") from e


def positions_for(net: nn.Module, height: int, width: int) -> None:
    """Make position embeddings traceable: DINOv2's for one size, Mask2Former's in float32 at any precision."""
    for module in net.modules():
        kind = type(module).__name__
        if kind == "RfDetrDinov2Embeddings":
            _keep(module, height, width)
        elif kind == "Mask2FormerSinePositionEmbedding":
            module.forward = functools.partial(_in_float32, module.forward)


def _keep(module: Any, height: int, width: int) -> None:
    """Scale the position embeddings now and keep them as constants, as ONNX lacks the operator that scales them."""
    tokens = 1 + (height // module.patch_size) * (width // module.patch_size)
    empty = torch.empty(1, tokens, module.position_embeddings.shape[-1])
    with torch.no_grad():
        positions = module.interpolate_pos_encoding(empty, height, width).clone()
    module.interpolate_pos_encoding = functools.partial(_kept, positions)


def _kept(positions: Tensor, embeddings: Tensor, height: int, width: int) -> Tensor:
    return positions.to(embeddings.dtype)


def _in_float32(forward: Any, shape: Any, device: Any, dtype: torch.dtype, mask: Tensor | None = None) -> Tensor:
    made: Tensor = forward(shape, device, torch.float32, mask)  # ONNX has no ranges of fp16
    return made.to(dtype)
