"""All WebRTC sessions of a server. aiortc is imported only when the first peer comes."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from sightline.core.errors import FAULTS, ConfigError, LimitReached, ShuttingDown, SightlineError, cancelled
from sightline.settings.presets import PresetName
from sightline.streams.hub import Hub
from sightline.streams.rendering import Look

if TYPE_CHECKING:
    from types import TracebackType

    from sightline.transports.webrtc.packing import RtpEncoders
    from sightline.transports.webrtc.peer import WebRtcPeer
    from sightline.transports.webrtc.udp_port import UdpPort

log = logging.getLogger(__name__)

PARTS = ("publishing", "watching")
RESERVE = 4
"""One of so many places is for others than the token that has most of them."""


@dataclass(eq=False)
class WebRtcSession:
    """The session of a peer whose offer was answered."""

    kind: str
    stream: str
    offer: str
    answer: str
    peer: WebRtcPeer
    task: asyncio.Task[None]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def ends_with(self, unwatch: Callable[[], None]) -> None:
        """Call ``unwatch`` when the session has ended."""
        self.task.add_done_callback(lambda _: unwatch())


class Desk:
    """Opens sessions, finds them again, and ends them when the server stops."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._sessions: dict[str, WebRtcSession] = {}
        self._tokens: Counter[str] = Counter()
        """Peers by the hash of their token, those whose offer is being answered among them."""
        self._encoders: RtpEncoders | None = None
        self._port: UdpPort | None = None
        self._no_port = ""

    async def __aenter__(self) -> Desk:
        await self._open_port()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sessions = list(self._sessions.values())
        for session in sessions:
            session.peer.end(ShuttingDown("the server is shutting down"))
        if sessions:
            await asyncio.wait([s.task for s in sessions])
        if self._encoders is not None:
            self._encoders.close()
        if self._port is not None:
            self._port.close()

    async def _open_port(self) -> None:
        """Open the port of the settings. Where that fails there is no WebRTC, and all else goes on."""
        settings = self._hub.settings
        if settings.webrtc_port is None or self.unavailable:
            return
        from sightline.transports.webrtc.udp_port import UdpPort

        self._port = UdpPort(settings.webrtc_port, map(str, settings.webrtc_hosts))
        try:
            await self._port.open()
        except ConfigError as e:
            self._no_port = e.message
            log.error("%s; there is no WebRTC", e.message)

    @property
    def unavailable(self) -> str | None:
        """Reason why WebRTC is not available; None if it is."""
        if not self._hub.settings.webrtc:
            return "WebRTC is switched off (setting webrtc)"
        if importlib.util.find_spec("aiortc") is None:
            return "aiortc is not installed: pip install aiortc"
        return self._no_port or None

    def find(self, kind: str, stream: str, session: str) -> WebRtcSession:
        """Find a live session. Raises HTTPException 404."""
        found = self._sessions.get(session)
        if found is None or (found.kind, found.stream) != (kind, stream):
            raise HTTPException(404, "no such session: it has ended, or never was")
        return found

    async def publish(
        self, stream: str, offer: str, *, wants_results: bool, preset: PresetName | None, session: str, token: str
    ) -> WebRtcSession:
        """Open a camera's session. Raises BadRequest, StreamBusy, LimitReached or ConfigError.

        ``token``: hash of the token by which it comes; empty where none is asked for.
        """

        async def begin(peer: WebRtcPeer, stack: AsyncExitStack) -> tuple[str, Any]:
            from sightline.transports.webrtc.publishing import WebRtcPublisher

            video = await peer.offered(offer, "recvonly")
            publishing = WebRtcPublisher(
                self._hub, peer, stream, wants_results=wants_results, preset=preset, session=session
            )
            stack.callback(publishing.leave)
            publishing.attach(video)
            return _limited(await peer.answer(), self._hub.settings.webrtc_receive_kbps), publishing

        return await self._begin("whip", stream, offer, begin, token)

    async def watch(self, stream: str, offer: str, look: Look | None, token: str) -> WebRtcSession:
        """Open a viewer's session, drawn by ``look`` or not at all. Raises BadRequest, LimitReached or ConfigError."""

        async def begin(peer: WebRtcPeer, stack: AsyncExitStack) -> tuple[str, Any]:
            from sightline.transports.webrtc.packing import encoders
            from sightline.transports.webrtc.watching import Watching

            if self._encoders is None:
                self._encoders = encoders(self._hub.settings.webrtc_send_kbps)
            video = await peer.offered(offer, "sendonly")
            subscription = await stack.enter_async_context(self._hub.subscribe(stream))
            watching = Watching(self._hub, peer, self._encoders, stream, look, subscription)
            watching.attach(video)
            return await peer.answer(), watching

        return await self._begin("whep", stream, offer, begin, token)

    async def _begin(self, kind: str, stream: str, offer: str, begin: Any, token: str) -> WebRtcSession:
        await self._load()
        from sightline.transports.webrtc.peer import WebRtcPeer

        self._check_room(token)
        self._tokens[token] += 1
        peer = WebRtcPeer(self._hub.settings, self._port)
        stack = AsyncExitStack()
        try:
            answer, served = await begin(peer, stack)
        except BaseException:
            self._count_out(token)
            await stack.aclose()
            await peer.close()
            raise
        task = asyncio.create_task(self._run(stack, kind, stream, peer, served))
        session = WebRtcSession(kind, stream, offer, answer, peer, task)
        self._sessions[session.id] = session
        task.add_done_callback(lambda _: self._end(session, token))
        return session

    def _check_room(self, token: str) -> None:
        """Raise LimitReached for a peer too many: of all, or of one token, which leaves some places to others."""
        most = self._hub.settings.webrtc_peers
        if self._tokens.total() >= most:
            raise LimitReached(f"{most} WebRTC peers are connected: the limit webrtc_peers is reached")
        of_token = most - most // RESERVE
        if token and self._tokens[token] >= of_token:
            raise LimitReached(
                f"{of_token} WebRTC peers have this token: the other places of webrtc_peers ({most}) are for others"
            )

    def _end(self, session: WebRtcSession, token: str) -> None:
        self._sessions.pop(session.id, None)
        self._count_out(token)

    def _count_out(self, token: str) -> None:
        self._tokens[token] -= 1
        if not self._tokens[token]:
            del self._tokens[token]

    async def _run(self, stack: AsyncExitStack, kind: str, stream: str, peer: WebRtcPeer, served: Any) -> None:
        """Run a session from its answer to its end. An error ends only this session."""
        who = "camera" if kind == "whip" else "viewer"
        try:
            async with stack:
                await served.run()
            log.info("stream %s: WebRTC %s left", stream, who)
        except SightlineError as e:
            log.info("stream %s: WebRTC %s closed: %s", stream, who, e.message)
        except FAULTS as e:
            if cancelled(e):
                raise
            log.exception("stream %s: WebRTC %s failed", stream, who)

    async def _load(self) -> None:
        """Import the modules that peers need, in a thread. Raises ConfigError."""
        why = self.unavailable
        if why is not None:
            raise ConfigError(why)
        for part in PARTS:
            await asyncio.to_thread(importlib.import_module, f"sightline.transports.webrtc.{part}")
        from sightline.transports.webrtc.strangers import keep_out

        keep_out()
        for name in ("aioice", "aiortc"):  # they log packets, ICE passwords, and a traceback for what they can't read
            logging.getLogger(name).setLevel(logging.ERROR)


def _limited(answer: str, kbps: int) -> str:
    """The answer with the bit rate that the peer may send."""
    head, mark, video = answer.partition("m=video")
    first, connection, rest = video.partition("c=IN ")
    address, _, tail = rest.partition("\r\n")
    return f"{head}{mark}{first}{connection}{address}\r\nb=AS:{kbps}\r\nb=TIAS:{kbps * 1000}\r\n{tail}"
