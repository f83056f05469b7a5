"""From what a person names (``motion``, a path of an ONNX file) to a warm model.

Loading takes seconds and holds the interpreter's lock in places: do it off the serving path.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from sightline import profiles
from sightline.core.errors import FAULTS, ConfigError, ModelError, SightlineError, cancelled, told
from sightline.core.registry import load, plugins
from sightline.core.types import Engine
from sightline.engines._select import choose
from sightline.engines.base import check_precision
from sightline.profiles import WEIGHTS as WEIGHTS
from sightline.profiles import Profile
from sightline.zoo.catalogue import ModelFiles, builtin_names, card_of, find, lacks_torch, only_reader
from sightline.zoo.options import LoadKeywords, LoadOptions
from sightline.zoo.refusals import TENSORRT, several, unknown, unsure
from sightline.zoo.store import Cache

if TYPE_CHECKING:  # loading a model needs OpenCV; naming one does not
    from sightline.models.base import Graph, Model

log = logging.getLogger(__name__)

MOST_THREADS = 256
ABOUT = ("im_shape", "scale_factor")
"""Names of PaddleDetection's inputs about the picture."""
MOST_SIDE = 8192
"""Pixels of a side that is fixed. A file of a kilobyte can ask for gigabytes."""
DEFAULT_SIDE = 640
"""For a graph that takes any size and does not say which it was trained for."""


def check_model(spec: str | Profile, options: LoadOptions | None = None, **given: Unpack[LoadKeywords]) -> None:
    """Check cheaply, before a server starts, whether ``load_model`` may work. Loads nothing. Raises ConfigError."""
    how = replace(options or LoadOptions(), **given)
    pick_engine(how.engine, how.device, how.precision)
    _check_family(spec, how.family)
    if isinstance(spec, str) and spec in builtin_names():
        if how.weights is not None:
            raise ConfigError(f"weights {how.weights}: the built-in model {spec!r} has none")
        return
    name, _ = _engine_for(_find(spec, how), how.engine, how.device, how.precision, tried=False)
    if how.precision != "auto":
        check_precision(name, how.device, how.precision, load("engines", name).precisions(how.device))


def load_model(spec: str | Profile, options: LoadOptions | None = None, **given: Unpack[LoadKeywords]) -> Model:
    """A warm model: a built-in one or a profile by its name, or any supported ONNX file by its path.

    ``load_model("nano", engine="onnx", imgsz=320)``: keyword arguments are the fields of ``LoadOptions``, and win over
    those of ``options``. Raises ConfigError for a wrong setting, ModelError for a file that can't be used. Never
    downloads anything.
    """
    how = replace(options or LoadOptions(), **given)
    _check_numbers(how)
    pick_engine(how.engine, how.device, how.precision)
    _check_family(spec, how.family)
    model: Model
    if isinstance(spec, str) and spec in builtin_names():
        if how.imgsz is not None:
            raise ConfigError(f"imgsz {how.imgsz}: the built-in model {spec!r} has no input size to choose")
        model = load("models", spec).create()
    else:
        model = _load_file(_find(spec, how), how)
    if how.confidence is not None:
        model.options = replace(model.options, confidence=how.confidence)
    model.warm_up()
    return model


def _check_numbers(how: LoadOptions) -> None:
    if how.confidence is not None and not 0 <= how.confidence <= 1:
        raise ConfigError(f"confidence {how.confidence}: expected 0 to 1")
    if how.threads is not None and not 1 <= how.threads <= MOST_THREADS:
        raise ConfigError(f"threads {how.threads}: expected 1 to {MOST_THREADS}")


def _find(spec: str | Profile, how: LoadOptions) -> ModelFiles:
    halves_first = how.precision == "fp16" or (how.precision == "auto" and how.device != "cpu")
    return find(spec, cache=how.cache, weights=how.weights, halves_first=halves_first)


def _load_file(found: ModelFiles, how: LoadOptions) -> Model:
    """The model in a file, in the engine that fits."""
    name, reason = _engine_for(found, how.engine, how.device, how.precision)
    path = _checked_file(found, name, how.cache)
    try:
        opened = _open(name, path, found.profile, how)
    except ModelError as e:
        if "_TRT" not in e.message:
            raise
        raise ModelError(f"{e.message}. {TENSORRT}") from e
    log.info("engine %s on %s in %s: %s", name, how.device, opened.precision, reason)
    try:
        model = _build(path, opened, how.imgsz, how.family, found.profile)
    except BaseException:
        opened.close()
        raise
    model.engine_reason = reason
    return model


def pick_engine(engine: str, device: str, precision: str = "auto", path: Path | None = None) -> tuple[str, str]:
    """The engine's name and, in a sentence, why it is this one: see ``choose``. Raises ConfigError.

    With ``path`` for that file: a quantized one is tried, which takes a second or two, once.
    """
    return choose(engine, device, precision, path)


def _engine_for(found: ModelFiles, engine: str, device: str, precision: str, *, tried: bool = True) -> tuple[str, str]:
    """The engine and why it is this one. A network without a graph is built by torch. Raises ConfigError.

    ``tried``: try a quantized graph; without, nothing opens the file.
    """
    if found.graph is not None and (only := only_reader(found.graph)) is not None:
        if engine not in ("auto", only):
            raise ConfigError(f"engine {engine!r}: an inference server runs the model itself; leave engine out")
        return only, "the one that asks an inference server"
    if found.graph is not None and (engine != "torch" or found.tensors is None):
        return pick_engine(engine, device, precision, found.graph if tried else None)
    if found.profile is None:
        return pick_engine(engine, device, precision)
    missing = lacks_torch(found.profile, device)
    if missing is not None:
        raise ConfigError(missing)
    if engine not in ("auto", "torch"):
        raise ConfigError(
            f"engine {engine!r}: it runs graphs, and profile {found.profile.name} has none yet; "
            f"run: sightline models export {found.profile.name}"
        )
    return "torch", "asked for by name" if engine == "torch" else "the one that needs no exported graph"


def _checked_file(found: ModelFiles, engine: str, cache: Path | None) -> Path:
    """The file to load. One from the cache is compared with its hash first: what is damaged is not loaded."""
    path = found.tensors if engine == "torch" and found.tensors is not None else found.graph
    assert path is not None
    if found.cached and found.profile is not None and path.parent.name != "export":
        Cache(cache).check(found.profile)
    return path


def _open(engine: str, path: Path, profile: Profile | None, how: LoadOptions) -> Engine:
    module = load("engines", engine)
    opened: Engine
    if profile is not None and path.suffix.lower() != ".onnx":
        opened = module.open_profile(
            profile,
            path,
            device=how.device,
            threads=how.threads,
            imgsz=how.imgsz,
            precision=how.precision,
            compiled=how.compiled,
        )
    else:
        # What is built for a card takes minutes: it is kept even where no folder is named.
        kept = how.cache if how.device == "cpu" else Cache(how.cache).root
        opened = module.open(path, device=how.device, threads=how.threads, precision=how.precision, cache=kept)
    return opened


def _families() -> dict[str, Any]:
    """The families that know graphs, by name."""
    return {name: module for name, module in plugins("models").items() if hasattr(module, "recognise")}


def _check_family(spec: str | Profile, family: str | None) -> None:
    if family is None:
        return
    if isinstance(spec, Profile) or spec in profiles.names():
        raise ConfigError(f"family {family!r}: a profile knows its own; leave family out")
    if family not in _families():
        raise ConfigError(f"family {family!r}: expected one of {', '.join(_families())}")
    if spec in builtin_names():
        raise ConfigError(f"family {family!r}: the built-in model {spec!r} is of no family; leave family out")


def _build(path: Path, engine: Engine, imgsz: int | None, family: str | None, profile: Profile | None = None) -> Model:
    """The model of the one family that recognises the graph, or that its profile says."""
    families = _families()
    words = {} if profile is None else profile.metadata()
    graph = _graph(path, engine, imgsz, words)
    if graph is not None and family is None and graph.metadata.get("family") in families:
        family = graph.metadata["family"]
    fitting = [] if graph is None else _fitting(graph, families, family)
    if graph is not None and len(fitting) == 1:
        model: Model = families[fitting[0]].build(graph, engine)
        if profile is not None:
            model.card = replace(
                card_of(profile), input_size=graph.size, path=str(path), size_bytes=path.stat().st_size
            )
        log.info("%s: family %s, %dx%d", path.name, fitting[0], *graph.size)
        return model
    if fitting:
        raise several(path, engine, fitting)
    possible = [] if graph is None or family is not None else _possible(graph, families)
    if possible:
        raise unsure(path, engine, possible)
    expected = families if family is None else {family: families[family]}
    raise unknown(path, engine, family, {name: module.LAYOUTS for name, module in expected.items()})


def _fitting(graph: Graph, families: Mapping[str, Any], family: str | None) -> list[str]:
    """The families that the graph surely is of; if one is said, that one where its shapes fit."""
    if family is None:
        return [name for name, module in families.items() if _asked(name, module.recognise, graph)]
    return [family] if family in _possible(graph, {family: families[family]}) else []


def _possible(graph: Graph, families: Mapping[str, Any]) -> list[str]:
    """The families that the graph may be of by its shapes."""
    return [name for name, module in families.items() if _asked(name, getattr(module, "fits", module.recognise), graph)]


def _asked(name: str, question: Callable[[Graph], bool], graph: Graph) -> bool:
    """What a family says of a graph. One that fails says no: a plugin must not stand in the way of others."""
    try:
        return bool(question(graph))
    except SightlineError:
        raise
    except FAULTS as e:
        if cancelled(e):
            raise
        log.warning("family %s could not look at the model: %s", name, told(e))
        return False


def _graph(path: Path, engine: Engine, imgsz: int | None, words: Mapping[str, str]) -> Graph | None:
    """The graph with its open sides settled; None if it does not take one picture. ``words`` are believed most."""
    from sightline.models._beside import metadata_of
    from sightline.models.base import Graph

    pictures = [one for one in engine.inputs.values() if len(one.shape) in (3, 4)]
    about = tuple(one for one in engine.inputs.values() if one.name in ABOUT and len(one.shape) == 2)
    others = [one for one in engine.inputs.values() if len(one.shape) not in (3, 4) and one not in about]
    if len(pictures) != 1 or len(others) > 1 or not all(one.shape[1:] == (2,) for one in others):
        return None
    spec = pictures[0]
    if spec.dtype not in ("float32", "float16", "uint8"):
        return None
    first, second, third = spec.shape[-3:]
    if 3 not in (first, third) or (len(spec.shape) == 4 and spec.shape[0] not in (None, 1)):
        return None
    height, width = (second, third) if first == 3 else (first, second)
    metadata = metadata_of(path, engine.metadata) | dict(words)
    if width is not None and height is not None:
        if imgsz is not None and (width, height) != (imgsz, imgsz):
            raise ConfigError(f"imgsz {imgsz}: the input of {path.name} is fixed at {width}x{height}; leave imgsz out")
        if max(width, height) > MOST_SIDE:
            raise ModelError(f"{path}: its input is fixed at {width}x{height}: expected at most {MOST_SIDE} a side")
        size = width, height
    else:
        sides = _open_sides(path, imgsz, metadata)
        size = width or sides[0], height or sides[1]
    graph = Graph(path, spec, engine.outputs, metadata, size, others[0] if others else None, about)
    graph = graph.tried_in(engine)
    if not any(None in output.shape[1:] for output in engine.outputs.values()):
        return graph
    made = graph.trial()  # only a run tells
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
