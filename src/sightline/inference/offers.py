"""Models that may be chosen for a stream, by name. Nothing is fetched because a peer said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sightline import profiles
from sightline.analytics.base import Pipeline
from sightline.core import registry
from sightline.core.errors import BadSetting, ConfigError
from sightline.core.types import ModelCard
from sightline.inference.kept_models import KeptModels
from sightline.inference.key import ModelKey
from sightline.settings.settings import Settings
from sightline.zoo import catalogue, loader
from sightline.zoo.store import Cache


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that can be named."""

    name: str
    spec: str
    """Specification for the loader. Only the operator sees it."""
    card: ModelCard | None = None
    """The model's card; None for a file that was never loaded."""
    licence_note: str = ""
    """Sentence that says what its licence forbids."""
    reason: str = ""
    """Reason why it can't be chosen; empty where it can."""
    gettable: int = 0
    """Bytes that make it usable once they are downloaded; 0 if that is not what it lacks."""
    licence_url: str = ""
    """Where its licence is to be read; empty where nobody knows."""
    removable: bool = False
    """Whether its files can be taken away: they were sent or got, and no setting names the model."""


class Offers:
    """The operator's own model and those of his table ``models``, those that were sent to the server, the built-in and
    shipped ones, and profiles."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        spec = settings.model
        tabled = next((name for name, listed in settings.models.items() if listed == spec), None)
        name = tabled or catalogue.name_of(spec)
        self.own = ModelKey(name, spec, settings.engine, settings.imgsz)
        """The server's own model."""
        self.kept = KeptModels(settings)

    def all(self) -> list[Offer]:
        """Return all models by name, also those that can't be chosen now."""
        found = {card.name: Offer(card.name, card.name, card) for card in catalogue.list_models()}
        for name in profiles.names():
            profile = profiles.load(name)
            cache, device = Cache(self._settings.cache), self._settings.device
            lacks, size = catalogue.lacks(profile, cache, device), catalogue.gettable(profile, cache, device)
            found[name] = replace(
                found[name],
                licence_note=profile.restricts_use,
                reason=lacks or "",
                gettable=size,
                licence_url=profile.licence_url,
                removable=cache.got(profile),
            )
        for name, card in self.kept.cards().items():
            found.setdefault(name, Offer(name, str(card.path), card, removable=True))
        for name, spec in ({self.own.name: self.own.spec} | self._settings.models).items():
            if spec != name or name not in found:
                found[name] = self._file(name, spec)
        # With weights of its own nothing is missing.
        found[self.own.name] = replace(found[self.own.name], reason="", gettable=0)
        for name in self._named & found.keys():
            found[name] = replace(found[name], removable=False)
        return sorted(found.values(), key=lambda offer: offer.name)

    @property
    def _named(self) -> set[str]:
        """Models without which these settings would not start a server."""
        settings = self._settings
        of_streams = {stream.model for stream in settings.streams.values() if stream.model is not None}
        return {self.own.name, *settings.models, *settings.models.values(), *of_streams}

    def licence_note(self, name: str) -> str:
        """Return the sentence that says what a model's licence forbids; empty if it forbids no use."""
        spec = self.own.spec if name == self.own.name else self._settings.models.get(name, name)
        return profiles.load(spec).restricts_use if spec in profiles.names() else ""

    def key(self, choices: Mapping[str, Any]) -> ModelKey:
        """Return the key of what is chosen. Raises BadSetting for a model or an engine that can't be chosen."""
        settings = self._settings
        name, engine = choices.get("model", self.own.name), choices.get("engine", settings.engine)
        if name == self.own.name:
            self._check_engine(engine, self.own.spec, name)
            return ModelKey(name, self.own.spec, engine, choices.get("imgsz", settings.imgsz))
        offers = {offer.name: offer for offer in self.all()}
        offer = offers.get(name)
        if offer is None or offer.reason:
            usable = ", ".join(one.name for one in offers.values() if not one.reason)
            why = "" if offer is None else f"; {offer.reason}"
            raise BadSetting.of("model", name, f"one of {usable}{why}")
        self._check_engine(engine, offer.spec, name)
        return ModelKey(name, offer.spec, engine, choices.get("imgsz"))

    def engines(self) -> list[str]:
        """Return the engines that run here, besides ``auto``."""
        device = self._settings.device
        return [name for name, lack in registry.answers("engines", "available", device).items() if lack is None]

    def engines_for(self, spec: str) -> list[str]:
        """Return the engines that run here and can run a model; none for a model that needs no engine."""
        settings = self._settings
        weights = settings.weights if spec == settings.model else None
        return catalogue.engines_for(spec, self.engines(), cache=settings.cache, weights=weights)

    def _check_engine(self, engine: str, spec: str, name: str) -> None:
        if engine in ("auto", self._settings.engine):
            return
        able = self.engines() if spec in catalogue.builtin_names() else self.engines_for(spec)
        if engine not in able:
            raise BadSetting.of("engine", engine, f"{' or '.join(['auto', *able])} for the model {name}")

    def _file(self, name: str, spec: str) -> Offer:
        try:
            loader.check_model(spec, cache=self._settings.cache)
        except ConfigError:
            return Offer(name, spec, reason="what the operator's settings name for it is not there")
        return Offer(name, spec)


def check_offers(settings: Settings) -> None:
    """Check, before a server starts, that models and stages in the settings exist. Raises ConfigError."""
    offers = Offers(settings)
    for name, spec in settings.models.items():
        try:
            loader.check_model(spec, cache=settings.cache)
        except ConfigError as e:
            raise ConfigError(f"models.{name}: {e.message}") from None
    for stream, given in settings.streams.items():
        try:
            offers.key(given.chosen())
        except BadSetting as e:
            raise ConfigError(f"streams.{stream}.{e.message}") from None
        try:
            Pipeline.of(given.stages)
        except ConfigError as e:
            raise ConfigError(f"streams.{stream}.stages: {e.message}") from None
