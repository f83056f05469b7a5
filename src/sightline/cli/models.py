"""``sightline models``: which models there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from sightline import loader
from sightline.cli.tables import print_table
from sightline.types import ModelCard


def models(as_json: Annotated[bool, typer.Option("--json", help="As JSON, with all labels.")] = False) -> None:
    """List the built-in models. Any supported ONNX file is one too: give its path to --model."""
    cards = loader.list_models()
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode([asdict(card) for card in cards])).decode())
        return
    columns = ("name", "task", "family", "input", "size", "licence", "from", "what it is")
    print_table(columns, [_row(card) for card in cards])
    typer.echo("\nAny supported ONNX file is a model too: --model path/to/file.onnx")


def _row(card: ModelCard) -> tuple[str, ...]:
    side = "any" if card.input_size is None else "{}x{}".format(*card.input_size)
    size = f"{card.size_bytes / 1e6:.1f} MB" if card.size_bytes else "-"
    return card.name, card.task, card.family, side, size, card.licence, card.source, card.description
