"""Models that were sent to the server, in a folder of its data: ``NAME.onnx`` beside ``NAME.card.json``.

The folder is the only record. It is read anew whenever somebody asks, so what is taken away there counts at once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec

from sightline.core.errors import BadSetting, ConfigError, LimitReached, NotFound, shortage
from sightline.core.types import ModelCard
from sightline.security import files
from sightline.settings.settings import Settings, data_folder

MOST = 64
CARD = ".card.json"
SOURCE = "sent to this server"


class KeptModels:
    """The models of one data folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def folder(self) -> Path:
        """Where they lie. It need not exist. Raises NoFolder."""
        return data_folder(self._settings) / "models"

    def cards(self) -> dict[str, ModelCard]:
        """Return the cards of all that can be loaded, by name."""
        try:
            found = sorted(self.folder.glob(f"*{CARD}"))[:MOST]
        except (OSError, RuntimeError):
            return {}
        cards = {}
        for path in found:
            with suppress(OSError, msgspec.MsgspecError):
                name = path.name.removesuffix(CARD)
                graph = path.with_name(f"{name}.onnx")
                stat = path.stat()
                card = _read(path, stat.st_mtime_ns, stat.st_size)
                if graph.stat().st_size == card.size_bytes:  # else it was changed by hand: nobody knows what it is
                    cards[name] = replace(card, name=name, path=str(graph))
        return cards

    def keep(self, name: str, graph: Path, card: ModelCard, family: str | None) -> None:
        """Move a checked file here. ``family`` is what was said of it. Raises BadSetting for a name
        that is taken, LimitReached, ConfigError or Shortage."""
        if len(self.cards()) >= MOST:
            raise LimitReached(f"{MOST} models are kept: expected no more, so remove one first")
        files.make_folder(self.folder)
        target = self.folder / f"{name}.onnx"
        if target.exists():
            raise BadSetting.of("name", name, "a name that no model has")
        kept = replace(card, name=name, path=None, source=SOURCE, size_bytes=graph.stat().st_size)
        if family is not None:  # the loader reads it there
            files.write(target.with_suffix(".metadata.json"), msgspec.json.encode({"family": family}))
        try:
            graph.replace(target)
        except OSError as e:
            raise shortage(e) or ConfigError(f"can't write {target}: {e.strerror}") from None
        files.write(self.folder / f"{name}{CARD}", msgspec.json.format(msgspec.json.encode(kept)) + b"\n")

    def remove(self, name: str) -> None:
        """Delete one. Raises NotFound, or ConfigError where the system does not let it."""
        if name not in self.cards():
            raise NotFound(f"model {name[:80]!r}: expected one that was sent to this server")
        try:
            for suffix in (CARD, ".onnx", ".metadata.json"):  # the card first: without it nobody is offered the rest
                (self.folder / f"{name}{suffix}").unlink(missing_ok=True)
        except OSError as e:
            raise ConfigError(f"model {name} can't be deleted: {e.strerror}") from None


@lru_cache(MOST)
def _read(path: Path, _changed_ns: int, _size: int) -> ModelCard:
    return msgspec.json.decode(path.read_bytes(), type=ModelCard)
