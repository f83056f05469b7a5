"""The HTTP API of imports: clips on the server's own disk that become recordings. For admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound, SourceError
from sightline.core.openapi import refusals
from sightline.core.types import check_stream_name
from sightline.security.authorization import needs
from sightline.server.imports import Import, ImportState
from sightline.server.state import state_of

router = APIRouter(tags=["recordings"])


class AskedImport(BaseModel):
    """What to import."""

    model_config = ConfigDict(extra="forbid")

    stream: Annotated[str, Field(strict=True, max_length=200)]
    """Whose recording they become; it need not be there."""
    path: Annotated[str, Field(strict=True, min_length=1, max_length=2000)]
    """A file or a folder, below the folder `media_folder` of the settings."""
    model: Annotated[str, Field(strict=True, min_length=1, max_length=200)] | None = None
    """The name of a model that `GET /api/models` calls usable; null for the server's."""


class FileOutcome(BaseModel):
    """What became of a file."""

    name: str
    at: float | None
    """When it begins, seconds since 1970."""
    by: str
    """What says so: the file, its name, or when it was last written."""
    frames: int
    segments: int
    """0 where it was not imported."""
    why: str
    """Why it was not imported, or what to know of it."""


class ImportDetail(BaseModel):
    """An import: how far it is."""

    id: str
    stream: str
    path: str
    model: str
    state: ImportState
    made_at: float
    name: str
    """The file at work, of which `frames` are done, of `total` as it says itself."""
    frames: int
    total: int | None
    imported: int
    """Files that are listed now."""
    refused: int
    """Files that could not be."""
    files: list[FileOutcome]
    """The first 1,000."""
    why: str
    """Why it failed."""


class ImportList(BaseModel):
    """Newest first."""

    imports: list[ImportDetail]


@router.post(
    "/api/imports",
    status_code=201,
    responses=refusals(BadRequest, BadSetting, LimitReached, SourceError),
    dependencies=[needs("admin")],
)
async def add(request: Request, asked: AskedImport) -> ImportDetail:
    """Make a recording, with what a model finds, of clips on the server's disk. One import at a time.

    Each clip is listed at the time it was taken, whole or not at all, and protected.
    """
    found = await state_of(request).imports.add(check_stream_name(asked.stream), asked.path, asked.model)
    return _detail(found)


@router.get("/api/imports", dependencies=[needs("admin")])
async def imports(request: Request) -> ImportList:
    """The last 16."""
    return ImportList(imports=[_detail(one) for one in state_of(request).imports])


@router.get("/api/imports/{id}", responses=refusals(NotFound), dependencies=[needs("admin")])
async def import_(request: Request, id: str) -> ImportDetail:
    """How far it is."""
    return _detail(state_of(request).imports.get(id))


@router.delete("/api/imports/{id}", status_code=204, responses=refusals(NotFound), dependencies=[needs("admin")])
async def delete(request: Request, id: str) -> Response:
    """Forget it, or stop it: what was imported by then stays."""
    known = state_of(request).imports
    await known.remove(known.get(id))
    return Response(status_code=204)


def _detail(one: Import) -> ImportDetail:
    return ImportDetail.model_validate(one, from_attributes=True)
