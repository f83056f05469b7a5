"""The one planner: which file a choice of model means, where it runs, and what of the machine it may take."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import psutil

from sightline.engines.base import cores
from sightline.inference.key import ModelKey
from sightline.inference.place import ModelFacts
from sightline.models.base import Model
from sightline.settings.machines import PlaceName
from sightline.settings.settings import Settings
from sightline.zoo import loader
from sightline.zoo.options import LoadOptions, options_of

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is loaded."""

    name: str
    """Name under which it is offered."""
    spec: str
    options: LoadOptions
    memory_bytes: int | None
    """Memory that an instance in a process of its own may take; None for no limit."""

    def load(self) -> Model:
        """Load and warm the model here. Raises ModelError or ConfigError."""
        model = loader.load_model(self.spec, self.options)
        model.card = replace(model.card, name=self.name)
        return model


def plan(settings: Settings, key: ModelKey, count: int) -> Plan:
    """Return how the model of a key is loaded, ``count`` times. These share the cores, one alone takes them all.

    Graphics drivers reserve far more memory than they use: only on the processor is there a limit.
    """
    own = key.spec == settings.model
    options = replace(
        options_of(settings),
        engine=key.engine,
        imgsz=key.imgsz,
        threads=settings.threads or (None if count == 1 else max(1, cores() // count)),
        family=settings.family if own else None,
        weights=settings.weights if own else None,
    )
    if place_of(settings, key) == "ray":
        return Plan(key.name, key.spec, _elsewhere(settings, options), None)
    return Plan(key.name, key.spec, options, memory(settings) if settings.device == "cpu" else None)


def _elsewhere(settings: Settings, options: LoadOptions) -> LoadOptions:
    """The options of a replica: the cores and the graphics card that Ray sets apart for it are all that it sees."""
    cluster = settings.cluster
    device = "cuda:0" if cluster.gpus else settings.device
    return replace(options, device=device, threads=settings.threads or max(1, round(cluster.cpus)))


def instances(settings: Settings, model: ModelFacts, streams: int, each: int, room: int) -> int:
    """Return how often a model should be loaded for so many streams: once for each, as long as there are cores.

    Two that infer side by side, each with one thread, get more done than one with two: a frame's work can't be shared
    out without waiting. ``each``: bytes that one takes. ``room``: bytes that all of them may take.
    """
    if settings.workers is not None:
        return settings.workers
    if model.remembers or model.engine is None or model.engine.device != "cpu":
        return 1
    most = max(1, min(streams, cores() // (settings.threads or 1)))
    most = max(1, min(most, room // max(each, 1)))
    return 1 << (most.bit_length() - 1)  # in powers of two, so that few changes are needed


def memory(settings: Settings) -> int:
    """Return the bytes that all models may take together."""
    return (settings.model_memory_mb or psutil.virtual_memory().total // MB // 2) * MB


def place_of(settings: Settings, key: ModelKey) -> PlaceName:
    """Return what a model runs in. Windows can't hand sockets to a process as we do."""
    place = settings.places.get(key.name, settings.place)
    return "thread" if place == "process" and sys.platform == "win32" else place
