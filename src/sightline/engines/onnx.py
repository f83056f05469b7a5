"""ONNX Runtime: runs any ONNX file, on the processor or an NVIDIA card."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.engines.base import check_file, cores, spec_of
from sightline.errors import ConfigError, ModelError
from sightline.types import TensorSpec

_QUIET = 4  # what goes wrong is raised; the log would only repeat it on stderr
_DTYPES = {"float": "float32", "double": "float64"}


def available() -> str | None:
    """None where ONNX Runtime is installed, else what to do."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "ONNX Runtime is not installed; run: pip install onnxruntime"
    return None


def devices() -> list[str]:
    """``cpu``, and ``cuda:0`` where the installed ONNX Runtime is one for NVIDIA cards."""
    import onnxruntime

    return ["cpu", "cuda:0"] if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else ["cpu"]


def open(path: Path, *, device: str = "cpu", threads: int | None = None) -> OnnxEngine:
    """Load a graph. ``threads``: of the processor, by default one per core."""
    check_file(path)
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
            raise ModelError(f"{path}: not a graph that ONNX Runtime can read; expected an ONNX file ({e})") from e
        except (errors.NotImplemented, errors.RuntimeException) as e:
            raise ModelError(f"{path}: ONNX Runtime can't run it on {device} ({e})") from e
        if device != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
            raise ConfigError(f"device {device!r}: ONNX Runtime could not start CUDA. {_CUDA_HINT}")
        session.disable_fallback()
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
            raise ModelError(f"ONNX Runtime failed on {_shapes(feeds)}: {e}") from e

    def close(self) -> None:
        """See Engine."""
        self._session = None


_CUDA_HINT = (
    "Expected an NVIDIA driver and ONNX Runtime for CUDA; run: "
    "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
)


def _providers(device: str) -> list[Any]:
    import onnxruntime

    if device == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ConfigError(f"device {device!r}: the installed ONNX Runtime knows no CUDA. {_CUDA_HINT}")
    onnxruntime.preload_dlls()  # those that pip installed beside it
    return [("CUDAExecutionProvider", {"device_id": device.removeprefix("cuda:")}), "CPUExecutionProvider"]


def _spec(node: Any) -> TensorSpec:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return spec_of(node.name, node.shape, _DTYPES.get(kind, kind))


def _shapes(feeds: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {np.shape(value)}" for name, value in feeds.items())
