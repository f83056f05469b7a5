"""The web application: the hub in its lifespan, the pages, the API, the transports."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from html import escape

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from sightline.core import registry
from sightline.core.errors import BadSetting, SightlineError
from sightline.core.net import is_loopback
from sightline.core.version import __version__
from sightline.engines.base import cores
from sightline.inference.key import ModelKey
from sightline.inference.offers import Offers
from sightline.inference.pool import Load, ModelPool
from sightline.inference.worker import Loaded
from sightline.outputs._service import dispatchers
from sightline.security import tls
from sightline.security.authentication import Gate, Tries
from sightline.security.authorization import Access
from sightline.security.origin import Guard
from sightline.security.tokens import Store
from sightline.server import pages
from sightline.server.api import client_inference as inbrowser
from sightline.server.api import models as model_api
from sightline.server.api import session as signin
from sightline.server.api import stats as api
from sightline.server.api import streams as stream_api
from sightline.settings.settings import Settings, data_folder
from sightline.settings.stream import bad_setting
from sightline.streams.adaptive.service import adapt
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing
from sightline.zoo import loader

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, load: Load | None = None) -> FastAPI:
    """The app for these settings. ``load`` replaces the loading of models."""

    access = Access(Store(data_folder(settings)) if settings.tokens else None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        pool = ModelPool(settings, Offers(settings).own, load or partial(load_model, settings))
        hub = Hub(settings, pool)
        app.state.hub = hub
        app.state.started_at = time.monotonic()
        drawing = app.state.drawing = Drawing(settings.jpeg_quality)
        async with AsyncExitStack() as stack:
            stack.callback(drawing.close)
            for transport in registry.plugins("transports").values():
                await stack.enter_async_context(transport.serve(app, hub, drawing))
            app.state.dispatchers = await stack.enter_async_context(dispatchers(hub, settings.outputs))
            stack.callback(hub.close, "the server is shutting down")  # before the outputs' last moment
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(loop) for loop in (pool.run(), hub.watch_models(), adapt(hub), access.run())
                ]
                yield
                for task in running:
                    task.cancel()

    app = FastAPI(
        title="Sightline",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.tcp_listener = None  # Server puts a bound socket here, where there is to be one
    app.state.access = access
    app.state.certificate = app.state.tls = None  # Server puts here what it shows, where it does
    app.state.public_url = settings.public_url and settings.public_url.rstrip("/")
    tries = app.state.tries = Tries()
    proxied = app.state.proxied = settings.tunnel is not None or settings.public_url is not None
    app.add_middleware(Gate, access=access, tries=tries, proxied=proxied)
    app.add_middleware(
        Guard,
        loopback_only=is_loopback(settings.host),
        allowed_hosts=[*settings.allowed_hosts, *(tls.host_names() if settings.lan else [])],
        public_url=lambda: app.state.public_url,
    )
    app.add_exception_handler(SightlineError, _tell)
    app.add_exception_handler(RequestValidationError, _tell)
    app.add_exception_handler(HTTPException, _tell)
    for part in (api, stream_api, model_api):
        app.include_router(part.router)
    app.include_router(signin.router)
    app.include_router(inbrowser.router)
    pages.add(app)
    return app


def load_model(settings: Settings, key: ModelKey) -> Loaded:
    """Load and warm a model. Raises ModelError or ConfigError."""
    started = time.monotonic()
    model = loader.load_model(
        key.spec,
        engine=key.engine,
        precision=settings.precision,
        device=settings.device,
        imgsz=key.imgsz,
        confidence=settings.conf,
        threads=settings.threads or _threads(settings.workers),
        family=settings.family if key.spec == settings.model else None,
        cache=settings.cache,
        weights=settings.weights if key.spec == settings.model else None,
        compiled=settings.torch_compile,
    )
    model.card = replace(model.card, name=key.name)
    log.info("model %s is ready after %.1f s", model.card.name, time.monotonic() - started)
    return Loaded(model, model.engine_reason, _gpu_available())


def _threads(workers: int) -> int | None:
    """Of one instance among several: the cores are shared out. One alone takes what its engine likes best."""
    return None if workers == 1 else max(1, cores() // workers)


def _gpu_available() -> bool:
    engines = registry.plugins("engines").values()
    return any(d.startswith("cuda") for e in engines if e.available() is None for d in e.devices())


async def _tell(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError) and request.method == "PATCH":  # a stream's settings: nothing else is
        first = error.errors()[0]
        if len(first["loc"]) > 1 and first["type"] != "json_invalid":
            error = bad_setting(first)
    blamed: dict[str, str] = {}
    if isinstance(error, SightlineError):
        code, status, message = error.code, error.status, error.message
        if isinstance(error, BadSetting):
            blamed = {"key": error.key, "got": error.got, "expected": error.expected}
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        code, status, message = "bad_request", 422, f"{where}: got {first.get('input')!r}; {first['msg']}"[:300]
    elif isinstance(error, HTTPException):
        code, status, message = "http", error.status_code, error.detail
    else:
        code, status, message = "internal", 500, "internal error"
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api"):  # a person
        return HTMLResponse(pages.page("error.html").replace("{message}", escape(message)), status)
    return JSONResponse({"error": {"code": code, "message": message} | blamed}, status)
