"""State that the parts of a server share. It is made with the app, and filled in as the server comes up."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from sightline.core.turns import Turns
from sightline.discovery.search import Search
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs._kept import KeptOutputs
from sightline.recordings.exports import Exports
from sightline.recordings.shares import Shares
from sightline.security.authentication import Tries
from sightline.security.authorization import Access
from sightline.security.connections import Connections
from sightline.security.tls import Certificate
from sightline.server.downloads import Downloads
from sightline.server.imports import Imports
from sightline.server.lan import LanMode
from sightline.server.live_settings import LiveSettings
from sightline.server.push import Push
from sightline.server.traces import Traces
from sightline.server.uploads import Uploads
from sightline.streams.clip_trial import ClipTrials
from sightline.streams.history import Histories
from sightline.streams.hub import Hub
from sightline.streams.predictor import Predictor
from sightline.streams.rendering import Drawing
from sightline.streams.replays import Replays
from sightline.streams.source_trial import SourceTrials
from sightline.transports.websocket.playback import Player

if TYPE_CHECKING:  # who has one server doesn't wait for its libraries
    from sightline.server.hubs.hubs import Hubs

MODELS = "models"
"""Name of the task without which no frame gets a result."""


@dataclass(slots=True)
class ServerState:
    """One app's state. The hub, the drawing and the outputs are there while the app runs."""

    settings: LiveSettings
    access: Access
    tries: Tries
    """Wrong tokens by address."""
    connections: Connections
    """Connections of all listeners."""
    lan: LanMode
    """Opens the server to the local network while it runs."""
    proxied: bool
    """True where a program on this machine passes requests on, and says for whom it asks."""
    public_url: str | None
    """Address under which others reach the server; a tunnel's once it is known."""
    tcp_listener: socket.socket | None = None
    """Bound socket for TCP clients, where there is to be one."""
    certificate: Certificate | None = None
    """Certificate that the server shows; None for plain HTTP."""
    tls: ssl.SSLContext | None = None
    """TLS context of the server; None for plain HTTP."""
    started_at: float = 0.0
    """``time.monotonic()`` at the start."""
    examinations: Turns = field(
        default_factory=lambda: Turns(1, "the doctor is at work: expected one examination at a time")
    )
    not_started: str | None = None
    """Why the app could not start; None where it did."""
    thumbnails: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Recorded pictures that are made at a time."""
    hub: Hub = field(init=False)
    drawing: Drawing = field(init=False)
    predictor: Predictor = field(init=False)
    clips: ClipTrials = field(init=False)
    histories: Histories = field(init=False)
    source_trials: SourceTrials = field(init=False)
    search: Search = field(default_factory=Search)
    """For cameras in this network."""
    downloads: Downloads = field(init=False)
    uploads: Uploads = field(init=False)
    outputs: list[Dispatcher] = field(init=False)
    """One for each output of the settings file."""
    kept_outputs: KeptOutputs = field(init=False)
    """Outputs that were added while the server ran."""
    push: Push = field(init=False)
    exports: Exports = field(init=False)
    replays: Replays = field(init=False)
    imports: Imports = field(init=False)
    traces: Traces | None = None
    """What traces frames; None where nobody asked for it."""
    hubs: Hubs | None = None
    """The hubs of the cluster; None where this server works alone."""
    shares: Shares = field(init=False)
    shared_player: Player = field(init=False)
    """For those who have a link: they take nothing from those who have a right."""

    @property
    def dispatchers(self) -> list[Dispatcher]:
        """One for each output."""
        return [*self.outputs, *self.kept_outputs.dispatchers.values()]

    @property
    def shown_certificate(self) -> Certificate | None:
        """Certificate that others see: the server's, or that of LAN mode; None where all is plain HTTP."""
        return self.certificate or self.lan.certificate

    @property
    def hopeless(self) -> str | None:
        """Why the server can't mend itself, so that it has to be started anew; None while all is well."""
        own = self.hub.pool.own
        return self.hub.supervisor.given_up or (None if own.waits else own.worker.failure)

    @property
    def unready(self) -> str | None:
        """Why frames get no results; None while they do, or nobody sends any."""
        troubles = self.hub.supervisor.troubles
        return self.hub.stopping or self.hopeless or troubles.get(MODELS) or self.hub.worker.unready

    def why_unready(self) -> str:
        """Why frames get no results; empty while they do."""
        return self.unready or ""

    @property
    def tcp_port(self) -> int | None:
        """Port for TCP clients; None where there is none."""
        return None if self.tcp_listener is None else int(self.tcp_listener.getsockname()[1])

    @property
    def troubles(self) -> dict[str, str]:
        """What fails at the moment, and why: tasks, outputs, and parts of streams."""
        found = self.hub.supervisor.troubles
        for one in [*self.dispatchers, *self.push.dispatchers]:
            if one.trouble is not None:
                found.setdefault(f"output {one.output.name}", one.trouble)
        if self.hub.journal is not None and self.hub.journal.failing is not None:
            found["events"] = self.hub.journal.failing
        if (recordings := self.hub.listeners.recordings) is not None and recordings.stopped is not None:
            found["recordings"] = recordings.stopped
        if self.hub.cameras.problem is not None:
            found["what was changed in cameras.json"] = self.hub.cameras.problem
        if self.kept_outputs.problem is not None:
            found["what was changed in outputs.json"] = self.kept_outputs.problem
        found |= {} if self.hubs is None else self.hubs.troubles
        for stream in self.hub.streams.values():
            found |= {f"stream {stream.name}: {part}": why for part, why in stream.failing.items()}
        return found


def state_of(where: FastAPI | HTTPConnection) -> ServerState:
    """The state of an app, or of the app that serves a request."""
    app = where.app if isinstance(where, HTTPConnection) else where
    state: ServerState = app.state.server
    return state
