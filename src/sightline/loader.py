"""From what a person names (``motion``, a path of an ONNX file) to a warm model.

Loading takes seconds and holds the interpreter's lock in places: do it off the serving path.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sightline.engines._choosing import choose
from sightline.engines.base import check_precision
from sightline.errors import ConfigError, ModelError
from sightline.registry import load, names
from sightline.types import Engine, ModelCard

if TYPE_CHECKING:  # loading a model needs OpenCV; naming one does not
    from sightline.models.base import Graph, Model

log = logging.getLogger(__name__)

MOST_THREADS = 256
DEFAULT_SIDE = 640
"""For a graph that takes any size and does not say which it was trained for."""


WEIGHTS = Path(__file__).parent / "weights"
"""Models of our own: ``NAME.onnx``, and its card ``NAME.json``."""


def list_models() -> list[ModelCard]:
    """The models that come with Sightline, by name."""
    shipped = [
        replace(msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=ModelCard), path=str(path))
        for path in _shipped().values()
    ]
    return sorted([load("models", name).builtin() for name in _builtin_names()] + shipped, key=lambda card: card.name)


def check_model(
    spec: str, *, engine: str = "auto", device: str = "cpu", family: str | None = None, precision: str = "auto"
) -> None:
    """Cheap checks before a server starts; loads nothing. Raises ConfigError."""
    name, _ = pick_engine(engine, device, precision)
    if precision != "auto" and spec not in _builtin_names():
        check_precision(name, device, precision, load("engines", name).precisions(device))
    _check_family(spec, family)
    if spec not in _builtin_names():
        _model_file(spec)


def load_model(
    spec: str,
    *,
    engine: str = "auto",
    device: str = "cpu",
    imgsz: int | None = None,
    confidence: float | None = None,
    threads: int | None = None,
    family: str | None = None,
    precision: str = "auto",
    cache: Path | None = None,
) -> Model:
    """A warm model: a built-in one by its name, or any supported ONNX file by its path.

    ``imgsz`` is the side of the input in pixels, for graphs that leave it open. ``threads`` are those of the engine.
    ``family`` says which kind of model a file is, where its graph and metadata leave that open. ``precision`` is what
    the engine computes in: auto, fp32, bf16 or fp16. ``cache`` is a folder in which engines keep what they compiled.
    Raises ConfigError for a wrong setting, ModelError for a file that can't be used.
    """
    if confidence is not None and not 0 <= confidence <= 1:
        raise ConfigError(f"confidence {confidence}: expected 0 to 1")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise ConfigError(f"threads {threads}: expected 1 to {MOST_THREADS}")
    pick_engine(engine, device, precision)
    _check_family(spec, family)
    model: Model
    if spec in _builtin_names():
        if imgsz is not None:
            raise ConfigError(f"imgsz {imgsz}: the built-in model {spec!r} has no input size to choose")
        model = load("models", spec).create()
    else:
        path = _model_file(spec)
        name, reason = pick_engine(engine, device, precision, path)
        opened: Engine = load("engines", name).open(
            path, device=device, threads=threads, precision=precision, cache=cache
        )
        log.info("engine %s on %s in %s: %s", name, device, opened.precision, reason)
        try:
            model = _build(path, opened, imgsz, family)
        except BaseException:
            opened.close()
            raise
        model.engine_reason = reason
    if confidence is not None:
        model.options = replace(model.options, confidence=confidence)
    model.warm_up()
    return model


def pick_engine(engine: str, device: str, precision: str = "auto", path: Path | None = None) -> tuple[str, str]:
    """The engine's name and, in a sentence, why it is this one: see ``choose``. Raises ConfigError.

    With ``path`` for that file: a quantized one is tried, which takes a second or two, once.
    """
    return choose(engine, device, precision, path)


def _builtin_names() -> list[str]:
    return [name for name in names("models") if hasattr(load("models", name), "builtin")]


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx"))}


def _model_file(spec: str) -> Path:
    path = _shipped().get(spec, Path(spec))
    if not path.is_file():
        raise ConfigError(
            f"model {spec!r}: no file of that path, and no built-in model; expected the path of an .onnx file "
            f"or one of: {', '.join(sorted([*_builtin_names(), *_shipped()]))}"
        )
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"model {spec!r}: expected an .onnx file; export the model to ONNX first")
    return path


def _families() -> dict[str, Any]:
    """The families that know graphs, by name."""
    modules = {name: load("models", name) for name in names("models")}
    return {name: module for name, module in modules.items() if hasattr(module, "recognise")}


def _check_family(spec: str, family: str | None) -> None:
    if family is None:
        return
    if family not in _families():
        raise ConfigError(f"family {family!r}: expected one of {', '.join(_families())}")
    if spec in _builtin_names():
        raise ConfigError(f"family {family!r}: the built-in model {spec!r} is of no family; leave family out")


def _build(path: Path, engine: Engine, imgsz: int | None, family: str | None) -> Model:
    """The model of the one family that recognises the graph."""
    families = _families()
    graph = _graph(path, engine, imgsz)
    if graph is not None and family is None and graph.metadata.get("family") in families:
        family = graph.metadata["family"]
    fitting = [] if graph is None else _fitting(graph, families, family)
    if graph is not None and len(fitting) == 1:
        model: Model = families[fitting[0]].build(graph, engine)
        log.info("%s: family %s, %dx%d", path.name, fitting[0], *graph.size)
        return model
    if fitting:
        raise ModelError(
            f"{path}: its graph fits several families ({', '.join(fitting)}), and its metadata does not say which it "
            f"is.\n{_listed(engine)}\nSay which: --family {' or --family '.join(fitting)}"
        )
    why = "is of no family that is supported" if family is None else f"does not fit the family {family}"
    expected = families if family is None else {family: families[family]}
    known = "".join(f"\n  {name}: {module.LAYOUTS}" for name, module in expected.items())
    raise ModelError(f"{path}: its graph {why}.\n{_listed(engine)}\nExpected one of:{known}")


def _fitting(graph: Graph, families: Mapping[str, Any], family: str | None) -> list[str]:
    """The families that the graph may be of; if one is said, that one where its shapes fit."""
    if family is None:
        return [name for name, module in families.items() if module.recognise(graph)]
    module = families[family]
    return [family] if getattr(module, "fits", module.recognise)(graph) else []


def _listed(engine: Engine) -> str:
    inputs, outputs = ("; ".join(map(str, specs.values())) for specs in (engine.inputs, engine.outputs))
    return f"Inputs: {inputs}\nOutputs: {outputs}"


def _graph(path: Path, engine: Engine, imgsz: int | None) -> Graph | None:
    """The graph with its open sides settled; None if it does not take one picture."""
    from sightline.models._beside import metadata_of
    from sightline.models.base import Graph

    pictures = [one for one in engine.inputs.values() if len(one.shape) == 4]
    others = [one for one in engine.inputs.values() if len(one.shape) != 4]
    if len(pictures) != 1 or len(others) > 1 or not all(one.shape[1:] == (2,) for one in others):
        return None
    spec = pictures[0]
    if spec.dtype not in ("float32", "float16", "uint8"):
        return None
    batch, first, second, third = spec.shape
    if 3 not in (first, third) or batch not in (None, 1):
        return None
    height, width = (second, third) if first == 3 else (first, second)
    metadata = metadata_of(path, engine.metadata)
    if width is not None and height is not None:
        if imgsz is not None and (width, height) != (imgsz, imgsz):
            raise ConfigError(f"imgsz {imgsz}: the input of {path.name} is fixed at {width}x{height}; leave imgsz out")
        size = width, height
    else:
        sides = _open_sides(path, imgsz, metadata)
        size = width or sides[0], height or sides[1]
    graph = Graph(path, spec, engine.outputs, metadata, size, others[0] if others else None)
    if not any(None in output.shape[1:] for output in engine.outputs.values()):
        return graph
    made = engine.run(graph.feeds(graph.buffer(1)))  # only a run tells
    outputs = {name: replace(output, shape=made[name].shape) for name, output in engine.outputs.items()}
    return replace(graph, outputs=outputs)


def _open_sides(path: Path, imgsz: int | None, metadata: Mapping[str, str]) -> tuple[int, int]:
    """Width and height for a graph that takes any: what was asked for, else what it was trained for, else 640."""
    if imgsz is not None:
        if not _sensible(imgsz):
            raise ConfigError(f"imgsz {imgsz}: expected a multiple of 32 from 64 to 2048")
        return imgsz, imgsz
    trained = [int(number) for number in re.findall(r"\d+", metadata.get("imgsz", "")[:100])] or [DEFAULT_SIDE]
    if len(trained) > 2 or not all(map(_sensible, trained)):
        raise ModelError(
            f"{path}: its metadata 'imgsz' is {metadata['imgsz'][:100]!r}; expected [height, width], multiples of 32 "
            "from 64 to 2048; say imgsz to overrule it"
        )
    return trained[-1], trained[0]


def _sensible(side: int) -> bool:
    return side % 32 == 0 and 64 <= side <= 2048
