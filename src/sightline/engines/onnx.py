"""ONNX Runtime: runs any ONNX file, on the processor or an NVIDIA card.

On a card CUDA runs the graph, which starts in seconds. For fp16 and bf16 TensorRT runs it, which takes minutes to build
its engine the first time and keeps it in the cache.
Sources: https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html,
https://onnxruntime.ai/docs/performance/tune-performance/iobinding.html
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.errors import ConfigError, ModelError
from sightline.core.types import TensorSpec
from sightline.engines.base import check_file, check_precision, cores, readable, reason, spec_of

_QUIET = 4  # errors are raised; the log would only repeat them on stderr
_DTYPES = {"float": "float32", "double": "float64"}

_ITS_OWN = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Exception during initialization: |Load model from .* failed:"
    r"|\S+\.(?:cc|h|cu):\d+ [^()]*\((?:[^()]|\([^()]*\))*\)(?: const)?(?: \[with .*?\])? "
)
"""What it says before what went wrong: a number, the file, and the place in its code."""
_OPSET = re.compile(
    r"ONNX Runtime only \*guarantees\*.*Opset (\d+) is under.*domain (\S+) is till opset (\d+)\.?", re.S
)
_CUDA = "CUDAExecutionProvider"
_TENSORRT = "TensorrtExecutionProvider"
_CUDA_INSTALL = "run: pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"


def available(device: str = "cpu") -> str | None:
    """None if ONNX Runtime is installed, with CUDA if ``device`` needs it; else what to do."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "ONNX Runtime is not installed; run: pip install onnxruntime"
    if device != "cpu" and _CUDA not in _known():
        return f"the installed ONNX Runtime knows no CUDA, which {device} needs; {_CUDA_INSTALL}"
    return None


def devices() -> list[str]:
    """``cpu``, and ``cuda:0`` if the installed ONNX Runtime is built for NVIDIA cards."""
    return ["cpu", "cuda:0"] if _CUDA in _known() else ["cpu"]


def precisions(device: str = "cpu") -> list[str]:
    """fp32, and on a card with TensorRT also fp16 and bf16. A file whose own numbers are fp16 or int8 keeps them."""
    return ["fp32", "bf16", "fp16"] if device != "cpu" and _TENSORRT in _known() else ["fp32"]


def open(
    path: Path, *, device: str = "cpu", threads: int | None = None, precision: str = "auto", cache: Path | None = None
) -> OnnxEngine:
    """Load a graph. ``threads`` of the processor are one per core by default. ``cache`` is for TensorRT's engines.

    Raises ModelError or ConfigError.
    """
    check_file(path)
    missing = available(device)
    if missing is not None:
        raise ConfigError(f"engine 'onnx': {missing}")
    check_precision("onnx", device, precision, precisions(device))
    return OnnxEngine(path, device, threads or cores(), precision, cache)


class OnnxEngine:
    """One session of ONNX Runtime."""

    name = "onnx"

    def __init__(self, path: Path, device: str, threads: int, precision: str, cache: Path | None) -> None:
        onnxruntime = _onnxruntime()
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        # Threads that spin while they wait take whole cores from decoding and from other models: twice the CPU time a
        # frame, and with other work on the cores half the frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.device = device
        self.precision = "fp32" if precision == "auto" else precision
        providers = _providers(path, device, self.precision, cache)
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except (errors.Fail, errors.InvalidProtobuf, errors.InvalidGraph, errors.InvalidArgument) as e:
            expected = f"expected an ONNX file that its version {onnxruntime.__version__} supports"
            raise ModelError(f"{path}: ONNX Runtime can't read it; {expected} ({_why(e)})") from e
        except (errors.NotImplemented, errors.RuntimeException) as e:
            raise ModelError(f"{path}: ONNX Runtime can't run it on {device} ({_why(e)})") from e
        _check_started([name for name, _ in providers], session.get_providers(), device)
        session.disable_fallback()  # a failing card must not turn into a slow processor unseen
        self._session: Any = session
        self._bound = None if device == "cpu" else Bound(session, "cuda", int(device.removeprefix("cuda:")))
        self._failures = (errors.Fail, errors.InvalidArgument, errors.RuntimeException, errors.NotImplemented)
        with readable(path):
            self.inputs: Mapping[str, TensorSpec] = {i.name: _spec(i) for i in session.get_inputs()}
            self.outputs: Mapping[str, TensorSpec] = {o.name: _spec(o) for o in session.get_outputs()}
            self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See Engine."""
        if self._session is None:
            raise ModelError("the engine is closed")
        try:
            made = self._session.run(None, dict(feeds)) if self._bound is None else self._bound.run(feeds)
            return dict(zip(self.outputs, made, strict=True))
        except (*self._failures, ValueError) as e:
            raise ModelError(f"ONNX Runtime failed on {_shapes(feeds)}: {_why(e)}") from e

    def close(self) -> None:
        """See Engine."""
        self._session = self._bound = None


class Bound:
    """A session whose inputs keep their memory on the card, so that no picture needs an allocation there."""

    def __init__(self, session: Any, kind: str, number: int) -> None:
        self._session = session
        self._device = (kind, number)
        self._binding = session.io_binding()
        self._places: dict[str, Any] = {}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph. Returns all outputs in the graph's order."""
        from onnxruntime import OrtValue

        for name, value in feeds.items():
            place = self._places.get(name)
            if place is not None and tuple(place.shape()) == value.shape:
                place.update_inplace(value)
            else:
                place = self._places[name] = OrtValue.ortvalue_from_numpy(value, *self._device)
            self._binding.bind_ortvalue_input(name, place)
        for output in self._session.get_outputs():
            self._binding.bind_output(output.name, *self._device)
        self._session.run_with_iobinding(self._binding)
        outputs: list[NDArray[Any]] = self._binding.copy_outputs_to_cpu()
        return outputs


def _providers(path: Path, device: str, precision: str, cache: Path | None) -> list[tuple[str, dict[str, Any]]]:
    """Execution providers and their options, most preferred first."""
    cpu: tuple[str, dict[str, Any]] = ("CPUExecutionProvider", {})
    if device == "cpu":
        return [cpu]
    onnxruntime = _onnxruntime()
    if hasattr(onnxruntime, "preload_dlls"):  # since 1.21; loads the CUDA libraries that pip installed
        onnxruntime.preload_dlls()
    number = device.removeprefix("cuda:")
    cuda = (_CUDA, {"device_id": number})
    if precision == "fp32":
        return [cuda, cpu]
    if importlib.util.find_spec("tensorrt"):
        importlib.import_module("tensorrt")  # loads the libraries that pip installed
    options: dict[str, Any] = {"device_id": number, f"trt_{precision}_enable": True}
    if cache is not None:
        # TensorRT's engines fit only one graph and one version, and their file names don't tell which.
        stat = path.stat()
        kept = cache / "tensorrt" / f"{onnxruntime.__version__}-{path.stem}-{stat.st_size}-{stat.st_mtime_ns}"
        kept.mkdir(parents=True, exist_ok=True)
        options |= {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(kept)}
        options |= {"trt_timing_cache_enable": True, "trt_timing_cache_path": str(kept.parent)}
    return [(_TENSORRT, options), cuda, cpu]


def _check_started(asked: list[str], started: list[str], device: str) -> None:
    """Raise ConfigError if ONNX Runtime has silently left out a provider that it could not start."""
    if _CUDA in asked and _CUDA not in started:
        raise ConfigError(
            f"device {device!r}: ONNX Runtime could not start CUDA on it, see nvidia-smi; "
            f"if its CUDA libraries are missing, {_CUDA_INSTALL}"
        )
    if _TENSORRT in asked and _TENSORRT not in started:
        raise ConfigError(
            f"device {device!r}: ONNX Runtime could not start TensorRT, which it needs for fp16 and bf16; "
            "run: pip install tensorrt (the version that ONNX Runtime's TensorRT page names), or leave precision out"
        )


def _known() -> list[str]:
    return list(_onnxruntime().get_available_providers())


def _onnxruntime() -> Any:
    # Since 1.29 ONNX Runtime reports to its maker which model runs and how fast, on Linux and macOS too, unless this is
    # set before the import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for older versions on Windows
    return onnxruntime


def _spec(node: Any) -> TensorSpec:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return spec_of(node.name, node.shape, _DTYPES.get(kind, kind))


def _shapes(feeds: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {np.shape(value)}" for name, value in feeds.items())


def _why(error: Exception) -> str:
    """What ONNX Runtime has against a graph, without where in its code that is."""
    said = _OPSET.sub(r"its opset for \2 is \1, expected at most \3", _ITS_OWN.sub("", str(error)))
    return reason(ModelError(said))
