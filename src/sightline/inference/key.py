"""Which model is meant, with which engine and at which input size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelKey:
    """A choice of model."""

    name: str
    """What it is offered as."""
    spec: str
    """What the loader takes."""
    engine: str
    """``auto``, or an engine's name."""
    imgsz: int | None
    """Side of the input; None for the model's own."""

    def __str__(self) -> str:
        size = "" if self.imgsz is None else f" at {self.imgsz}"
        return f"{self.name}{size} ({self.engine})"
