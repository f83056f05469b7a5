"""The HTTP API of model files: one is sent, looked at, and kept or thrown away."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import (
    BadRequest,
    BadSetting,
    LimitReached,
    NotFound,
    Shortage,
    TooLarge,
)
from sightline.core.openapi import refusals, takes
from sightline.core.types import STREAM_NAME
from sightline.security.authorization import needs
from sightline.server.api.checked import checked_by
from sightline.server.api.models import ModelInfo, model_info
from sightline.server.state import state_of

PATH = "/api/models/upload"
NAME = "1 to 64 letters, digits, '_' or '-'"


def _bad(problem: Mapping[str, Any]) -> BadSetting:
    return BadSetting.of("name", problem.get("input"), NAME)


router = APIRouter(tags=["models"], route_class=checked_by(_bad))


class CheckedModel(BaseModel):
    """A model's file that was sent and checked. It is no model of this server before it is kept."""

    upload: str
    """By this it is kept or thrown away, within the hour."""
    name: str
    """Free name, made of the file's, that it may be kept under."""
    family: str
    task: str
    labels: list[str]
    input_size: tuple[int, int] | None
    """Width and height."""
    licence: str
    """As the file tells it."""
    size_bytes: int


class UploadName(BaseModel):
    """How a file is kept."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(strict=True, pattern=f"^{STREAM_NAME.pattern}$")]


@router.post(
    PATH,
    responses=refusals(BadRequest, BadSetting, TooLarge, LimitReached, Shortage),
    openapi_extra=takes("application/octet-stream"),
    dependencies=[needs("admin")],
)
async def upload_model(
    request: Request,
    name: Annotated[str, Query(max_length=300)] = "model.onnx",
    family: Annotated[str | None, Query(max_length=40)] = None,
) -> CheckedModel:
    """Send a model's ONNX file as the body, and learn what it is.

    A process of its own loads it, with limits of memory and time. ``family`` says what it is where the file leaves that
    open. It waits an hour to be kept; nothing uses it before.
    """
    state = state_of(request)
    told = request.headers.get("content-length", "")
    async with state.uploads.turns.take():
        found = await state.uploads.receive(name, int(told) if told.isdecimal() else 0, request.stream(), family)
    card, offers = found.card, state.hub.model_switch.offers.all()
    return CheckedModel(
        upload=found.id,
        name=_free(found.path.stem, {offer.name for offer in offers}),
        family=card.family,
        task=card.task,
        labels=list(card.labels),
        input_size=card.input_size,
        licence=card.licence,
        size_bytes=found.size,
    )


@router.post(
    "/api/models/upload/{upload}",
    status_code=201,
    responses=refusals(BadRequest, NotFound, BadSetting, LimitReached, Shortage),
    dependencies=[needs("admin")],
)
async def keep_upload(request: Request, upload: str, kept: UploadName) -> ModelInfo:
    """Keep a file that was sent, as a model of this name. From now on streams may have it."""
    state = state_of(request)
    offers = state.hub.model_switch.offers
    if any(offer.name == kept.name for offer in offers.all()):
        raise BadSetting.of("name", kept.name, "a name that no model has")
    await state.uploads.keep(upload, kept.name)
    return model_info(request, next(offer for offer in offers.all() if offer.name == kept.name))


@router.delete(
    "/api/models/upload/{upload}", status_code=204, responses=refusals(NotFound), dependencies=[needs("admin")]
)
async def discard_upload(request: Request, upload: str) -> Response:
    """Throw a file away that was sent."""
    await state_of(request).uploads.discard(upload)
    return Response(status_code=204)


def _free(stem: str, taken: Collection[str]) -> str:
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain((stem,), numbered) if name not in taken)
