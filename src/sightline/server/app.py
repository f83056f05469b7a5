"""The web application: the hub in its lifespan, the pages, the API, the transports."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from fastapi import FastAPI

from sightline.core import registry
from sightline.core.errors import FAULTS, ConfigError, FolderInUse, SightlineError, told
from sightline.core.net import is_loopback
from sightline.core.version import __version__
from sightline.events.journal import Journal
from sightline.inference.offers import Offers
from sightline.inference.pool import LoadByKey, ModelPool
from sightline.outputs._kept import KeptOutputs
from sightline.outputs._service import dispatchers
from sightline.recordings.exports import Exports
from sightline.recordings.recordings import Recordings
from sightline.recordings.shares import Shares
from sightline.security import files, tls
from sightline.security.authentication import AuthenticationMiddleware, Tries
from sightline.security.authorization import Access
from sightline.security.connections import Connections
from sightline.security.data_version import check_data
from sightline.security.origin import OriginMiddleware
from sightline.security.tokens import Store
from sightline.server import errors, help_pages, pages
from sightline.server.api import (
    cameras,
    client_inference,
    diagnostics,
    discovery,
    event_clips,
    events,
    exports,
    history,
    hubs,
    imports,
    lan,
    models,
    openapi,
    outputs,
    predict,
    push,
    recorded,
    replays,
    rules,
    search,
    session,
    setting_changes,
    shares,
    stats,
    streams,
    thumbnails,
    tokens,
    uploads,
    zones,
)
from sightline.server.api.recorded import kept, silence
from sightline.server.assets import PackedApi
from sightline.server.downloads import Downloads
from sightline.server.head import HeadMiddleware
from sightline.server.imports import Imports
from sightline.server.lan import LanMode
from sightline.server.live_settings import LiveSettings
from sightline.server.push import Push
from sightline.server.state import MODELS, ServerState
from sightline.server.traces import traces_of
from sightline.server.uploads import MOST_BYTES, Uploads
from sightline.settings.settings import Settings, data_folder
from sightline.streams.adaptive.service import adapt
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

log = logging.getLogger(__name__)

SPARE = 256
"""Connections of those who are known, besides one for each stream and viewer. Browsers keep up to six."""


PARTS = (
    *(stats, streams, history, zones, rules, events, cameras, discovery, models, session, client_inference),
    *(predict, push, recorded, search, thumbnails, exports, event_clips, tokens),
    *(setting_changes, diagnostics, outputs, uploads, replays, shares, hubs, imports),
    lan,
)
"""The parts of the API, in the order in which they are documented."""
MakeHubs: TypeAlias = "Callable[..., Hubs]"
"""Makes the hubs of a cluster, of which this server is one."""


def create_app(settings: Settings, *, load: LoadByKey | None = None) -> FastAPI:
    """The app for these settings. ``load`` replaces the loading of models, which then run in threads."""
    make_hubs = _hubs_of(settings) if settings.cluster.hubs else None
    state = _state_of(settings)
    app = FastAPI(
        title="Sightline",
        version=__version__,
        lifespan=partial(_lifespan, settings=settings, state=state, load=load, make_hubs=make_hubs),
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.server = state
    _add_middleware(app, settings, state)
    errors.add(app)
    for part in PARTS:
        app.include_router(part.router)
    pages.add(app)
    help_pages.add(app)
    openapi.add(app, tokens=state.access.enabled)
    return app


def _hubs_of(settings: Settings) -> MakeHubs:
    """Return what makes the hubs of a cluster. Raises ConfigError where their package is missing."""
    if find_spec("httpx2") is None:
        raise ConfigError("several hubs need the package httpx2; run: pip install 'sightline-vision[hubs]'")
    from sightline.server.hubs.hubs import Hubs, trusted  # who has one server doesn't wait for its libraries

    return partial(Hubs, settings.cluster, trusted(settings.cluster))


def _state_of(settings: Settings) -> ServerState:
    access = Access(Store(data_folder(settings)) if settings.tokens else None)
    proxied = settings.tunnel is not None or settings.public_url is not None
    sessions = settings.max_streams + settings.max_viewers
    connections = Connections(sessions + SPARE, sessions, proxied=proxied)
    return ServerState(
        LiveSettings(settings),
        access,
        Tries(),
        connections,
        LanMode(settings, access, connections),
        proxied=proxied,
        public_url=settings.public_url and settings.public_url.rstrip("/"),
    )


def _add_middleware(app: FastAPI, settings: Settings, state: ServerState) -> None:
    """Add what all requests pass, the innermost first."""
    app.add_middleware(PackedApi, minimum_size=1024)
    app.add_middleware(HeadMiddleware)
    if settings.cluster.hubs:
        from sightline.server.hubs.relay import RelayMiddleware

        app.add_middleware(RelayMiddleware, hubs=lambda: state.hubs, page=pages.error_page)
    app.add_middleware(
        AuthenticationMiddleware,
        access=state.access,
        tries=state.tries,
        proxied=state.proxied,
        page=pages.error_page,
    )
    lan_names = tls.host_names()
    own_names = lan_names if settings.lan else []
    hub_names = [str(urlsplit(address).hostname) for address in settings.cluster.hubs]
    live = state.settings
    app.add_middleware(
        OriginMiddleware,
        loopback_only=is_loopback(settings.host),
        allowed_hosts=lambda: [*live.now.allowed_hosts, *own_names, *hub_names],
        allowed_origins=lambda: live.now.allowed_origins,
        public_url=lambda: state.public_url,
        lan_hosts=lambda: lan_names,
        bodies={
            "/api/predict": predict.largest_body(settings),
            rules.CLIP_PATH: rules.LARGEST_BODY,
            uploads.PATH: MOST_BYTES,
        },
        page=pages.error_page,
    )


@asynccontextmanager
async def _lifespan(
    app: FastAPI, *, settings: Settings, state: ServerState, load: LoadByKey | None, make_hubs: MakeHubs | None
) -> AsyncGenerator[None]:
    hub = Hub(settings, ModelPool(settings, Offers(settings).own, load))
    _fill(state, settings, hub)
    async with AsyncExitStack() as stack:
        try:
            if (held := await asyncio.to_thread(_hold_data, settings)) is not None:
                stack.enter_context(closing(held))
        except ConfigError as e:
            state.not_started = e.message
            raise
        stack.callback(state.drawing.close)
        stack.push_async_callback(state.search.close)
        journal = await _journal(settings, state, hub, stack)
        await hub.boards.load()
        await hub.cameras.load()
        if make_hubs is not None:
            shared = lambda: [one.id for one in state.shares]  # noqa: E731 - asked at every answer
            state.hubs = make_hubs(hub, state.access, lambda: state.tcp_port, state.why_unready, shared)
            stack.push_async_callback(state.hubs.close)
        recordings = await _recordings(settings, state, hub, stack)
        stack.push_async_callback(hub.boards.close)
        stack.push_async_callback(hub.supervisor.close)
        await _open_ways(app, settings, state, hub, stack)
        stack.callback(hub.close, "the server is shutting down")  # before the outputs' last moment
        _start_tasks(state, hub, journal, recordings)
        yield


def _fill(state: ServerState, settings: Settings, hub: Hub) -> None:
    """Make what is there while the app runs."""
    state.hub = hub
    state.predictor = Predictor(settings, hub.pool, hub.model_switch)
    state.clips = ClipTrials(hub, state.predictor)
    state.histories = Histories(hub)
    state.replays = Replays(hub, state.predictor)
    state.source_trials = SourceTrials(hub.cameras)
    state.downloads = Downloads(settings)
    state.uploads = Uploads(hub.model_switch.offers.kept)
    state.push = Push(settings, state.access)
    state.kept_outputs = KeptOutputs(settings)
    state.started_at = time.monotonic()
    state.drawing = Drawing(settings.jpeg_quality)


def _hold_data(settings: Settings) -> sqlite3.Connection | None:
    """Keep other servers away from the data folder; None where nothing can be kept there.

    Raises FolderInUse, or ConfigError for a folder that is not for this server.
    """
    try:
        folder = data_folder(settings)
        files.make_folder(folder)
        held = files.hold_folder(folder)
    except FolderInUse:
        raise
    except SightlineError:  # which those who would keep something tell
        return None
    try:
        check_data(folder)
    except BaseException:
        held.close()
        raise
    return held


async def _journal(settings: Settings, state: ServerState, hub: Hub, stack: AsyncExitStack) -> Journal:
    """Open the journal of events, and what traces frames."""
    journal = Journal(settings, hub.listeners.tell)
    await journal.open()
    hub.listeners.journal = journal
    state.settings.tell.append(journal.keep)
    journal.keep(state.settings.now)
    stack.push_async_callback(journal.close)
    state.traces = await asyncio.to_thread(traces_of, settings)
    if state.traces is not None:
        hub.listeners.trace = state.traces.take
        stack.push_async_callback(asyncio.to_thread, state.traces.close)
    return journal


async def _recordings(settings: Settings, state: ServerState, hub: Hub, stack: AsyncExitStack) -> Recordings:
    """Open the recordings, and all that is made of them."""
    recordings = hub.listeners.recordings = Recordings(
        settings, partial(kept, hub), partial(silence, hub), hub.cameras.unscheduled
    )
    await recordings.open()
    stack.push_async_callback(recordings.close)
    state.exports = Exports(settings, recordings)
    await state.exports.open()
    stack.push_async_callback(state.exports.close)
    state.imports = Imports(hub)
    stack.push_async_callback(state.imports.close)
    stack.push_async_callback(state.replays.close)
    state.shares = Shares(settings)
    await state.shares.open()
    state.shared_player = Player(settings)
    stack.callback(state.shared_player.close)
    return recordings


async def _open_ways(app: FastAPI, settings: Settings, state: ServerState, hub: Hub, stack: AsyncExitStack) -> None:
    """Open the ways in and out: transports, outputs, and what is pushed to devices."""
    try:
        for transport in registry.plugins("transports").values():
            await stack.enter_async_context(transport.serve(app, hub, state.drawing))
        state.outputs = await stack.enter_async_context(dispatchers(hub, settings.outputs, state.drawing))
        await stack.enter_async_context(state.kept_outputs.run(hub, state.drawing))
        await stack.enter_async_context(state.push.run(hub))
    except FAULTS as e:
        state.not_started = told(e)
        raise


def _start_tasks(state: ServerState, hub: Hub, journal: Journal, recordings: Recordings) -> None:
    start = hub.supervisor.start
    start(MODELS, hub.pool.run, essential=True)
    start("hub", hub.run, essential=True)
    start("figures by the minute", state.histories.run)
    start("adaptation", partial(adapt, hub), essential=True)
    start("access", state.access.run, essential=True)
    start("settings", state.settings.run)
    start("saving of zones and rules", hub.boards.run)
    start("saving of events", journal.run)
    start("recording", recordings.run)
    start("cameras that are changed by hand", hub.cameras.watch)
    start("exports", state.exports.run)
    start("replays", state.replays.run)
    if state.hubs is not None:
        start("hubs", state.hubs.run)
    if state.certificate is not None and state.tls is not None:
        start("certificate", partial(state.certificate.keep, state.tls))
