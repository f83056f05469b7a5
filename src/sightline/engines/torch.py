"""PyTorch: runs the networks of the profiles from their published weights, on the processor or an NVIDIA card.

On a card it computes in fp16, channels last, and gives class maps instead of logits. After an export to ONNX
(``sightline models export``) the same networks need no PyTorch, and are faster on processors.
Sources: https://docs.pytorch.org/docs/stable/notes/cuda.html,
https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ConfigError, ModelError
from sightline.core.install import install_command
from sightline.core.types import TensorSpec
from sightline.engines.base import check_file, check_precision, cores, reason
from sightline.profiles import Profile

READS = (".safetensors", ".pth", ".pt", ".bin")
"""Suffixes of files of weights; this engine reads no graphs."""


def available(device: str = "cpu") -> str | None:
    """None if PyTorch is installed, with CUDA if ``device`` needs it; else what to do."""
    if importlib.util.find_spec("torch") is None:
        return f"PyTorch is not installed; run: {install_command('torch')}"
    if device != "cpu" and device not in devices():
        return f"the installed PyTorch finds no CUDA, which {device} needs; see nvidia-smi and pytorch.org/get-started"
    return None


def devices() -> list[str]:
    """``cpu``, and the NVIDIA cards that PyTorch finds. PyTorch takes seconds to import, so only if there is a card."""
    if shutil.which("nvidia-smi") is None and not Path("/dev/nvidia0").exists():
        return ["cpu"]
    import torch

    return ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]


def lacking(*architectures: str) -> str | None:
    """Reason why these networks can't be built although PyTorch is installed; all kinds if none are named.

    Imports all that they need.
    """
    from sightline.engines import _networks as networks

    try:
        for name in architectures or ("transformers.RfDetrForObjectDetection", "torchvision.deeplabv3_resnet50"):
            networks.libraries(name)
    except ConfigError as e:
        return e.message
    return None


def precisions(device: str = "cpu") -> list[str]:
    """fp32 on the processor; on a card fp16, which is the default there, bf16 and fp32."""
    return ["fp32"] if device == "cpu" else ["fp16", "bf16", "fp32"]


def open(
    path: Path,
    *,
    device: str = "cpu",
    threads: int | None = None,
    precision: str = "auto",
    cache: Path | None = None,
    metadata: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    compiled: bool = False,
) -> TorchEngine:
    """Load a network from its weights: ``.safetensors``, or ``.pth``, ``.pt`` and ``.bin`` that hold only tensors.

    ``metadata`` has its card's keys, as in docs/models.md, and ``architecture``, a name such as
    torchvision.deeplabv3_resnet50. ``config`` is for a network of transformers without a config.json beside the file.
    ``compiled`` uses ``torch.compile``, which takes a minute at the first picture of each size. ``threads`` are the
    processor's; PyTorch has one number of them for all its networks. Raises ModelError or ConfigError.
    """
    check_file(path)
    if path.suffix.lower() not in READS:
        raise ModelError(f"{path}: the engine 'torch' reads weights, not graphs; expected a file {', '.join(READS)}")
    missing = available(device)
    if missing is not None:
        raise ConfigError(f"engine 'torch': {missing}")
    check_precision("torch", device, precision, precisions(device))
    return TorchEngine(path, device, threads or cores(), precision, metadata or {}, config or {}, compiled)


def open_profile(
    profile: Profile,
    path: Path,
    *,
    device: str = "cpu",
    threads: int | None = None,
    imgsz: int | None = None,
    precision: str = "auto",
    compiled: bool = False,
) -> TorchEngine:
    """Load the network of a profile from its weights in ``path``. ``imgsz`` replaces the card's input side."""
    words = profile.metadata() | {"architecture": profile.architecture}
    if imgsz is not None:
        words["imgsz"] = f"[{imgsz}, {imgsz}]"
    return open(
        path,
        device=device,
        threads=threads,
        precision=precision,
        metadata=words,
        config=profile.config,
        compiled=compiled,
    )


class TorchEngine:
    """One loaded network."""

    name = "torch"

    def __init__(
        self,
        path: Path,
        device: str,
        threads: int,
        precision: str,
        told: Mapping[str, str],
        config: Mapping[str, Any],
        compiled: bool,
    ) -> None:
        import torch

        from sightline.engines import _networks as networks

        self.device = device
        on_card = device != "cpu"
        self.precision = ("fp16" if on_card else "fp32") if precision == "auto" else precision
        self.metadata: Mapping[str, str] = dict(told)
        net, architecture, config = networks.load(path, self.metadata, config)
        if on_card and isinstance(net, networks.SemanticNetwork):
            net.classes_only()
        torch.set_num_threads(threads)
        try:
            net.to(device)
            net.to_precision({"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[self.precision])
            if on_card:
                net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        except RuntimeError as e:
            raise ModelError(f"{path}: PyTorch can't load it on {device} ({reason(e)})") from e
        floats = "float16" if self.precision == "fp16" else "float32"
        sides = None if architecture.any_side else networks.side_of(self.metadata, config)
        self.inputs: Mapping[str, TensorSpec] = {
            "images": TensorSpec("images", (None, 3, *(sides or (None, None))), "uint8")
        }
        self.outputs: Mapping[str, TensorSpec] = {
            name: TensorSpec(name, (None,) * dims, "uint8" if name == "classes" else floats)
            for name, dims in net.outputs.items()
        }
        self._net: Any = torch.compile(net) if compiled else net

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See Engine."""
        import torch

        if self._net is None:
            raise ModelError("the engine is closed")
        try:
            images = torch.from_numpy(np.ascontiguousarray(feeds["images"])).to(self.device)
            if self.device != "cpu":
                images = images.contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                made = self._net(images)
            made = made if isinstance(made, tuple) else (made,)
            return {name: _array(value) for name, value in zip(self.outputs, made, strict=True)}
        except (RuntimeError, ValueError, KeyError, TypeError) as e:  # running out of memory is a RuntimeError too
            shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in feeds.items())
            raise ModelError(f"PyTorch failed on {shapes}: {reason(e)}") from e

    def close(self) -> None:
        """See Engine."""
        if self._net is not None and self.device != "cpu":
            import torch

            self._net = None
            torch.cuda.empty_cache()
        self._net = None


def _array(value: Any) -> NDArray[Any]:
    import torch

    value = value.float() if value.dtype == torch.bfloat16 else value  # numpy has no bfloat16
    array: NDArray[Any] = value.cpu().numpy()
    return array
