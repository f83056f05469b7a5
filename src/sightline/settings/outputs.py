"""What the settings file says of outputs, as it stands there: each output's own plugin knows what it must hold."""

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
