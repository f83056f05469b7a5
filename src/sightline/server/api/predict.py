"""``POST /api/predict``: a picture in, its result out, without a stream."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from sightline.core.errors import (
    BadImage,
    BadRequest,
    BadSetting,
    LimitReached,
    ModelError,
    ProtocolError,
    TooLarge,
)
from sightline.core.openapi import gives, refusals, takes
from sightline.core.types import FrameResult
from sightline.security.authorization import needs
from sightline.server.api.schemas import ErrorBody
from sightline.server.forms import form_of
from sightline.server.state import state_of
from sightline.settings.settings import Settings
from sightline.settings.stream import MOST_CLASSES
from sightline.streams.predictor import Ask
from sightline.streams.rendering import Look, Mode, Opacity
from sightline.wire.messages import mask_kind

router = APIRouter()

MOST_PICTURES = 16
"""Pictures of one request."""
WHAT = dict.fromkeys(("image/jpeg", "image/*"), "picture") | dict.fromkeys(
    ("application/json", "application/*", "*/*"), "json"
)
"""What a word of the header Accept asks for; others ask for nothing that there is."""
FIELDS = 64
FIELD_BYTES = 4096
"""Most fields of a form besides its pictures, and the most bytes of one."""
PICTURES = ("image/jpeg", "image/png", "image/webp")


class PredictQuery(BaseModel):
    """What is asked of the model, and what is to come back."""

    model_config = ConfigDict(extra="forbid")
    model: str | None = Field(
        None, min_length=1, max_length=200, description="As `GET /api/models` calls it. Default: the server's own."
    )
    conf: float | None = Field(
        None, gt=0, lt=1, description="Detections below this confidence are left out. Default: the server's own."
    )
    classes: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        None,
        max_length=MOST_CLASSES,
        description="Labels or ids that are shown, several with commas or by repeating. Default: all.",
    )
    format: Literal["json", "jpeg"] | None = Field(
        None, description="`jpeg`: the picture with everything drawn in. Default: what the header Accept prefers."
    )
    mode: Mode = None
    opacity: Opacity = None

    @property
    def chosen(self) -> list[int | str] | None:
        """Classes, each as a label or an id."""
        if self.classes is None:
            return None
        words = [word.strip() for given in self.classes for word in given.split(",")]
        return [int(word) if word.isascii() and word.isdigit() else word for word in words]


class Found(BaseModel):
    """One object."""

    class_id: int
    class_name: str
    confidence: float
    xyxy: tuple[float, float, float, float]
    """Left, top, right and bottom."""


class Share(BaseModel):
    """One class of a segmentation."""

    class_id: int
    class_name: str
    share: float
    """Of the picture, 0 to 1."""


class PictureMask(BaseModel):
    """One value for every pixel of a picture, at any resolution."""

    kind: str
    """instances: k is row k - 1 of the detections, 0 none. classes: a class id, 255 none."""
    png: str
    """An 8-bit greyscale PNG, in Base64."""


class PictureResult(BaseModel):
    """What a model found in one picture. Boxes are in the picture's pixels."""

    name: str | None = None
    """Name of the file; null for a picture that is the whole request."""
    width: int
    height: int
    model: str
    detections: list[Found]
    segments: list[Share]
    mask: PictureMask | None
    processing_time_ms: float
    stages: dict[str, float]
    """Milliseconds."""


class PictureRefused(BaseModel):
    """A picture that could not be used. The others of the request are not concerned."""

    name: str | None
    error: ErrorBody


class PictureResults(BaseModel):
    """The answer to several pictures, in their order."""

    results: list[PictureResult | PictureRefused]


def largest_body(settings: Settings) -> int:
    """Most bytes of a request."""
    return MOST_PICTURES * (settings.max_message_bytes + FIELD_BYTES) + FIELDS * FIELD_BYTES


_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": MOST_PICTURES}
_BODY = {
    "required": True,
    "content": takes(*PICTURES)["requestBody"]["content"]
    | {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"image": _FILES},
                "required": ["image"],
                "description": "One or more files; the parameters may be fields of the form, too.",
            }
        }
    },
}


@router.post(
    "/api/predict",
    tags=["pictures"],
    response_model=PictureResult | PictureResults,
    responses=refusals(BadRequest, BadImage, TooLarge, BadSetting, LimitReached, ModelError) | gives("image/jpeg"),
    openapi_extra={"requestBody": _BODY},
    dependencies=[needs("publish")],
)
async def predict(request: Request, asked: Annotated[PredictQuery, Query()]) -> Any:
    """Have a model look at one picture, or at up to 16 in one form.

    One picture is answered by its result, as JSON or as a JPEG with everything drawn in; several by a list of results.
    Live streams come first.
    """
    state = state_of(request)
    async with state.predictor.turns.take(), _pictures(request, state.hub.settings) as (pictures, fields):
        wish = _with_fields(asked, fields)
        look = Look.of(wish.mode, wish.opacity)
        as_jpeg = wants_jpeg(wish.format, request.headers.get("accept", ""))
        if as_jpeg and len(pictures) != 1:
            raise BadRequest(f"{len(pictures)} pictures as one JPEG: expected one picture, or JSON")
        async with state.predictor.asking(wish.model, wish.conf, wish.chosen) as ask:
            if len(pictures) > 1:
                return PictureResults(results=[await _told(ask, picture) for picture in pictures])
            result = await ask(await _read(pictures[0]))
    if not as_jpeg:
        return _result(result, _name(pictures[0]))
    data = await state.drawing.jpeg(result, look)
    return Response(data, media_type="image/jpeg", headers={"Sightline-Mode": look.on(result).mode})


@asynccontextmanager
async def _pictures(
    request: Request, settings: Settings
) -> AsyncGenerator[tuple[list[bytes | UploadFile], dict[str, list[str]]]]:
    """The pictures of a request, and the other fields of its form. Raises BadRequest or TooLarge."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/"):
        yield [await _body(request, settings.max_message_bytes)], {}
        return
    async with form_of(request, files=MOST_PICTURES, fields=FIELDS, field_bytes=FIELD_BYTES) as form:
        files: list[bytes | UploadFile] = []
        fields: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields.setdefault(name, []).append(value)
            elif value.filename or value.size:  # else a field of a page in which no file was chosen
                files.append(value)
        if not files:
            got = ", ".join(sorted(fields))[:80] or "nothing"
            raise BadRequest(f"a form without a file (fields: {got}): expected a picture, as in curl -F image=@cat.jpg")
        yield files, fields


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise TooLarge(f"picture of more than {most} bytes: expected at most that")
    return bytes(body)


def _with_fields(asked: PredictQuery, fields: Mapping[str, list[str]]) -> PredictQuery:
    """What the query asks, and what the form does. Raises RequestValidationError."""
    if not fields:
        return asked
    given = {name: values if name == "classes" else values[-1] for name, values in fields.items()}
    try:
        return PredictQuery.model_validate({**asked.model_dump(exclude_unset=True), **given})
    except ValidationError as e:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in e.errors()]) from None


def wants_jpeg(given: Literal["json", "jpeg"] | None, accept: str) -> bool:
    """True if the answer is to be a picture. ``accept``: the header, which counts where nothing else is given."""
    if given is not None:
        return given == "jpeg"
    preferred = {"picture": 0.0, "json": 0.0}
    for part in accept.split(","):
        kind, _, parameters = part.strip().lower().partition(";")
        quality = re.search(r"\bq\s*=\s*([\d.]+)", parameters)
        what = WHAT.get(kind.strip())
        if what is not None:
            with suppress(ValueError):
                preferred[what] = max(preferred[what], 1.0 if quality is None else float(quality[1]))
    return preferred["picture"] > preferred["json"]


def _name(picture: bytes | UploadFile) -> str | None:
    return None if isinstance(picture, bytes) else picture.filename


async def _read(picture: bytes | UploadFile) -> bytes:
    return picture if isinstance(picture, bytes) else await picture.read()


async def _told(ask: Ask, picture: bytes | UploadFile) -> PictureResult | PictureRefused:
    """The result of one picture of several, or why there is none."""
    try:
        return _result(await ask(await _read(picture)), _name(picture))
    except ProtocolError as e:
        return PictureRefused(name=_name(picture), error=ErrorBody(code=e.code, message=e.message))


def _result(result: FrameResult, name: str | None) -> PictureResult:
    width, height = result.frame.size
    png = result.mask_png
    return PictureResult(
        name=name,
        width=width,
        height=height,
        model=result.card.name,
        detections=[Found.model_validate(one, from_attributes=True) for one in result.detections],
        segments=[Share.model_validate(one, from_attributes=True) for one in result.segments],
        mask=None if png is None else PictureMask(kind=mask_kind(result), png=base64.b64encode(png).decode()),
        processing_time_ms=result.processing_time_ms,
        stages=dict(result.stages),
    )
