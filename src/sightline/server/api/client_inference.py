"""What a camera page needs to run its stream's model itself: how the model takes and gives numbers, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from sightline.core.errors import BadRequest, Forbidden, NotFound, StreamNotFound
from sightline.core.openapi import gives, refusals
from sightline.inference.place import InferenceOptions, ModelFacts
from sightline.security.authorization import needs
from sightline.server.kept_file import KeptFile
from sightline.server.state import state_of

router = APIRouter()

WEB = Path(__file__).parents[2] / "web"
RUNTIME = WEB / "vendor" / "ort.wasm.min.mjs"
FREE = frozenset(
    (
        *("apache-2.0", "mit", "mit-0", "bsd-2-clause", "bsd-3-clause", "isc", "zlib", "0bsd", "unlicense", "cc0-1.0"),
        *("cc-by-4.0", "cc-by-sa-4.0", "mpl-2.0", "bsl-1.0"),
    )
)
"""Licences, as SPDX writes them in small letters, under which anybody may hand a model on as it is."""


class PortableModel(BaseModel):
    """A model as a page runs it. A value of the input is (pixel * scale - mean) / std."""

    name: str
    family: str
    task: str
    labels: list[str]
    input: str
    """The input's name; it is 1 x 3 x height x width."""
    channels_last: bool
    """Or 1 x height x width x 3."""
    dtype: str
    width: int
    height: int
    fit: str
    """stretch, letterbox (the picture at the top left on grey 114) or centre (in the middle of it)."""
    order: str
    """rgb or bgr."""
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    decode: str
    """The function of ``web/infer/decode.js`` that reads the outputs."""
    details: dict[str, str | int | None]
    """What that function has to know of them."""
    confidence: float
    iou: float
    max_detections: int
    shown: list[int] | None
    """The classes that are shown; null for all."""
    file: str
    """Where the ONNX file is fetched."""
    size_bytes: int


class InBrowser(BaseModel):
    """Whether a stream's camera page may run its model itself, and how."""

    runtime: bool
    """Whether ONNX Runtime Web is in this build."""
    model: PortableModel | None
    reason: str
    """Why not, in a sentence; else empty."""


@router.get(
    "/api/streams/{stream}/in-browser",
    tags=["streams"],
    responses=refusals(BadRequest, StreamNotFound),
    dependencies=[needs("publish")],
)
async def in_browser(request: Request, stream: str) -> InBrowser:
    """Whether the camera page of a stream may run the stream's model itself, and how."""
    hub = state_of(request).hub
    found = hub.find(stream)
    if not RUNTIME.is_file():
        return InBrowser(runtime=False, model=None, reason="In-browser mode is not in this build, made without npm.")
    model = found.model.next_worker.model
    reason = _why_not(model, hub.settings.browser_models)
    size, asked = hub.model_switch.unadapted(found)
    described = None if reason or model is None else describe_model(model, asked, size)
    return InBrowser(runtime=True, model=described, reason=reason)


@router.get(
    "/api/models/{name}/file",
    tags=["models"],
    response_class=FileResponse,
    responses=gives("application/octet-stream") | {304: {"description": "Unchanged."}} | refusals(NotFound),
    dependencies=[needs()],
)
def model_file(request: Request, name: str) -> Response:
    """The ONNX file of a model that runs, for pages that run it themselves; only where its licence permits that."""
    hub = state_of(request).hub
    loaded = (one.worker.model for one in hub.pool.models)
    model = next((model for model in loaded if model is not None and model.card.name == name), None)
    if model is None:
        raise NotFound(f"model {name[:80]!r}: expected one that runs here")
    reason = _why_not(model, hub.settings.browser_models)
    if reason:
        raise Forbidden(reason)
    path = Path(str(model.card.path))
    try:
        found = path.stat()
    except FileNotFoundError:
        raise NotFound(f"the file of model {name[:80]!r} was deleted") from None
    etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return KeptFile(path, media_type="application/octet-stream", headers=headers)


def _why_not(model: ModelFacts | None, allowed: Literal["off", "free", "all"]) -> str:
    """Why pages may not run this model, in a sentence; empty where they may."""
    if allowed == "off":
        return "Whoever runs the server has switched in-browser mode off."
    if model is None:
        return "The model is loading."
    card = model.card
    path = Path(card.path or "")
    if model.portable is None or path.suffix.lower() != ".onnx" or not path.is_file():
        return f"The model {card.name} is of a kind ({card.family}) that pages can't run; the server does."
    if allowed == "free" and card.licence.strip().lower() not in FREE:
        return (
            f"The model {card.name} stays on the server: its licence ({card.licence[:60] or 'unknown'}) is not known "
            "to let it be handed on. Who may do so starts the server with --browser-models all."
        )
    return ""


def describe_model(
    model: ModelFacts, asked: InferenceOptions, size: tuple[int, int] | None = None
) -> PortableModel | None:
    """How a page runs a model with what is asked of it; None where no page can.

    ``size``: width and height of the input, where they are others than the model has here.
    """
    portable = model.portable
    if portable is None:
        return None
    card, options = model.card, asked.options
    width, height = size or portable.size
    return PortableModel(
        name=card.name,
        family=card.family,
        task=card.task,
        labels=list(card.labels),
        input=portable.input.name,
        channels_last=portable.input.shape[1] != 3,
        dtype=portable.input.dtype,
        width=width,
        height=height,
        fit=portable.fit,
        order=portable.order,
        scale=portable.scale,
        mean=portable.mean,
        std=portable.std,
        decode=portable.decode,
        details=dict(portable.details),
        confidence=options.confidence,
        iou=options.iou,
        max_detections=options.max_detections,
        shown=None if asked.shown is None else sorted(asked.shown),
        file=f"/api/models/{quote(card.name, safe='')}/file",
        size_bytes=card.size_bytes,
    )
