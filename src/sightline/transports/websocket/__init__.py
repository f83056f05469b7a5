"""WebSockets: ``/ws/camera/{stream}`` publishes, ``/ws/view/{stream}`` subscribes, ``/ws`` sends results and events.

``/ws/tiles`` sends small pictures of many streams, ``/ws/playback/{stream}`` what is recorded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.websockets import WebSocket

from sightline.security.authorization import access_of
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing
from sightline.transports.websocket.camera import publish
from sightline.transports.websocket.listener import listen
from sightline.transports.websocket.playback import Player, play
from sightline.transports.websocket.session import Socket, session
from sightline.transports.websocket.tiles import show
from sightline.transports.websocket.viewer import watch


@asynccontextmanager
async def serve(app: FastAPI, hub: Hub, drawing: Drawing) -> AsyncGenerator[None]:
    """Add the endpoints to the app."""
    player = Player(hub.settings)

    async def camera(ws: WebSocket) -> None:
        await session(ws, "publish", ws.path_params["stream"], lambda socket: publish(ws, socket, hub))

    async def view(ws: WebSocket) -> None:
        await session(ws, "view", ws.path_params["stream"], lambda socket: watch(ws, socket, hub, drawing))

    async def results(ws: WebSocket) -> None:
        await session(ws, "view", ws.query_params.get("stream"), lambda socket: listen(ws, socket, hub))

    async def tiles(ws: WebSocket) -> None:
        await session(ws, None, None, lambda socket: show(ws, socket, hub, drawing))

    async def playback(ws: WebSocket) -> None:
        name = ws.path_params["stream"]

        async def run(socket: Socket) -> None:
            who = access_of(ws).require(ws, stream=None).hash or (ws.client.host if ws.client else "")
            await play(ws, socket, player, who, name)

        await session(ws, "view", name, run)

    app.router.add_websocket_route("/ws/camera/{stream}", camera)
    app.router.add_websocket_route("/ws/view/{stream}", view)
    app.router.add_websocket_route("/ws/tiles", tiles)
    app.router.add_websocket_route("/ws", results)
    app.router.add_websocket_route("/ws/playback/{stream}", playback)
    try:
        yield
    finally:
        player.close()
