"""The HTTP server: uvicorn with a time limit on requests, small send buffers, and a stop that tells clients why."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sightline.config import Settings
from sightline.errors import ConfigError
from sightline.hub import Hub

SEND_BUFFER = 128 * 1024
"""Bytes the kernel may keep for one peer: its default hides megabytes, which are seconds of lag."""
DRAIN_S = 1.0
STOP_S = 2
FAREWELL_S = 3.0


def http_protocol(timeout: float) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP protocol, which closes a connection whose request has not wholly arrived in time."""

    class TimedHttp(HttpToolsProtocol):
        _unfinished: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._unfinished = self.loop.call_later(timeout, transport.abort)

        def data_received(self, data: bytes) -> None:
            if self._unfinished is None:  # the next request on a connection that is kept alive
                self._unfinished = self.loop.call_later(timeout, self.transport.abort)
            super().data_received(data)

        def on_message_complete(self) -> None:
            self._in_time()
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._in_time()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self) -> None:
            self._in_time()
            super().handle_websocket_upgrade()

        def _in_time(self) -> None:
            if self._unfinished is not None:
                self._unfinished.cancel()
                self._unfinished = None

    return TimedHttp


class TimedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which lets go of a peer that doesn't read its last words."""

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._abort_later()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def _abort_later(self) -> None:
        # close() waits until everything is sent, which a stalled peer can put off for ever
        self.loop.call_later(FAREWELL_S, self.transport.abort)


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """Bind an address. Raises ConfigError where that can't be done, naming the option that chooses another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR means something else
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # accepted sockets inherit it
    try:
        listener.bind((host, port))
    except OSError as e:
        listener.close()
        raise ConfigError(f"can't listen on {host}:{port}: {e.strerror}; choose another with {option}") from None
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def url(scheme: str, listener: socket.socket) -> str:
    """Where a person finds what listens there."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{shown}:{port}"


OnReady: TypeAlias = Callable[[str, str | None], None]


class Server(uvicorn.Server):
    """Serves one app. ``on_ready`` is called with its address, and that for TCP, once connections are taken."""

    def __init__(self, app: FastAPI, settings: Settings, on_ready: OnReady | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=http_protocol(settings.request_timeout),
                ws=TimedWebSocket,
                ws_per_message_deflate=False,
                # a little over our own limit, so that it is ours that answers with a reason
                ws_max_size=settings.max_message_bytes + 64 * 1024,
                ws_ping_interval=10.0,
                ws_ping_timeout=10.0,
                limit_concurrency=settings.max_streams + settings.max_viewers + 256,
                timeout_graceful_shutdown=STOP_S,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        self._app = app
        self._settings = settings
        self._on_ready = on_ready
        self.failure: str | None = None
        """Why the server stopped by itself."""

    def serve_forever(self) -> None:
        """Serve until a signal. ``failure`` then says whether it was one."""
        host = self._settings.host
        listener = listen(host, self._settings.port, option="--port")
        self._urls: tuple[str, str | None] = url("http", listener), None
        if self._settings.tcp_port is not None:
            tcp = self._app.state.tcp_listener = listen(host, self._settings.tcp_port, option="--tcp-port")
            self._urls = self._urls[0], url("tcp", tcp)
        self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and stop again if the model can't be loaded."""
        await super().startup(sockets)
        if self.started:
            if self._on_ready is not None:
                self._on_ready(*self._urls)
            self._watching = asyncio.create_task(self._watch_model())

    async def _watch_model(self) -> None:
        hub: Hub = self._app.state.hub
        await hub.worker.settled.wait()
        if hub.worker.failure is not None:
            self.failure = hub.worker.failure
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell every peer why, give them a moment to hear it, then close."""
        self._watching.cancel()
        hub: Hub = self._app.state.hub
        hub.close("the server is shutting down")
        for listener in self.servers:
            listener.close()
        if self.server_state.tasks:  # sessions end by themselves once their mailboxes are closed
            await asyncio.wait(self.server_state.tasks, timeout=DRAIN_S)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: stop in order, with status 0. Second: at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
