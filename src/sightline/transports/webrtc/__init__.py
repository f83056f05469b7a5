"""WebRTC: ``POST /whip/{stream}`` publishes (RFC 9725), ``POST /whep/{stream}`` watches.

aiortc is imported in a thread when the first peer comes, as that takes half a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, TypeAlias

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, WithJsonSchema
from starlette.exceptions import HTTPException

from sightline.core.errors import BadRequest, BadSetting, LimitReached, NotFound, StreamBusy, TooLarge
from sightline.core.openapi import Responses, gives, refusals, takes
from sightline.core.types import check_stream_name
from sightline.security.authorization import access_of, needs
from sightline.security.tokens import Role
from sightline.settings.presets import PRESETS, preset_named
from sightline.settings.settings import Settings
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing, Look, Mode, Opacity
from sightline.transports.webrtc.desk import Desk, WebRtcSession

MAX_SDP = 64 * 1024
"""Maximum size of an SDP body in bytes; browsers send 2 to 8 KB."""
SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"

WRONG_TYPE: Responses = {415: {"description": "A body of another media type."}}


def _one_of(*words: str) -> WithJsonSchema:
    """Describe a query's value. It is checked elsewhere, with a better message."""
    return WithJsonSchema({"type": "string", "enum": words})


Render: TypeAlias = Annotated[
    Annotated[str, _one_of("server", "viewer")] | None, Query(description="server: draw into the video; viewer: don't.")
]
Preset: TypeAlias = Annotated[
    Annotated[str, _one_of(*PRESETS)] | None, Query(description="What network the camera has.")
]
Results: TypeAlias = Annotated[
    str, _one_of("0", "1"), Query(description="0: the camera has no use for results itself.")
]
Again: TypeAlias = Annotated[
    str, Query(max_length=64, description="Random letters by which a camera takes over from its own last connection.")
]


class IceServers(BaseModel):
    """STUN or TURN servers, as browsers take them."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class WebRTC(BaseModel):
    """Whether WebRTC is available, the reason if not, and the ICE servers."""

    available: bool
    reason: str
    ice_servers: list[IceServers]
    receive_kbps: int
    """Maximum bit rate of a camera in kbit/s."""


@asynccontextmanager
async def serve(app: FastAPI, hub: Hub, drawing: Drawing) -> AsyncGenerator[None]:
    """Add the routes to the app."""
    desk = Desk(hub)

    @app.get("/api/webrtc", tags=["webrtc"], dependencies=[needs()])
    async def webrtc() -> WebRTC:
        """Availability and ICE servers, for a page to read before it tries WebRTC."""
        reason = desk.unavailable or ""
        return WebRTC(
            available=not reason,
            reason=reason,
            ice_servers=_ice_servers(hub.settings),
            receive_kbps=hub.settings.webrtc_receive_kbps,
        )

    @app.post(
        "/whip/{stream}",
        status_code=201,
        response_class=Response,
        tags=["webrtc"],
        responses=gives(SDP, status=201)
        | refusals(BadRequest, StreamBusy, TooLarge, BadSetting, LimitReached)
        | WRONG_TYPE,
        openapi_extra=takes(SDP),
        dependencies=[needs("publish")],
    )
    async def whip(
        stream: str, request: Request, results: Results = "1", preset: Preset = None, session: Again = ""
    ) -> Response:
        """Publish: the body is an SDP offer with the video that a camera sends; the answer is SDP."""
        if results not in ("0", "1"):
            raise BadRequest(f"results={results[:20]}: expected 0 or 1")
        chosen = preset_named(preset)
        identity = access_of(request).require(request, "publish", stream=check_stream_name(stream))
        offer = await _body(request, SDP)
        begun = await desk.publish(
            stream, offer, wants_results=results == "1", preset=chosen, session=session, token=identity.hash
        )
        begun.ends_with(access_of(request).watch(identity, begun.peer.end))
        return _created("whip", stream, begun, hub.settings)

    @app.post(
        "/whep/{stream}",
        status_code=201,
        response_class=Response,
        tags=["webrtc"],
        responses=gives(SDP, status=201) | refusals(BadRequest, TooLarge, LimitReached) | WRONG_TYPE,
        openapi_extra=takes(SDP),
        dependencies=[needs("view")],
    )
    async def whep(
        stream: str, request: Request, render: Render = None, mode: Mode = None, opacity: Opacity = None
    ) -> Response:
        """Watch: the body is an SDP offer to receive video. Without a data channel for results, they are drawn in."""
        if render not in (None, "viewer", "server"):
            raise BadRequest(f"render={render[:20]}: expected server or viewer")
        look = Look.of(mode, opacity)
        identity = access_of(request).require(request, "view", stream=check_stream_name(stream))
        offer = await _body(request, SDP)
        drawn = render == "server" if render else "m=application" not in offer
        session = await desk.watch(stream, offer, look if drawn else None, identity.hash)
        session.ends_with(access_of(request).watch(identity, session.peer.end))
        return _created("whep", stream, session, hub.settings)

    _session_routes(app, desk, "whip", "publish")
    _session_routes(app, desk, "whep", "view")
    async with desk:
        yield


def _session_routes(app: FastAPI, desk: Desk, kind: str, role: Role) -> None:
    """Add the routes that WHIP and WHEP share."""

    @app.options(
        f"/{kind}/{{stream}}",
        tags=["webrtc"],
        status_code=204,
        responses=refusals(BadRequest),
        operation_id=f"options_{kind}",
    )
    async def options(stream: str) -> Response:
        check_stream_name(stream)
        return Response(status_code=204, headers={"Accept-Post": SDP, "Allow": "OPTIONS, POST"})

    @app.delete(
        f"/{kind}/{{stream}}/{{session}}",
        response_class=Response,
        tags=["webrtc"],
        responses=refusals(NotFound),
        dependencies=[needs(role)],
        operation_id=f"delete_{kind}",
    )
    async def delete(stream: str, session: str) -> Response:
        """End a session."""
        found = desk.find(kind, stream, session)
        found.peer.end()
        await asyncio.wait([found.task])
        return Response(status_code=200)

    @app.patch(
        f"/{kind}/{{stream}}/{{session}}",
        tags=["webrtc"],
        status_code=204,
        responses=refusals(BadRequest, NotFound, TooLarge, BadSetting) | WRONG_TYPE,
        openapi_extra=takes(FRAGMENT),
        dependencies=[needs(role)],
        operation_id=f"patch_{kind}",
    )
    async def patch(stream: str, session: str, request: Request) -> Response:
        """Add ICE candidates of the peer (RFC 8840). ICE is not restarted: begin a new session for that."""
        found = desk.find(kind, stream, session)
        fragment = await _body(request, FRAGMENT)
        ufrags = [line.partition(":")[2] for line in fragment.splitlines() if line.startswith("a=ice-ufrag:")]
        if any(f"a=ice-ufrag:{given}" not in found.offer for given in ufrags):
            raise HTTPException(422, "another ice-ufrag than the offer's: ICE is not restarted, begin a new session")
        await found.peer.add_candidates(fragment)
        return Response(status_code=204)


async def _body(request: Request, kind: str) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != kind:
        raise HTTPException(415, f"Content-Type {given[:80] or 'missing'}: expected {kind}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_SDP:
            raise TooLarge(f"a body of more than {MAX_SDP} bytes: expected {kind}")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8: expected SDP") from None


def _created(kind: str, stream: str, session: WebRtcSession, settings: Settings) -> Response:
    response = Response(session.answer, status_code=201, media_type=SDP)
    response.headers["Location"] = f"/{kind}/{stream}/{session.id}"
    response.headers["ETag"] = f'"{session.id[:8]}"'
    response.headers["Accept-Patch"] = FRAGMENT
    response.headers["Cache-Control"] = "no-store"
    for server in _ice_servers(settings):
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username is not None:
                link += f'; username="{server.username}"; credential="{server.credential}"; credential-type="password"'
            response.headers.append("Link", link)
    return response


def _ice_servers(settings: Settings) -> list[IceServers]:
    return [
        IceServers(
            urls=list(server.urls),
            username=server.username,
            credential=None if server.credential is None else server.credential.get_secret_value(),
        )
        for server in settings.webrtc_ice_servers
    ]
