"""The card of a model, from what its graph's file says."""

from __future__ import annotations

from dataclasses import replace

from sightline.core.types import ModelCard, Task
from sightline.models.base import Graph


def card_of(
    graph: Graph,
    family: str,
    labels: tuple[str, ...],
    description: str,
    task: Task = "detect",
) -> ModelCard:
    """The card of a file that says little of itself."""
    return ModelCard(
        name=graph.path.stem,
        family=family,
        task=task,
        labels=labels,
        input_size=graph.size,
        licence=graph.metadata.get("license", "unknown"),
        source=str(graph.path),
        path=str(graph.path),
        size_bytes=graph.path.stat().st_size,
        description=graph.metadata.get("description", description),
    )


def trained_card_of(graph: Graph, family: str, labels: tuple[str, ...], task: Task) -> ModelCard:
    """The card of a file that ``sightline train`` wrote."""
    card = card_of(graph, family, labels, f"trained with sightline train {task}", task)
    return replace(
        card,
        licence=graph.metadata.get("licence", "unknown"),
        source=graph.metadata.get("source", card.source),
    )
