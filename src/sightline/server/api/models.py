"""The HTTP API of models: what may be chosen for a stream."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sightline import profiles
from sightline.core.errors import ConfigError, InUse, LimitReached, ModelError, NotFound
from sightline.core.openapi import refusals
from sightline.core.types import ModelCard
from sightline.inference.offers import Offer
from sightline.security.authorization import access_of, needs
from sightline.server.api.stream_stats import StreamSettings
from sightline.server.downloads import Download
from sightline.server.state import state_of
from sightline.server.uploads import MOST_BYTES
from sightline.streams.hub import Hub
from sightline.zoo.store import Cache

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
    licence_url: str
    """Where it is to be read; empty where nobody knows."""
    source: str
    description: str
    size_bytes: int
    """Of its file; 0 where that is not known."""
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
    streams: list[str]
    """Streams that have it now, of those that the caller may see."""
    memory_bytes: int
    """What it takes in memory; 0 while it is not loaded."""
    removable: bool
    """Whether `DELETE /api/models/{name}` would take its file away, once no stream has it."""


class Accepted(BaseModel):
    """It has begun."""


class Models(BaseModel):
    """What may be chosen for a stream."""

    models: list[ModelInfo]
    engines: list[str]
    """Those that run here, besides `auto`."""
    settings: StreamSettings
    """What a stream begins with: the one that `stream` names, or any."""
    memory_bytes: int
    """What all models may take together."""
    largest_upload: int
    """Bytes that a file may have for `POST /api/models/upload`."""


@router.get("/api/models", tags=["models"], dependencies=[needs()])
async def models(request: Request, stream: str = "") -> Models:
    """All models with a name, usable or not, the engines, and what a stream begins with."""
    hub = state_of(request).hub
    offers = hub.model_switch.offers
    return Models(
        models=[model_info(request, offer) for offer in offers.all()],
        engines=offers.engines(),
        settings=StreamSettings.model_validate(hub.model_switch.at_the_start(stream), from_attributes=True),
        memory_bytes=hub.pool.budget,
        largest_upload=MOST_BYTES,
    )


@router.post(
    "/api/models/{name}/weights",
    tags=["models"],
    status_code=202,
    responses=refusals(NotFound, LimitReached),
    dependencies=[needs("admin")],
)
async def get_weights(request: Request, name: str) -> Accepted:
    """Get a profile's weights from their makers. `GET /api/models` tells how far they are."""
    state_of(request).downloads.begin(name)
    return Accepted()


@router.delete(
    "/api/models/{name}/weights",
    tags=["models"],
    status_code=204,
    responses=refusals(NotFound),
    dependencies=[needs("admin")],
)
async def cancel_weights(request: Request, name: str) -> Response:
    """Stop getting a profile's weights. What has come is kept, and the next try goes on there."""
    state_of(request).downloads.cancel(name)
    return Response(status_code=204)


@router.delete(
    "/api/models/{name}",
    tags=["models"],
    status_code=204,
    responses=refusals(ConfigError, NotFound, InUse, ModelError),
    dependencies=[needs("admin")],
)
async def remove_model(request: Request, name: str) -> Response:
    """Delete the file of a model that was sent to this server, or the weights of a profile that were got."""
    hub = state_of(request).hub
    offers = hub.model_switch.offers
    offer = next((one for one in offers.all() if one.name == name), None)
    if offer is None:
        raise NotFound(f"model {name[:80]!r}: expected one that is here")
    if not offer.removable:
        raise InUse(f"model {name} comes with Sightline, is not here, or is named by the settings: expected another")
    users = _users(hub, name)
    if users:
        raise InUse(f"model {name} is in use by {', '.join(users[:5])}: expected one that no stream has")
    if name in offers.kept.cards():
        await asyncio.to_thread(offers.kept.remove, name)
    else:
        await asyncio.to_thread(Cache(hub.settings.cache).remove, profiles.load(name))
    hub.pool.forget(name)
    return Response(status_code=204)


def model_info(request: Request, offer: Offer) -> ModelInfo:
    """A model as it is told to whoever asks."""
    state, identity = state_of(request), access_of(request).require(request, stream=None)
    hub, offers = state.hub, state.hub.model_switch.offers
    loaded = [one for one in hub.pool.models if one.key.name == offer.name and one.worker.model is not None]
    cards = [one.worker.model.card for one in loaded if one.worker.model is not None]
    card = cards[0] if cards else offer.card or ModelCard(offer.name, "", "detect", (), None, "", "")
    return ModelInfo(
        name=offer.name,
        family=card.family,
        task=card.task if card.family else "",
        labels=list(card.labels),
        input_size=card.input_size,
        licence=card.licence,
        licence_note=offer.licence_note,
        licence_url=offer.licence_url,
        source=Path(card.source).name if card.source == card.path else card.source,  # folders concern nobody
        description=card.description,
        size_bytes=card.size_bytes,
        active=offer.name == offers.own.name,
        usable=not offer.reason,
        reason=offer.reason,
        gettable=offer.gettable,
        getting=_getting(offer, state.downloads.of(offer.name)),
        engines=offers.engines_for(offer.spec),
        streams=[stream for stream in _users(hub, offer.name) if identity.sees(stream)],
        memory_bytes=sum(one.bytes for one in loaded),
        removable=offer.removable,
    )


def _users(hub: Hub, name: str) -> list[str]:
    """Return the streams that have a model, or wait for it."""
    return [stream.name for stream in hub.streams.values() if hub.model_switch.has(stream, name)]


def _getting(offer: Offer, download: Download | None) -> Getting | None:
    if download is None or not offer.reason:  # it has come
        return None
    return Getting(done=download.done, total=download.total, error=download.error)
