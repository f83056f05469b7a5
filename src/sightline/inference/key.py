"""The key of a model: its name, its engine and its input size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelKey:
    """A choice of model."""

    name: str
    """Name under which it is offered."""
    spec: str
    """Specification for the loader."""
    engine: str
    """``auto``, or an engine's name."""
    imgsz: int | None
    """Side of the input; None for the model's own."""

    def __str__(self) -> str:
        size = "" if self.imgsz is None else f" at {self.imgsz}"
        return f"{self.name}{size} ({self.engine})"
