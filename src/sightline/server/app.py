"""The web application: the hub in its lifespan, the pages, the API, the transports."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from importlib.util import find_spec
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

log = logging.getLogger(__name__)

SPARE = 256
"""Connections of those who are known, besides one for each stream and viewer. Browsers keep up to six."""


def create_app(settings: Settings, *, load: LoadByKey | None = None) -> FastAPI:
    """The app for these settings. ``load`` replaces the loading of models, which then run in threads."""

    access = Access(Store(data_folder(settings)) if settings.tokens else None)
    live = LiveSettings(settings)
    lan_names = tls.host_names()
    own_names = lan_names if settings.lan else []
    hub_names = [str(urlsplit(address).hostname) for address in settings.cluster.hubs]
    make_hubs = None
    if settings.cluster.hubs:
        if find_spec("httpx2") is None:
            raise ConfigError("several hubs need the package httpx2; run: pip install 'sightline-vision[hubs]'")
        from sightline.server.hubs.hubs import Hubs, trusted  # who has one server doesn't wait for its libraries

        make_hubs = partial(Hubs, settings.cluster, trusted(settings.cluster))
    proxied = settings.tunnel is not None or settings.public_url is not None
    sessions = settings.max_streams + settings.max_viewers
    connections = Connections(sessions + SPARE, sessions, proxied=proxied)
    state = ServerState(
        live,
        access,
        Tries(),
        connections,
        LanMode(settings, access, connections),
        proxied=proxied,
        public_url=settings.public_url and settings.public_url.rstrip("/"),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        pool = ModelPool(settings, Offers(settings).own, load)
        hub = Hub(settings, pool)
        state.hub = hub
        state.predictor = Predictor(settings, pool, hub.model_switch)
        state.clips = ClipTrials(hub, state.predictor)
        state.histories = Histories(hub)
        state.replays = Replays(hub, state.predictor)
        state.source_trials = SourceTrials(hub.cameras)
        state.downloads = Downloads(settings)
        state.uploads = Uploads(hub.model_switch.offers.kept)
        state.push = Push(settings, access)
        state.kept_outputs = KeptOutputs(settings)
        state.started_at = time.monotonic()
        drawing = state.drawing = Drawing(settings.jpeg_quality)
        async with AsyncExitStack() as stack:
            try:
                if (held := await asyncio.to_thread(_hold_data, settings)) is not None:
                    stack.enter_context(closing(held))
            except FolderInUse as e:
                state.not_started = e.message
                raise
            stack.callback(drawing.close)
            stack.push_async_callback(state.search.close)
            journal = Journal(settings, hub.listeners.tell)
            await journal.open()
            hub.listeners.journal = journal
            live.tell.append(journal.keep)
            journal.keep(live.now)
            stack.push_async_callback(journal.close)
            state.traces = await asyncio.to_thread(traces_of, settings)
            if state.traces is not None:
                hub.listeners.trace = state.traces.take
                stack.push_async_callback(asyncio.to_thread, state.traces.close)
            await hub.boards.load()
            await hub.cameras.load()
            if make_hubs is not None:
                shared = lambda: [one.id for one in state.shares]  # noqa: E731 - asked at every answer
                state.hubs = make_hubs(hub, access, lambda: state.tcp_port, state.why_unready, shared)
                stack.push_async_callback(state.hubs.close)
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
            stack.push_async_callback(hub.boards.close)
            stack.push_async_callback(hub.supervisor.close)
            try:
                for transport in registry.plugins("transports").values():
                    await stack.enter_async_context(transport.serve(app, hub, drawing))
                state.outputs = await stack.enter_async_context(dispatchers(hub, settings.outputs, drawing))
                await stack.enter_async_context(state.kept_outputs.run(hub, drawing))
                await stack.enter_async_context(state.push.run(hub))
            except FAULTS as e:
                state.not_started = told(e)
                raise
            stack.callback(hub.close, "the server is shutting down")  # before the outputs' last moment
            hub.supervisor.start(MODELS, pool.run, essential=True)
            hub.supervisor.start("hub", hub.run, essential=True)
            hub.supervisor.start("figures by the minute", state.histories.run)
            hub.supervisor.start("adaptation", partial(adapt, hub), essential=True)
            hub.supervisor.start("access", access.run, essential=True)
            hub.supervisor.start("settings", live.run)
            hub.supervisor.start("saving of zones and rules", hub.boards.run)
            hub.supervisor.start("saving of events", journal.run)
            hub.supervisor.start("recording", recordings.run)
            hub.supervisor.start("cameras that are changed by hand", hub.cameras.watch)
            hub.supervisor.start("exports", state.exports.run)
            hub.supervisor.start("replays", state.replays.run)
            if state.hubs is not None:
                hub.supervisor.start("hubs", state.hubs.run)
            if state.certificate is not None and state.tls is not None:
                hub.supervisor.start("certificate", partial(state.certificate.keep, state.tls))
            yield

    app = FastAPI(
        title="Sightline",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.server = state
    app.add_middleware(PackedApi, minimum_size=1024)
    app.add_middleware(HeadMiddleware)
    if settings.cluster.hubs:
        from sightline.server.hubs.relay import RelayMiddleware

        app.add_middleware(RelayMiddleware, hubs=lambda: state.hubs, page=pages.error_page)
    app.add_middleware(
        AuthenticationMiddleware, access=access, tries=state.tries, proxied=state.proxied, page=pages.error_page
    )
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
    errors.add(app)
    parts = (
        *(stats, streams, history, zones, rules, events, cameras, discovery, models, session, client_inference),
        *(predict, push, recorded, search, thumbnails, exports, event_clips, tokens),
        *(setting_changes, diagnostics, outputs, uploads, replays, shares, hubs, imports),
        lan,
    )
    for part in parts:
        app.include_router(part.router)
    pages.add(app)
    help_pages.add(app)
    openapi.add(app, tokens=access.enabled)
    return app


def _hold_data(settings: Settings) -> sqlite3.Connection | None:
    """Keep other servers away from the data folder; None where nothing can be kept there. Raises FolderInUse."""
    try:
        folder = data_folder(settings)
        files.make_folder(folder)
        return files.hold_folder(folder)
    except FolderInUse:
        raise
    except SightlineError:  # which those who would keep something tell
        return None
