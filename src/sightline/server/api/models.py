"""The HTTP API of models: what may be chosen for a stream."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sightline.core.types import ModelCard
from sightline.inference.offers import Offer
from sightline.security.authorization import needs
from sightline.server.api.schemas import Error
from sightline.server.api.stream_stats import StreamSettings
from sightline.server.downloads import Download
from sightline.server.state import state_of

router = APIRouter()


class Getting(BaseModel):
    """A download of a model's weights that was asked for here."""

    done: int
    """Bytes that have come."""
    total: int
    """Bytes, as far as known; 0 if not."""
    error: str
    """Why it came to nothing; empty while it is under way."""


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
    gettable: int
    """Bytes that `POST /api/models/{name}/weights` gets, and then it can be chosen; 0 if that is not what it lacks."""
    getting: Getting | None
    engines: list[str]
    """Those that can run it here, besides `auto`; none for a model that needs no engine."""


class Accepted(BaseModel):
    """It has begun."""


class Models(BaseModel):
    """What may be chosen for a stream."""

    models: list[ModelInfo]
    engines: list[str]
    """Those that run here, besides `auto`."""
    settings: StreamSettings
    """What a stream begins with: the one that `stream` names, or any."""


@router.get("/api/models", tags=["models"], dependencies=[needs()])
async def models(request: Request, stream: str = "") -> Models:
    """All models with a name, usable or not, the engines, and what a stream begins with."""
    hub = state_of(request).hub
    offers = hub.model_switch.offers
    downloads = state_of(request).downloads
    known = {one.key.name: one.worker.model.card for one in hub.pool.models if one.worker.model is not None}
    return Models(
        models=[
            _info(
                offer,
                known.get(offer.name, offer.card),
                active=offer.name == offers.own.name,
                download=downloads.of(offer.name),
                engines=offers.engines_for(offer.spec),
            )
            for offer in offers.all()
        ],
        engines=offers.engines(),
        settings=StreamSettings.model_validate(hub.model_switch.at_the_start(stream), from_attributes=True),
    )


@router.post(
    "/api/models/{name}/weights",
    tags=["models"],
    status_code=202,
    responses={code: {"model": Error} for code in (404, 429)},
    dependencies=[needs("admin")],
)
async def get_weights(request: Request, name: str) -> Accepted:
    """Get a profile's weights from their makers. `GET /api/models` tells how far they are."""
    state_of(request).downloads.begin(name)
    return Accepted()


def _info(
    offer: Offer, card: ModelCard | None, *, active: bool, download: Download | None, engines: list[str]
) -> ModelInfo:
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
        gettable=offer.gettable,
        getting=_getting(offer, download),
        engines=engines,
    )


def _getting(offer: Offer, download: Download | None) -> Getting | None:
    if download is None or not offer.reason:  # it has come
        return None
    return Getting(done=download.done, total=download.total, error=download.error)
