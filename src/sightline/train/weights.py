"""Weights that a new network begins with: another run's checkpoint, or an ONNX file that ``sightline train`` wrote."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sightline import profiles
from sightline.core.errors import ConfigError
from sightline.models._labels import parse_names
from sightline.train.nets import CLASS_LAYERS, ConvUnit
from sightline.train.records import Task
from sightline.zoo.foreign import check_foreign

SHIPPED: Mapping[Task, str] = {"detect": "nano", "segment": "person"}
"""The model in the package that a run begins with unless told otherwise."""
COUNTER = "num_batches_tracked"
"""A tensor of every normalisation that says nothing here."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A trained network's tensors by name, and its classes."""

    source: str
    """What they were asked for by: a name or a path."""
    tensors: Mapping[str, Tensor]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Borrowed:
    """What a network took from others' weights."""

    tensors: int
    """Number of tensors that were taken."""
    of: int
    """Number of tensors that the network has."""
    classes: tuple[str, ...]
    """Classes that both know, whose rows of the last layer were taken."""
    norms: tuple[nn.BatchNorm2d, ...]
    """Normalisations that the export had folded away, and that only add a bias now: see ``calibrate``."""

    def __str__(self) -> str:
        known = f"{', '.join(self.classes[:5])}{' ...' if len(self.classes) > 5 else ''}" or "none"
        return f"{self.tensors} of {self.of} tensors taken; classes that it knows already: {known}"


def find(source: str, task: Task) -> Weights | None:
    """Weights by the name of a model in the package, or a path; ``auto`` is the task's own, ``none`` gives None.

    Raises ConfigError or ModelError for anything else.
    """
    if source == "none":
        return None
    if source == "auto":
        source = SHIPPED[task]
    path = profiles.shipped().get(source, Path(source))
    if not path.is_file():
        named = ", ".join(["auto", "none", *profiles.shipped()])
        raise ConfigError(f"--start-from {source}: no such file; expected a checkpoint.pt, an ONNX file, or {named}")
    if path.suffix.lower() == ".onnx":
        return _exported(source, path)
    state = load_checkpoint(path)
    return Weights(source, state["average"], tuple(state["classes"]))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint. Raises ConfigError if there is none."""
    if not path.is_file():
        raise ConfigError(f"no checkpoint at {path}")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError):
        state = None
    if not isinstance(state, dict) or not {"average", "classes"} <= state.keys():
        raise ConfigError(f"{path} is no checkpoint of a run: expected its checkpoint.pt")
    return state


def _exported(source: str, path: Path) -> Weights:
    """Tensors that ``export`` wrote: named as the network's after ``net.``, as floats or as integers with scales."""
    import onnx

    check_foreign(path)
    model = onnx.load(path, load_external_data=False)
    about = {entry.key: entry.value for entry in model.metadata_props}
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in held:
            whole, scale = (held[name].astype(np.float32) for name in node.input[:2])
            name = node.input[0].removesuffix("_quantized")
            held[name] = whole * scale.reshape(-1, *[1] * (whole.ndim - 1))
    tensors = {
        name.removeprefix("net."): torch.from_numpy(values.astype(np.float32))
        for name, values in held.items()
        if name.startswith("net.") and name.endswith((".weight", ".bias")) and values.dtype.kind == "f"
    }
    if not {"sightline", "names"} <= about.keys() or not tensors:
        raise ConfigError(f"--start-from {source}: expected an ONNX file that sightline train wrote; this is another's")
    return Weights(source, tensors, parse_names(about["names"], path))


def borrow(net: nn.Module, weights: Weights, classes: Sequence[str]) -> Borrowed:
    """Copy the tensors whose names and shapes agree into a new network, and of the last layer the rows of its classes.

    The rest stays as it is. Raises ConfigError if nothing agrees.
    """
    theirs, folded = _unfolded(weights.tensors, net)
    mine = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith(COUNTER)}
    # A normalisation belongs to the convolution before it, and is worth nothing after another.
    apart = tuple(
        f"{name}." for name, unit in net.named_modules()
        if isinstance(unit, ConvUnit) and not _agree(mine[f"{name}.0.weight"], theirs.get(f"{name}.0.weight"))
    )  # fmt: skip
    rows = _common(classes, weights.classes)
    taken: set[str] = set()
    for name, tensor in mine.items():
        other = theirs.get(name)
        if other is None or name.startswith(apart):
            continue
        if name.startswith(CLASS_LAYERS):
            if rows and other.shape == (len(weights.classes), *tensor.shape[1:]):
                tensor[list(rows)] = other[list(rows.values())].to(tensor)
                taken.add(name)
        elif _agree(tensor, other):
            tensor.copy_(other)
            taken.add(name)
    if not taken:
        raise ConfigError(f"--start-from {weights.source}: none of its tensors fits this network")
    norms = tuple(norm for name, norm in folded.items() if not f"{name}.".startswith(apart))
    known = tuple(classes[i] for i in rows) if any(name.startswith(CLASS_LAYERS) for name in taken) else ()
    return Borrowed(len(taken), len(mine), known, norms)


def _agree(mine: Tensor, theirs: Tensor | None) -> bool:
    return theirs is not None and mine.shape == theirs.shape


def _common(mine: Sequence[str], theirs: Sequence[str]) -> dict[int, int]:
    """For each of my classes that they have too, by its name: my row and theirs."""
    row = {name.strip().casefold(): i for i, name in enumerate(theirs)}
    found = ((i, row.get(name.strip().casefold())) for i, name in enumerate(mine))
    return {i: other for i, other in found if other is not None}


def _unfolded(tensors: Mapping[str, Tensor], net: nn.Module) -> tuple[dict[str, Tensor], dict[str, nn.BatchNorm2d]]:
    """Tensors under the network's own names, and by unit the normalisations that the export had folded away.

    The bias of such a unit's convolution becomes that of its normalisation, which does nothing else.
    """
    out, folded = dict(tensors), {}
    for name, unit in net.named_modules():
        if isinstance(unit, ConvUnit) and f"{name}.0.bias" in out:
            bias, norm = out.pop(f"{name}.0.bias"), unit[1]
            assert isinstance(norm, nn.BatchNorm2d)
            out[f"{name}.1.weight"] = torch.ones_like(bias)
            out[f"{name}.1.bias"] = bias
            out[f"{name}.1.running_mean"] = torch.zeros_like(bias)
            out[f"{name}.1.running_var"] = torch.full_like(bias, 1 - norm.eps)
            folded[name] = norm
    return out, folded


def calibrate(norms: Sequence[nn.BatchNorm2d], net: nn.Module, pictures: Iterable[Tensor]) -> None:
    """Give normalisations that only add a bias the mean and variance that pictures N x 3 x H x W have there.

    Their scale and bias change with them, so that the network says what it said. Without this the first step of a
    training, which normalises by the mean and variance of its own batch, would begin with another network.
    """
    if not norms:
        return
    means: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}
    squares: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def note(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        means[norm].append(inputs[0].mean((0, 2, 3)))
        squares[norm].append(inputs[0].square().mean((0, 2, 3)))

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    net.eval()
    with torch.no_grad():
        for pixels in pictures:
            net(pixels)
        for norm in norms:
            mean = torch.stack(means[norm]).mean(0)
            variance = (torch.stack(squares[norm]).mean(0) - mean.square()).clamp(min=0)
            norm.running_mean, norm.running_var = mean, variance
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)
    for hook in hooks:
        hook.remove()
