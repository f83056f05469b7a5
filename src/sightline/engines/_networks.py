"""Networks of the profiles as PyTorch modules, loaded from files of weights, with the outputs of a model family.

A network takes pictures as bytes, N x 3 x H x W, and scales them itself, so that an export needs no mean and no
standard deviation. The outputs for the family semantic are ``logits``, N x classes x h x w, or ``classes``,
N x H x W. Those for rtdetr and rfdetr are ``logits`` and ``pred_boxes``, and ``pred_masks`` if the network has masks.
Sources: https://docs.pytorch.org/vision/stable/models.html, https://huggingface.co/docs/transformers
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sightline.core.errors import ConfigError, ModelError
from sightline.engines._reading import INSTALL, numbers, read_json, read_tensors
from sightline.engines.base import reason

UNUSED = re.compile(
    r"(.*\.)?(num_batches_tracked|relative_position_index|attn_mask|position_ids|empty_weight|anchors|valid_mask)"
)
"""Tensors that older versions of the libraries stored beside the weights and newer ones compute."""
CODE = ("auto_map", "attn_implementation", "_attn_implementation", "quantization_config")
"""Keys of a config.json that could make transformers fetch or run code."""
MASKS_AT = (384, 384)
"""Size at which transformers multiplies Mask2Former's masks with its classes, for inputs of any size."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A kind of network: how it is built, wrapped and exported."""

    build: Callable[[dict[str, Tensor], Mapping[str, Any], str], nn.Module]
    """Builds the network from its tensors, its config and its name in the library."""
    wrap: Callable[..., TorchNetwork]
    open_sides: bool = True
    """Whether an exported graph takes inputs of any size."""
    any_side: bool = True
    """Whether the network itself takes inputs of any size."""


class TorchNetwork(nn.Module):
    """A network that takes bytes and computes its own input as (byte * scale - mean) / std."""

    outputs: Mapping[str, int]
    """Number of dimensions of each output, by name."""
    net: Any
    factor: Tensor
    shift: Tensor

    def __init__(self, net: nn.Module, scale: float, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("factor", (scale / torch.tensor(std, dtype=torch.float32)).reshape(1, 3, 1, 1), False)
        shift = torch.tensor(mean, dtype=torch.float32) / torch.tensor(std, dtype=torch.float32)
        self.register_buffer("shift", shift.reshape(1, 3, 1, 1), False)
        self.dtype = torch.float32

    def to_precision(self, dtype: torch.dtype) -> None:
        """Make the network compute in ``dtype``; the bytes are still scaled in float32."""
        self.net.to(dtype)
        self.dtype = dtype

    def scaled(self, images: Tensor) -> Tensor:
        """Scale the bytes to the network's own input."""
        return (images.float() * self.factor - self.shift).to(self.dtype)


class SemanticNetwork(TorchNetwork):
    """Semantic segmentation. Gives logits at the network's own, lower resolution, or, if ``whole``, class ids at the
    input's size."""

    outputs = {"logits": 4}
    whole = False

    def classes_only(self) -> None:
        """Give class ids at the input's size instead. On a card this saves copying all logits from it."""
        self.whole = True
        self.outputs = {"classes": 3}

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits of the scaled pictures, N x classes x h x w."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Run the network; the module's docstring describes its outputs."""
        made = self.logits(self.scaled(images))
        if not self.whole:
            return made
        made = functional.interpolate(made, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return made.argmax(1).to(torch.uint8)


class DeepLab(SemanticNetwork):
    """torchvision's DeepLab without its final upsampling."""

    def logits(self, pixels: Tensor) -> Tensor:
        """See SemanticNetwork."""
        made: Tensor = self.net.classifier(self.net.backbone(pixels)["out"])
        return made


class SegFormer(SemanticNetwork):
    """SegFormer, whose logits have a quarter of the input's sides."""

    def logits(self, pixels: Tensor) -> Tensor:
        """See SemanticNetwork."""
        made: Tensor = self.net(pixel_values=pixels).logits
        return made


class Mask2Former(SemanticNetwork):
    """Mask2Former, whose masks and their classes become pixels' classes.

    Always whole, because 384 x 384 logits for each class are too many to copy.
    """

    outputs = {"classes": 3}
    whole = True

    def logits(self, pixels: Tensor) -> Tensor:
        """See SemanticNetwork. A mask counts for each class with the probability of that class; "none" is left out."""
        made = self.net(pixel_values=pixels)
        masks = functional.interpolate(made.masks_queries_logits, size=MASKS_AT, mode="bilinear", align_corners=False)
        classes = made.class_queries_logits.softmax(-1)[..., :-1]
        n, queries, height, width = masks.shape
        flat: Tensor = classes.transpose(1, 2) @ masks.sigmoid().reshape(n, queries, height * width)
        return flat.reshape(n, -1, height, width)


class Detr(TorchNetwork):
    """Detection transformer: boxes as shares of the input, and a logit for each class."""

    outputs = {"logits": 3, "pred_boxes": 3}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network; the module's docstring describes its outputs."""
        made = self.net(pixel_values=self.scaled(images))
        return tuple(made[name] for name in self.outputs)


class MaskedDetr(Detr):
    """Detection transformer that also gives a mask for each box."""

    outputs = {"logits": 3, "pred_boxes": 3, "pred_masks": 4}


@functools.cache
def torchvision_fault() -> str | None:
    """Reason why torchvision can't be imported; None if it can be, or is not installed.

    One whose compiled part is for another PyTorch is hidden from then on, because transformers imports it wherever it
    finds one, and needs none for these networks.
    """
    if importlib.util.find_spec("torchvision") is None:
        return None
    try:
        importlib.import_module("torchvision.models.segmentation")
    except (ImportError, RuntimeError, AttributeError, OSError) as e:
        sys.modules["torchvision"] = None  # type: ignore[assignment]
        known = sys.modules.get("transformers.utils.import_utils")
        getattr(getattr(known, "is_torchvision_available", None), "cache_clear", int)()
        return reason(e)
    return None


def libraries(name: str) -> None:
    """Import the libraries of an architecture. Raises ConfigError, which says what to do, if that fails."""
    library = name.partition(".")[0]
    fault = torchvision_fault()
    if library == "torchvision":
        if fault is not None:
            raise ConfigError(
                f"the installed torchvision does not fit PyTorch {torch.__version__} ({fault}), so that {name} can't "
                "be built; pytorch.org/get-started names pairs that fit, or run: "
                "pip install --upgrade torch torchvision"
            )
        if importlib.util.find_spec("torchvision") is None:
            raise ConfigError(f"{name} needs torchvision, which is not installed; {INSTALL}")
    if library == "transformers":
        try:
            getattr(importlib.import_module("transformers"), name.partition(".")[2])
        except ModuleNotFoundError as e:
            raise ConfigError(f"{name} needs transformers, which can't be imported ({reason(e)}); {INSTALL}") from e
        except AttributeError as e:
            raise ConfigError(f"the installed transformers has no {name}: it is too old; {INSTALL}") from e
        except (ImportError, RuntimeError, OSError) as e:
            raise ConfigError(f"{name}: transformers can't be imported ({reason(e)}); {INSTALL}") from e


def load(
    path: Path, words: Mapping[str, str], config: Mapping[str, Any] | None = None
) -> tuple[TorchNetwork, Architecture, Mapping[str, Any]]:
    """Load the network of a file of weights, with its architecture and its config. Raises ModelError or ConfigError.

    ``words`` are from its card: ``architecture``, a name in ARCHITECTURES, and ``scale``, ``mean`` and ``std``; without
    these pixels become 0 to 1. ``config`` is used if no config.json lies beside the file.
    """
    name = words.get("architecture", "")
    if name not in ARCHITECTURES:
        raise ModelError(
            f"{path}: its card calls its architecture {name[:80]!r}; expected one of {', '.join(ARCHITECTURES)}"
        )
    architecture = ARCHITECTURES[name]
    libraries(name)
    tensors = read_tensors(path)
    config = read_json(path.parent / "config.json") or config or {}
    (scale,) = numbers(path, words, "scale", [1 / 255])
    mean, std = numbers(path, words, "mean", [0.0] * 3), numbers(path, words, "std", [1.0] * 3)
    try:
        net = architecture.build(tensors, config, name.partition(".")[2])
    except Mismatch as e:
        raise ModelError(f"{path}: its tensors are not those of {name}: {e}") from e
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError) as e:
        raise ModelError(f"{path}: {name} can't be built from it and its config.json ({reason(e)})") from e
    wrapped = architecture.wrap(net.eval().requires_grad_(False), scale, mean, std)
    return wrapped.eval(), architecture, config


class Mismatch(Exception):
    """Error for a file whose tensors are not those of the network."""

    def __init__(self, missing: Any, unexpected: Any, other: Any = ()) -> None:
        kinds = {"missing": missing, "not expected": unexpected, "of another shape": other}
        super().__init__("; ".join(f"{len(names)} {kind} ({_few(names)})" for kind, names in kinds.items() if names))


def _few(names: Any) -> str:
    return ", ".join(sorted(map(str, names))[:3]) + (", ..." if len(names) > 3 else "")


def _torchvision(tensors: dict[str, Tensor], config: Mapping[str, Any], name: str) -> nn.Module:
    from torchvision.models import segmentation

    # The auxiliary head serves training only.
    tensors = {key: value for key, value in tensors.items() if not key.startswith("aux_classifier.")}
    last = tensors.get("classifier.4.weight")
    if last is None:
        raise Mismatch(["classifier.4.weight"], [])
    net: nn.Module = getattr(segmentation, name)(
        weights=None, weights_backbone=None, num_classes=len(last), aux_loss=False
    )
    own = net.state_dict()
    wrong = [key for key, value in tensors.items() if key in own and own[key].shape != value.shape]
    _check(own.keys() - tensors.keys(), tensors.keys() - own.keys(), wrong)
    net.load_state_dict(tensors, strict=False)
    return net


def _transformers(tensors: dict[str, Tensor], config: Mapping[str, Any], name: str) -> nn.Module:
    import transformers

    kind = getattr(transformers, name)
    if not config:
        raise ModelError(f"transformers.{name} needs the file config.json beside its weights")
    with offline(), quiet():
        settings = kind.config_class.from_dict({key: value for key, value in config.items() if key not in CODE})
        net, said = kind.from_pretrained(
            None,
            config=settings,
            state_dict=tensors,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported below, like all other differences
        )
    wrong = [one[0] if isinstance(one, tuple) else one for one in said.get("mismatched_keys", ())]
    _check(said["missing_keys"], said["unexpected_keys"], wrong)
    loaded: nn.Module = net
    return loaded


def _check(missing: Any, unexpected: Any, other: Any) -> None:
    missing, unexpected = ([name for name in names if not UNUSED.fullmatch(name)] for names in (missing, unexpected))
    if missing or unexpected or other:
        raise Mismatch(missing, unexpected, other)


@contextmanager
def offline() -> Iterator[None]:
    """Keep transformers from fetching anything meanwhile, whatever a config names."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress transformers' progress bars and reports; errors are still raised."""
    from transformers.utils import logging as said

    level, bars = said.get_verbosity(), said.is_progress_bar_enabled()
    said.set_verbosity(logging.CRITICAL)
    said.disable_progress_bar()
    try:
        yield
    finally:
        said.set_verbosity(level)
        if bars:
            said.enable_progress_bar()


def side_of(words: Mapping[str, str], config: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width that the network is made for, from its card's ``imgsz`` or its config; None if unknown."""
    told = [int(number) for number in re.findall(r"\d+", words.get("imgsz", "")[:100])]
    backbone = config.get("backbone_config")
    if not told and isinstance(backbone, Mapping) and isinstance(backbone.get("image_size"), int):
        told = [backbone["image_size"]]
    return (told[0], told[-1]) if 1 <= len(told) <= 2 else None


ARCHITECTURES: Mapping[str, Architecture] = {
    "torchvision.deeplabv3_mobilenet_v3_large": Architecture(_torchvision, DeepLab),
    "torchvision.deeplabv3_resnet50": Architecture(_torchvision, DeepLab),
    "transformers.SegformerForSemanticSegmentation": Architecture(_transformers, SegFormer),
    "transformers.Mask2FormerForUniversalSegmentation": Architecture(_transformers, Mask2Former, open_sides=False),
    "transformers.RTDetrForObjectDetection": Architecture(_transformers, Detr),
    "transformers.RTDetrV2ForObjectDetection": Architecture(_transformers, Detr),
    "transformers.DFineForObjectDetection": Architecture(_transformers, Detr),
    "transformers.RfDetrForObjectDetection": Architecture(_transformers, Detr, open_sides=False, any_side=False),
    "transformers.RfDetrForInstanceSegmentation": Architecture(
        _transformers, MaskedDetr, open_sides=False, any_side=False
    ),
}
