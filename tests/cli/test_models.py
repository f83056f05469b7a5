"""``sightline models``."""

from __future__ import annotations

import json
from dataclasses import asdict

from typer.testing import CliRunner

from sightline.cli import app
from sightline.loader import list_models


def test_every_built_in_model_is_in_the_table_with_its_licence() -> None:
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    head, *rows = result.output.splitlines()
    assert head.split()[:6] == ["name", "task", "family", "input", "size", "licence"]
    for card in list_models():
        row = next(line for line in rows if line.split()[:1] == [card.name])
        for value in (card.task, card.family, card.licence, card.source):
            assert value in row


def test_as_json_it_is_all_that_is_known() -> None:
    result = CliRunner().invoke(app, ["models", "--json"])
    assert json.loads(result.output) == json.loads(json.dumps([asdict(card) for card in list_models()]))
