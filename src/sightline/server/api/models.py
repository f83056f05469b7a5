"""The HTTP API of models: what may be chosen for a stream."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sightline.core.types import ModelCard
from sightline.inference.offers import Offer
from sightline.security.authorization import needs
from sightline.server.state import state_of

router = APIRouter()


class ModelInfo(BaseModel):
    """A model that may be chosen by its name, or could be."""

    name: str
    family: str
    """Empty, like `task` and the labels, for a file that was never loaded."""
    task: str
    labels: list[str]
    input_size: tuple[int, int] | None
    licence: str
    licence_note: str
    """What the licence forbids, in a sentence; empty if it forbids no use."""
    source: str
    description: str
    active: bool
    """The server's own: every stream begins with it."""
    usable: bool
    reason: str
    """Why it can't be chosen, with what the operator can do; empty where it can."""
    engines: list[str]
    """Those that can run it here, besides `auto`; none for a model that needs no engine."""


class Models(BaseModel):
    """What may be chosen for a stream."""

    models: list[ModelInfo]
    engines: list[str]
    """Those that run here, besides `auto`."""


@router.get("/api/models", tags=["models"], dependencies=[needs()])
async def models(request: Request) -> Models:
    """All models with a name, usable or not, and the engines."""
    hub = state_of(request).hub
    offers = hub.model_switch.offers
    known = {one.key.name: one.worker.model.card for one in hub.pool.models if one.worker.model is not None}
    return Models(
        models=[
            _info(
                offer,
                known.get(offer.name, offer.card),
                active=offer.name == offers.own.name,
                engines=offers.engines_for(offer.spec),
            )
            for offer in offers.all()
        ],
        engines=offers.engines(),
    )


def _info(offer: Offer, card: ModelCard | None, *, active: bool, engines: list[str]) -> ModelInfo:
    if card is None:
        card = ModelCard(offer.name, "", "detect", (), None, "", "")
    return ModelInfo(
        name=offer.name,
        family=card.family,
        task=card.task if card.family else "",
        labels=list(card.labels),
        input_size=card.input_size,
        licence=card.licence,
        licence_note=offer.licence_note,
        source=Path(card.source).name if card.source == card.path else card.source,  # folders concern nobody
        description=card.description,
        active=active,
        usable=not offer.reason,
        reason=offer.reason,
        engines=engines,
    )
