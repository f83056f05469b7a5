"""ONNX Runtime: runs any ONNX file, on the processor or an NVIDIA card."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.engines.base import check_file, cores, reason, spec_of
from sightline.errors import ConfigError, ModelError
from sightline.types import TensorSpec

_QUIET = 4  # what goes wrong is raised; the log would only repeat it on stderr
_DTYPES = {"float": "float32", "double": "float64"}


_CUDA = "CUDAExecutionProvider"
_CUDA_INSTALL = "run: pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"


def available(device: str = "cpu") -> str | None:
    """None where ONNX Runtime is installed, for CUDA if ``device`` asks for that, else what to do."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "ONNX Runtime is not installed; run: pip install onnxruntime"
    if device != "cpu" and not _knows_cuda():
        return f"the installed ONNX Runtime knows no CUDA, which {device} needs; {_CUDA_INSTALL}"
    return None


def devices() -> list[str]:
    """``cpu``, and ``cuda:0`` where the installed ONNX Runtime is one for NVIDIA cards."""
    return ["cpu", "cuda:0"] if _knows_cuda() else ["cpu"]


def open(path: Path, *, device: str = "cpu", threads: int | None = None) -> OnnxEngine:
    """Load a graph. ``threads``: of the processor, by default one per core."""
    check_file(path)
    missing = available(device)
    if missing is not None:
        raise ConfigError(f"engine 'onnx': {missing}")
    return OnnxEngine(path, device, threads or cores())


class OnnxEngine:
    """One session of ONNX Runtime."""

    name = "onnx"

    def __init__(self, path: Path, device: str, threads: int) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        # Threads that spin while they wait take whole cores from decoding and from other models.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.device = device
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=_providers(device))
        except (errors.Fail, errors.InvalidProtobuf, errors.InvalidGraph, errors.InvalidArgument) as e:
            raise ModelError(f"{path}: ONNX Runtime can't read it; expected an ONNX file ({reason(e)})") from e
        except (errors.NotImplemented, errors.RuntimeException) as e:
            raise ModelError(f"{path}: ONNX Runtime can't run it on {device} ({reason(e)})") from e
        if device != "cpu" and _CUDA not in session.get_providers():
            raise ConfigError(
                f"device {device!r}: ONNX Runtime could not start CUDA on it, see nvidia-smi; "
                f"if its CUDA libraries are missing, {_CUDA_INSTALL}"
            )
        session.disable_fallback()  # a failing card must not turn into a slow processor unseen
        self._session: Any = session
        self._failures = (errors.Fail, errors.InvalidArgument, errors.RuntimeException, errors.NotImplemented)
        self.inputs: Mapping[str, TensorSpec] = {i.name: _spec(i) for i in session.get_inputs()}
        self.outputs: Mapping[str, TensorSpec] = {o.name: _spec(o) for o in session.get_outputs()}
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See Engine."""
        if self._session is None:
            raise ModelError("the engine is closed")
        try:
            return dict(zip(self.outputs, self._session.run(None, dict(feeds)), strict=True))
        except (*self._failures, ValueError) as e:
            raise ModelError(f"ONNX Runtime failed on {_shapes(feeds)}: {reason(e)}") from e

    def close(self) -> None:
        """See Engine."""
        self._session = None


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):  # since 1.21: the CUDA libraries that pip installed
        onnxruntime.preload_dlls()
    return [(_CUDA, {"device_id": device.removeprefix("cuda:")}), "CPUExecutionProvider"]


def _knows_cuda() -> bool:
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def _spec(node: Any) -> TensorSpec:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return spec_of(node.name, node.shape, _DTYPES.get(kind, kind))


def _shapes(feeds: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {np.shape(value)}" for name, value in feeds.items())
