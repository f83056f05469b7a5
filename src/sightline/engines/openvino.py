"""OpenVINO: runs most ONNX files faster on x86 processors (in bfloat16 if the processor has it).

Each instance has one request, and OpenVINO's own streams are not used. Two instances and two streams have the same
throughput and cost the same CPU time per frame (``bench/RESULTS.md``), and instances work alike for all engines.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sightline.core.errors import ConfigError, ModelError
from sightline.core.install import install_command
from sightline.core.types import TensorSpec
from sightline.engines.base import check_file, check_precision, cores, has_graph, readable, reason, spec_of

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def available(device: str = "cpu") -> str | None:
    """None if OpenVINO is installed and ``device`` is the processor; else what to do."""
    if device != "cpu":
        return f"it runs on cpu, not on {device}; use the engine onnx for that"
    if importlib.util.find_spec("openvino") is None:
        return f"OpenVINO is not installed; run: {install_command('openvino')}"
    return None


def devices() -> list[str]:
    """Only ``cpu``."""
    return ["cpu"]


def precisions(device: str = "cpu") -> list[str]:
    """fp32, and bf16 and fp16 if the processor has them. OpenVINO would silently replace any other precision."""
    able = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name in _HINTS if name.upper() in able]


def open(
    path: Path, *, device: str = "cpu", threads: int | None = None, precision: str = "auto", cache: Path | None = None
) -> OpenVinoEngine:
    """Load a graph. ``threads`` are one per core by default. ``cache`` keeps compiled graphs, which load faster.

    Raises ModelError or ConfigError.
    """
    check_file(path)
    missing = available(device)
    if missing is not None:
        raise ConfigError(f"engine 'openvino': {missing}")
    check_precision("openvino", device, precision, precisions())
    return OpenVinoEngine(path, threads or cores(), precision, cache)


class OpenVinoEngine:
    """One compiled model and its only request."""

    name = "openvino"
    device = "cpu"

    def __init__(self, path: Path, threads: int, precision: str, cache: Path | None) -> None:
        openvino = _openvino()
        from openvino import frontend

        failures = (
            frontend.GeneralFailure,
            frontend.InitializationFailure,
            frontend.NotImplementedFailure,
            frontend.OpConversionFailure,
            frontend.OpValidationFailure,
            RuntimeError,
            ValueError,
        )
        try:
            model = _read(openvino, path)
        except failures as e:
            raise ModelError(f"{path}: OpenVINO can't read it; expected an ONNX file ({reason(e)})") from e
        # With pinning, the default, the first thread of every model and instance would run on the first core.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        if precision != "auto":
            options["INFERENCE_PRECISION_HINT"] = _HINTS[precision]
        if cache is not None:
            options["CACHE_DIR"] = str(cache / "openvino")
        try:
            compiled = openvino.Core().compile_model(model, "CPU", options)
        except RuntimeError as e:
            raise ModelError(f"{path}: OpenVINO can't run it ({reason(e)})") from e
        used = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = next(name for name, hint in _HINTS.items() if hint == used)
        self._request: Any = compiled.create_infer_request()
        with readable(path):
            self.inputs: Mapping[str, TensorSpec] = _specs(model.inputs, compiled.inputs)
            self.outputs: Mapping[str, TensorSpec] = _specs(model.outputs, compiled.outputs)
            self.metadata: Mapping[str, str] = _metadata(model)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See Engine."""
        if self._request is None:
            raise ModelError("the engine is closed")
        try:
            # Neither inputs nor outputs are copied, which is why outputs are valid only until the next run.
            made = self._request.infer(dict(feeds), share_inputs=True, share_outputs=True)
        except (RuntimeError, TypeError, ValueError, KeyError) as e:
            shapes = ", ".join(f"{name} {value.shape}" for name, value in feeds.items())
            raise ModelError(f"OpenVINO failed on {shapes}: {reason(e)}") from e
        return dict(zip(self.outputs, made.values(), strict=True))

    def close(self) -> None:
        """See Engine."""
        self._request = None


def _openvino() -> Any:
    # OpenVINO's telemetry sends usage figures from a forked process unless the user has opted out. Without that package
    # OpenVINO uses a stub that sends nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _read(openvino: Any, path: Path) -> Any:
    """Read a model by the way that fits the file.

    Core.read_model releases the interpreter's lock, while the ONNX reader by itself holds it, 340 ms for 176 MB. But
    for a file that is not ONNX, Core.read_model tries all readers, which write to stderr.
    """
    if has_graph(path):
        return openvino.Core().read_model(str(path))
    reader = openvino.frontend.FrontEndManager().load_by_framework("onnx")
    return reader.convert(reader.load(str(path)))


def _specs(named: Any, ports: Any) -> dict[str, TensorSpec]:
    """Specs by the names in the file; a compiled port may have names of inner tensors as well."""
    names = [port.any_name for port in named]
    return {name: _spec(name, port) for name, port in zip(names, ports, strict=True)}


def _spec(name: str, port: Any) -> TensorSpec:
    dims = [d.get_length() if d.is_static else None for d in port.partial_shape]
    return spec_of(name, dims, port.element_type.to_dtype())


def _metadata(model: Any) -> dict[str, str]:
    """Metadata of an ONNX file, which OpenVINO keeps under ``framework``."""
    info = model.get_rt_info()
    if "framework" not in info:
        return {}
    pairs = getattr(info["framework"], "value", info["framework"])
    return {key: str(getattr(value, "value", value)) for key, value in pairs.items()}
