"""The HTTP API of small recorded pictures, for those who look for a moment."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from sightline.core.errors import BadRequest, BadSetting, NotFound
from sightline.core.openapi import gives, refusals
from sightline.core.types import check_stream_name
from sightline.recordings.playback import thumbnail
from sightline.recordings.shelf import FOLDER
from sightline.security.authorization import needs
from sightline.server.state import state_of
from sightline.settings.settings import data_folder

router = APIRouter(tags=["recordings"])


@router.get(
    "/api/recordings/{stream}/thumbnail.jpg",
    response_class=Response,
    responses=gives("image/jpeg") | refusals(NotFound, BadRequest, BadSetting),
    dependencies=[needs("view")],
)
async def recorded_thumbnail(
    request: Request,
    stream: str,
    at: Annotated[float, Query(ge=0, le=1e11)],
    width: Annotated[int, Query(ge=16, le=1920)] = 320,
) -> Response:
    """What was to be seen at a moment (seconds since 1970), or at the nearest at which something was recorded."""
    state = state_of(request)
    root = data_folder(state.hub.settings) / FOLDER
    async with state.thumbnails:
        data = await asyncio.to_thread(thumbnail, root, check_stream_name(stream), at, width)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})
