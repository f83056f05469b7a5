"""Outputs as the settings file has them. Each output's own plugin checks its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict


class OutputTable(BaseModel):
    """A table ``[[outputs]]``. Its keys are the plugin's; they are checked when the server starts."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str = ""

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """The kind alone: addresses and passwords are secrets that only the plugin knows as such."""
        yield "kind", self.kind
