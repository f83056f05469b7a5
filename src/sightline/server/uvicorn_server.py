"""HTTP server: uvicorn with time limits on requests, small send buffers, and a shutdown that tells clients why."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sightline.core.errors import ConfigError, SightlineError
from sightline.core.net import is_address
from sightline.security import files as private
from sightline.security.tls import Certificate, Given
from sightline.server.state import state_of
from sightline.server.tunnel import Tunnel
from sightline.settings.settings import Settings, data_folder

SEND_BUFFER = 128 * 1024
"""Send buffer of each peer in bytes; the kernel's default hides megabytes, which are seconds of lag."""
KEEP_ALIVE_S = 40
"""Seconds for which an idle connection is kept.

This is longer than HTTP clients keep theirs (5 s, 15 s) and matches no common polling interval: a request that is sent
while we close would be lost.
"""
DRAIN_S = 1.0
STOP_S = 2
FAREWELL_S = 3.0


class Patience:
    """Aborts a connection when its peer has taken no data for ``seconds`` while some was waiting.

    Closing is not enough, as it waits until everything is sent. A peer that is only slow is left alone.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start the timer: writing is paused because the send buffer is full."""
        self._left = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._check)

    def end(self) -> None:
        """Stop the timer: writing resumes, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self.begin()
        else:
            self._transport.abort()


def http_protocol(settings: Settings) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP protocol, with time limits for a request to arrive and for a peer to read."""
    timeout = settings.request_timeout

    class TimedHttp(HttpToolsProtocol):
        _unfinished: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._patience = Patience(transport, settings.idle_timeout)
            self._unfinished = self.loop.call_later(timeout, transport.abort)

        def data_received(self, data: bytes) -> None:
            if self._unfinished is None:  # the next request on a keep-alive connection
                self._unfinished = self.loop.call_later(timeout, self.transport.abort)
            super().data_received(data)

        def on_message_complete(self) -> None:
            self._in_time()
            super().on_message_complete()

        def pause_writing(self) -> None:
            self._patience.begin()
            super().pause_writing()

        def resume_writing(self) -> None:
            self._patience.end()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._in_time()
            self._patience.end()
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
    """uvicorn's WebSocket protocol, which aborts a peer that neither reads nor answers pings.

    A ping queues behind the pictures that were sent before it, so on a slow link its answer may take longer than the
    ping timeout. While pictures are waiting, their progress is the sign of life instead.
    """

    _waited = False
    """True if writing was paused since the last ping."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = Patience(transport, (self.ping_interval or 0) + (self.ping_timeout or 0))

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._waited = True
        self._patience.begin()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._patience.end()
        super().resume_writing()

    def send_keepalive_ping(self) -> None:
        self._waited = not self.writable.is_set()
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        if self._waited:
            self._waited = not self.writable.is_set()
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0, self.keepalive_timeout)
        else:
            self.transport.abort()

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        if self.close_sent and message["type"] == "websocket.send":  # uvicorn would report an error of ours
            raise ClientDisconnected
        await super().send(message)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        # close() waits until everything is sent, which a stalled peer can delay for ever.
        self.loop.call_later(FAREWELL_S, self.transport.abort)


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """Bind an address. Raises ConfigError if that fails, naming the option that chooses another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR means something else
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # inherited by accepted sockets
    try:
        listener.bind((host, port))
    except OSError as e:
        listener.close()
        raise ConfigError(f"can't listen on {host}:{port}: {e.strerror}; choose another with {option}") from None
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def url(scheme: str, listener: socket.socket) -> str:
    """Address at which a person reaches the listener."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{shown}:{port}"


OnReady: TypeAlias = Callable[[str, str | None], None]


def certificate_of(settings: Settings) -> Certificate | None:
    """Certificate for these settings; None for plain HTTP. Raises ConfigError."""
    if settings.tls_cert is not None and settings.tls_key is not None:
        return Given(settings.tls_cert, settings.tls_key)
    if not settings.lan:
        return None
    from sightline.security.authority import Own  # who needs none doesn't wait for its library

    more = [ipaddress.ip_address(settings.host)] if is_address(settings.host) else []
    folder = data_folder(settings)
    private.make_folder(folder)
    return Own(folder / "tls", more=[a for a in more if not a.is_unspecified])


class _Config(uvicorn.Config):
    """uvicorn's configuration, with a TLS context that we keep current ourselves."""

    tls: ssl.SSLContext | None = None

    def load(self) -> None:
        super().load()
        self.ssl = self.tls


class Server(uvicorn.Server):
    """Server of one app. ``on_ready`` is called with its URL and that for TCP once it accepts connections."""

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        on_ready: OnReady | None = None,
        on_public: Callable[[str], None] | None = None,
    ) -> None:
        """``on_public`` is called with the tunnel's address once it is known. Raises ConfigError."""
        super().__init__(
            _Config(
                app,
                host=settings.host,
                port=settings.port,
                http=http_protocol(settings),
                ws=TimedWebSocket,
                ws_per_message_deflate=False,
                # slightly above our own limit, so that ours answers with a reason
                ws_max_size=settings.max_message_bytes + 64 * 1024,
                ws_ping_interval=settings.idle_timeout / 3,
                ws_ping_timeout=settings.idle_timeout * 2 / 3,
                timeout_keep_alive=KEEP_ALIVE_S,
                limit_concurrency=settings.max_streams + settings.max_viewers + 256,
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
        self.failure: str | None = None
        """Reason why the server stopped by itself; None if it did not."""
        self._certificate = certificate_of(settings)
        self._tunnel = Tunnel(settings.tunnel) if settings.tunnel is not None else None
        self._tasks: list[asyncio.Task[None]] = []
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
        self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, and stop again if the model can't be loaded."""
        await super().startup(sockets)
        if self.started:
            if self._on_ready is not None:
                self._on_ready(*self._urls)
            self._tasks = [asyncio.create_task(self._watch_model())]
            if self._certificate is not None and self._config.tls is not None:
                self._tasks.append(asyncio.create_task(self._certificate.keep(self._config.tls)))
            if self._tunnel is not None:
                self._tunnelling = asyncio.create_task(self._keep_tunnel(self._tunnel))

    async def _keep_tunnel(self, tunnel: Tunnel) -> None:
        try:
            async with tunnel.open(self._port) as public_url:
                self._state.public_url = public_url
                if self._on_public is not None:
                    self._on_public(public_url)
                await tunnel.ended()
        except SightlineError as e:
            if not self.should_exit:
                self.failure = e.message
                self.should_exit = True

    async def _watch_model(self) -> None:
        hub = self._state.hub
        await hub.worker.settled.wait()
        if hub.worker.failure is not None:
            self.failure = hub.worker.failure
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell every peer why, give them a moment to receive it, then close."""
        for task in self._tasks:
            task.cancel()
        self._state.hub.close("the server is shutting down")
        for listener in self.servers:
            listener.close()
        if self.server_state.tasks:  # sessions end by themselves once their mailboxes are closed
            await asyncio.wait(self.server_state.tasks, timeout=DRAIN_S)
        await super().shutdown(sockets)
        if self._tunnelling is not None:  # last, as messages to the tunnel's peers go through it
            self._tunnelling.cancel()
            await asyncio.wait([self._tunnelling])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order, with status 0, on the first signal; at once on the second."""
        self.force_exit = self.should_exit
        self.should_exit = True
