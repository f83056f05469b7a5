"""The HTTP API of share links: made by who may export, and open to whoever has one, for one clip and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound, Shortage
from sightline.core.openapi import gives, refusals
from sightline.core.types import check_stream_name
from sightline.recordings.exports import Export
from sightline.recordings.shares import GONE, LONGEST_S, SharedTime
from sightline.security.authentication import address_of
from sightline.security.authorization import Close, access_of, needs
from sightline.server.api.exports import MEDIA, MOST_S
from sightline.server.api.recorded import Moment, recordings_of
from sightline.server.kept_file import KeptFile
from sightline.server.state import state_of
from sightline.transports._results import Watch
from sightline.transports.websocket.playback import play
from sightline.transports.websocket.session import Socket, open_session

router = APIRouter(tags=["recordings"])
AHEAD_S = 300.0
"""How far a shared time may reach into what is still to come, as that of a clip just saved does."""
USUAL_S = 7 * 86400
MOST_DOWNLOADS = 4
"""Clips that are made and sent to those who have links, at a time."""
MOST_DOWNLOADS_EACH = 2
"""Of those to one address: whoever reads slowly leaves some for others."""


class ShareWish(BaseModel):
    """What to share, and for how long."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[Moment, Field(alias="from")]
    """Seconds since 1970, as `to`."""
    to: Moment
    expires_s: Annotated[float, Field(strict=True, ge=60, le=LONGEST_S)] = USUAL_S
    """Seconds after which the link ends."""
    export: Annotated[str, Field(max_length=80)] | None = None
    """An export of the stream, whose file is shared in place of the recording; its time counts then."""


class ShareReport(BaseModel):
    """A share, for those who may take it back. Times are seconds since 1970."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    stream: str
    from_: float = Field(validation_alias="from", serialization_alias="from")
    to: float
    export: str | None
    made_at: float
    ends_at: float
    by: str
    """Id of the token of whoever made it; empty where the server asks for none."""
    path: str
    """The link, below the server's address. Whoever has it sees what is shared."""


class ShareList(BaseModel):
    """Newest first."""

    shares: list[ShareReport]


class SharedClip(BaseModel):
    """What a link gives."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    """What people call the stream."""
    from_: float = Field(validation_alias="from", serialization_alias="from")
    to: float
    ends_at: float
    plays: bool
    """Whether there is a recording to be played; else there is only a file."""
    file: str
    """Path of the file."""


@router.post(
    "/api/recordings/{stream}/shares",
    status_code=201,
    responses=refusals(BadRequest, BadSetting, LimitReached, NotFound, Shortage),
    dependencies=[needs("admin")],
)
async def add(request: Request, stream: str, wish: ShareWish) -> ShareReport:
    """Make a link with which anybody sees one recorded time, at most six hours, until the link ends.

    It needs the rights to view and to publish the stream, as admins of it have them.
    """
    check_stream_name(stream)
    start, end = wish.from_, wish.to
    if wish.export is not None:
        export = state_of(request).exports.get(wish.export)
        if export.stream != stream or export.state != "done":
            raise NotFound(f"stream {stream!r} has no export {wish.export[:40]!r} that is done")
        start, end = export.start, export.end
    if not 0 < end - start <= MOST_S or end > time.time() + AHEAD_S:
        raise BadRequest(
            f"from {start:.3f} to {end:.3f}: expected from < to, at most {MOST_S} seconds, and no time to come"
        )
    if wish.export is None and not await asyncio.to_thread(recordings_of(request).segments, stream, start, end):
        raise NotFound(f"nothing is recorded of stream {stream!r} from {start:.0f} to {end:.0f}")
    if wish.export is not None:
        await state_of(request).exports.share(export, max(export.shared_until, time.time() + wish.expires_s))
    by = access_of(request).require(request, "admin", stream=stream).id
    shares = state_of(request).shares
    return _report(
        request, await shares.add(stream, start, end, lifetime=wish.expires_s, export=wish.export or "", by=by)
    )


@router.get("/api/shares", dependencies=[needs()])
async def shares(request: Request) -> ShareList:
    """All links that have not ended, of the streams whose admin one is."""
    own = access_of(request).require(request, stream=None)
    found = [one for one in state_of(request).shares if own.may("admin", one.stream)]
    return ShareList(shares=[_report(request, one) for one in found])


@router.delete("/api/shares/{id}", status_code=204, responses=refusals(NotFound, Shortage))
async def remove(request: Request, id: str) -> Response:
    """Take a link back, at once, also from those who look at it now."""
    access = access_of(request)
    own = access.require(request, stream=None)
    access.check(own, "admin", stream=own.stream)
    share = state_of(request).shares.get(id)
    if not own.may("admin", share.stream):
        raise NotFound(f"there is no share {id[:40]!r}")
    await state_of(request).shares.remove(share)
    if share.export:
        with suppress(NotFound):  # it was deleted
            others = (one.ends_at for one in state_of(request).shares if one.export == share.export)
            exports = state_of(request).exports
            await exports.share(exports.get(share.export), max(others, default=0.0))
    return Response(status_code=204)


@router.get("/api/shared/{link}", responses=refusals(NotFound, LimitReached))
async def shared(request: Request, link: str) -> SharedClip:
    """What a link gives. It needs no token: the link is enough, for this clip and for nothing else."""
    share = share_of(request, link)
    _export_of(request, share)
    name = state_of(request).hub.cameras.display_name(share.stream)
    path = f"/api/shared/{link}/file"
    return SharedClip(
        name=name, from_=share.start, to=share.end, ends_at=share.ends_at, plays=not share.export, file=path
    )


@router.get(
    "/api/shared/{link}/file",
    response_class=FileResponse,
    responses=gives(*MEDIA.values()) | refusals(NotFound, LimitReached, Shortage),
)
async def shared_file(request: Request, link: str) -> FileResponse:
    """The clip of a link as a file: an MP4 as recorded, or the export that is shared."""
    share, state = share_of(request, link), state_of(request)
    watch = partial(state.shares.watch, share)
    if (export := _export_of(request, share)) is not None:
        return _file(state.exports.file(export), share, watch)
    who, downloads = address_of(request, proxied=state.proxied), state.shares.downloads
    if downloads.total() >= MOST_DOWNLOADS or downloads[who] >= MOST_DOWNLOADS_EACH:
        raise LimitReached(f"{downloads.total()} clips are being fetched by links: expected another try in a minute")

    def over() -> None:
        downloads[who] -= 1
        if not downloads[who]:
            del downloads[who]

    downloads[who] += 1
    try:
        return _file(await state.exports.cut(share.stream, share.start, share.end, inside=True), share, watch, over)
    except BaseException:
        over()
        raise


def _export_of(request: Request, share: SharedTime) -> Export | None:
    """Return the export that a link gives; None where it gives a recording. Raises NotFound where it was deleted."""
    try:
        return state_of(request).exports.get(share.export) if share.export else None
    except NotFound:
        raise NotFound(GONE) from None


def _file(path: Path, share: SharedTime, watch: Watch, over: Callable[[], None] | None = None) -> FileResponse:
    name, kind = f"clip-{share.start:.0f}{path.suffix}", MEDIA[path.suffix]
    headers = {"Cache-Control": "no-store"}
    response: SharedFile
    if over is None:
        response = SharedFile(path, media_type=kind, filename=name, headers=headers)
    else:
        response = PassingFile(path, media_type=kind, filename=name, headers=headers)
        response.over = over
    response.watch = watch
    return response


class SharedFile(KeptFile):
    """A file that is sent for a link."""

    watch: Watch
    """Calls what it is given when the link ends."""

    def _watch(self, scope: Scope, close: Close) -> Callable[[], None]:
        return self.watch(close)


class PassingFile(SharedFile):
    """A file that was made for one answer."""

    over: Callable[[], None]
    """Called in the end."""

    async def _opened(self) -> None:
        with suppress(OSError):  # where an open file can't be deleted, it is in the end
            await asyncio.to_thread(Path(self.path).unlink)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and delete it however that ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.over()
            await asyncio.to_thread(Path(self.path).unlink, missing_ok=True)


@router.websocket("/ws/shared/{link}")
async def shared_playback(ws: WebSocket, link: str) -> None:
    """The clip of a link as ``/ws/playback`` sends recordings: nothing before it, nothing after it."""

    async def run(socket: Socket) -> None:
        share, state = share_of(ws, link), state_of(ws)
        if share.export:
            raise NotFound("this link gives a file alone")
        span = share.start, share.end
        who = address_of(ws, proxied=state.proxied)
        await play(ws, socket, state.shared_player, who, share.stream, span, partial(state.shares.watch, share))

    await open_session(ws, run)


def share_of(connection: HTTPConnection, link: str) -> SharedTime:
    """Return the share of a link. Raises NotFound, or LimitReached for who has tried too many that were none."""
    state = state_of(connection)
    address = address_of(connection, proxied=state.proxied)
    state.tries.check(address, link)
    try:
        share = state.shares.find(link)
    except NotFound:
        state.tries.wrong(address, link)
        raise
    state.tries.right(link)
    return share


def _report(request: Request, one: SharedTime) -> ShareReport:
    return ShareReport(
        id=one.id,
        stream=one.stream,
        from_=one.start,
        to=one.end,
        export=one.export or None,
        made_at=one.made_at,
        ends_at=one.ends_at,
        by=one.by,
        path=f"/share/{state_of(request).shares.link(one)}",
    )
