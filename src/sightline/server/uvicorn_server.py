"""HTTP server: uvicorn with time limits on requests, small send buffers, and a shutdown that tells clients why."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import uvicorn
from fastapi import FastAPI

from sightline.core.errors import FAULTS, cancelled, told
from sightline.security.connections import OpenConnection
from sightline.server.endpoint import certificate_of, listen, url
from sightline.server.service_manager import ServiceManager
from sightline.server.state import state_of
from sightline.server.tunnel import Tunnel
from sightline.server.uvicorn_http import TimedHttp
from sightline.server.uvicorn_websocket import FAREWELL_S, TimedWebSocket
from sightline.settings.environment import notify_socket
from sightline.settings.settings import Settings
from sightline.transports._listener import Listener

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 40
"""Seconds for which an idle connection is kept.

This is longer than HTTP clients keep theirs (5 s, 15 s) and matches no common polling interval: a request that is sent
while we close would be lost.
"""
DRAIN_S = 1.0
STOP_S = 2
WATCH_S = 0.5
"""Seconds between two looks at whether the server can go on, of which the service manager is told."""
SEEN_S = 1.0
"""Seconds for which /health says that the server is about to end."""
FAILED = 2
"""Status of the process where the server ended with a reason."""


OnReady: TypeAlias = Callable[[str, str | None], None]


class _Config(uvicorn.Config):
    """uvicorn's configuration, with a TLS context that we keep current ourselves."""

    tls: ssl.SSLContext | None = None

    def load(self) -> None:
        super().load()
        self.ssl = self.tls


def _failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what failed on the loop: in one line where it is a peer's connection, such as TLS that is none."""
    error = context.get("exception")
    if isinstance(error, OSError) or (error is not None and _is_webrtcs(context.get("future"))):
        log.info("a connection failed: %s", told(error))
    else:
        loop.default_exception_handler(context)


def _is_webrtcs(future: object) -> bool:
    """Return whether a task is one of aiortc's own.

    Nobody waits for these, and a peer that leaves while its connection is being made is an error to them.
    """
    code = getattr(future.get_coro(), "cr_code", None) if isinstance(future, asyncio.Task) else None
    return code is not None and Path(code.co_filename).parent.name in ("aiortc", "aioice")


class Server(uvicorn.Server):
    """Server of one app. ``on_ready`` is called with its URL and that for TCP once it accepts connections."""

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        on_ready: OnReady | None = None,
        on_public: Callable[[str], None] | None = None,
        on_end: Callable[[int], None] = lambda status: None,
    ) -> None:
        """``on_public`` is called with the tunnel's address once it is known. ``on_end`` is called when the end begins,
        with the status for the process, in a signal handler too. Raises ConfigError.
        """
        super().__init__(
            _Config(
                app,
                host=settings.host,
                port=settings.port,
                http=TimedHttp,
                ws=TimedWebSocket,
                ws_per_message_deflate=False,
                # slightly above our own limit, so that ours answers with a reason
                ws_max_size=settings.max_message_bytes + 64 * 1024,
                ws_ping_interval=settings.idle_timeout / 3,
                ws_ping_timeout=settings.idle_timeout * 2 / 3,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=STOP_S,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        assert isinstance(self.config, _Config)
        self._config = self.config
        self._state = state_of(app)
        self._settings = settings
        self._on_ready = on_ready
        self._on_public = on_public
        self._on_end = on_end
        self.failure: str | None = None
        """Reason why the server stopped by itself; None if it did not."""
        self._certificate = certificate_of(settings)
        self._tunnel = Tunnel(settings.tunnel) if settings.tunnel is not None else None
        self._service_manager = ServiceManager(notify_socket())
        self._watching: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []
        self._tunnelling: asyncio.Task[None] | None = None

    def serve_forever(self) -> None:
        """Serve until a signal or a failure; ``failure`` is set in the latter case."""
        host = self._settings.host
        secure = ""
        if self._certificate is not None:
            secure = "s"
            self._config.tls = self._state.tls = self._certificate.context()
            self._state.certificate = self._certificate
        listener = listen(host, self._settings.port, option="--port")
        self._port = listener.getsockname()[1]
        self._urls: tuple[str, str | None] = url(f"http{secure}", listener), None
        if self._settings.tcp_port is not None:
            tcp = self._state.tcp_listener = listen(host, self._settings.tcp_port, option="--tcp-port")
            self._urls = self._urls[0], url(f"tcp{secure}", tcp)
        with listener:
            self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, and watch over it from then on."""
        asyncio.get_running_loop().set_exception_handler(_failed)
        uvicorn_log = logging.getLogger("uvicorn.error")
        uvicorn_log.disabled = True  # it would write a traceback of Starlette's
        try:
            with suppress(SystemExit):  # which is how it says that the app did not start
                await super().startup([])  # uvicorn itself opens no listener
        finally:
            uvicorn_log.disabled = False
        if not self.started:
            self._fail(self._state.not_started or "the app did not start")
        elif self._listens(sockets or []):
            self._state.lan.begin(self._listener, self._state.hub.supervisor)
            if self._on_ready is not None:
                self._on_ready(*self._urls)
            self._service_manager.ready()
            self._watching = asyncio.create_task(self._watch())
            if self._tunnel is not None:
                self._tunnelling = asyncio.create_task(self._keep_tunnel(self._tunnel))

    def _listens(self, sockets: list[socket.socket]) -> bool:
        """Accept connections. False where another program was faster to take the port."""
        try:
            self._listeners = [self._listener(bound, self._config.tls) for bound in sockets]
        except OSError as e:
            self._fail(f"can't listen on {self._urls[0]}: {e.strerror}")
        return not self.should_exit

    def _listener(self, bound: socket.socket, tls: ssl.SSLContext | None, opening: int = 0) -> Listener:
        def protocol(connection: OpenConnection) -> asyncio.BaseProtocol:
            return TimedHttp(
                self.config,
                self.server_state,
                self.lifespan.state,
                connection=connection,
                settings=self._settings,
            )

        return Listener(
            bound,
            self._state.connections,
            protocol,
            tls=tls,
            handshake_s=self._settings.request_timeout,
            shutdown_s=FAREWELL_S,
            opening=opening,
        )

    async def _keep_tunnel(self, tunnel: Tunnel) -> None:
        try:
            async with tunnel.open(self._port) as public_url:
                self._state.public_url = public_url
                if self._on_public is not None:
                    self._on_public(public_url)
                await tunnel.ended()
        except FAULTS as e:
            if cancelled(e):
                raise
            if not self.should_exit:
                self._fail(told(e))

    async def _watch(self) -> None:
        """Tell the service manager that all is well, and end the server where it can't mend itself.

        Whoever started it can start it anew. Where this task or the loop hangs, the service manager hears nothing.
        """
        try:
            while (why := self._hopeless) is None:
                self._service_manager.alive(self._state.unready or "frames get results")
                await asyncio.sleep(WATCH_S)
            await asyncio.sleep(SEEN_S)
        except FAULTS as e:
            if cancelled(e):
                raise
            why = told(e)
        self._fail(why)

    @property
    def _hopeless(self) -> str | None:
        if getattr(self.lifespan, "error_occurred", False):
            return "the app's lifespan ended"
        return self._state.hopeless

    def _fail(self, why: str) -> None:
        log.critical("the server ends: %s", why)
        self.failure = why
        self.should_exit = True
        self._on_end(FAILED)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell every peer why, give them a moment to receive it, then close."""
        if self._watching is not None:
            self._watching.cancel()
        self._service_manager.stopping()
        self._state.hub.close("the server is shutting down")
        self._state.lan.stop()
        for listener in self._listeners:
            listener.close()
        if self.server_state.tasks:  # sessions end by themselves once their mailboxes are closed
            await asyncio.wait(self.server_state.tasks, timeout=DRAIN_S)
        await super().shutdown(sockets)
        if self._tunnelling is not None:  # last, as messages to the tunnel's peers go through it
            self._tunnelling.cancel()
            await asyncio.wait([self._tunnelling])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order, with status 0. A second signal changes nothing: recordings have an end to write."""
        if not self.should_exit:
            self.should_exit = True
            self._on_end(0)
