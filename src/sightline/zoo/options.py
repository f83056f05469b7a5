"""Options for loading a model, the same for Python, the server and the commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from sightline.settings.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Options for loading a model."""

    engine: str = "auto"
    """Engine's name; ``auto`` takes the fastest one that fits."""
    device: str = "cpu"
    """``cpu`` or ``cuda:N``."""
    imgsz: int | None = None
    """Side of the input in pixels, for graphs that leave it open."""
    confidence: float | None = None
    """Threshold from 0 to 1 below which detections are left out; None takes the model's own."""
    threads: int | None = None
    """Threads of the engine; None takes all cores."""
    family: str | None = None
    """Kind of model that a file is, where its graph and metadata leave that open."""
    precision: str = "auto"
    """Number format of the engine: auto, fp32, bf16 or fp16."""
    cache: Path | None = None
    """Folder with the weights of profiles, in which engines keep what they compiled, too."""
    weights: Path | None = None
    """File to use in place of a profile's own weights."""
    compiled: bool = False
    """True compiles what the engine torch builds, which takes minutes."""


class LoadKeywords(TypedDict, total=False):
    """The fields of ``LoadOptions`` as keyword arguments."""

    engine: str
    device: str
    imgsz: int | None
    confidence: float | None
    threads: int | None
    family: str | None
    precision: str
    cache: Path | None
    weights: Path | None
    compiled: bool


def options_of(settings: Settings) -> LoadOptions:
    """Return the options with which the settings load their own model."""
    return LoadOptions(
        engine=settings.engine,
        device=settings.device,
        imgsz=settings.imgsz,
        confidence=settings.conf,
        threads=settings.threads,
        family=settings.family,
        precision=settings.precision,
        cache=settings.cache,
        weights=settings.weights,
        compiled=settings.torch_compile,
    )
