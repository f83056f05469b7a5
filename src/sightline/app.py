"""The web application: the hub in its lifespan, the pages, the API, the transports."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from sightline import __version__, api, inbrowser, loader, registry, signin, tls
from sightline.access import Access
from sightline.adapting import adapt
from sightline.config import Settings, data_folder
from sightline.drawing import Drawing
from sightline.errors import SightlineError
from sightline.gate import Gate, Tries
from sightline.guard import Guard, is_loopback
from sightline.hub import Hub
from sightline.outward.running import feeding
from sightline.pull import pulling
from sightline.tokens import Store
from sightline.types import check_stream_name
from sightline.worker import Loaded, ModelWorker

log = logging.getLogger(__name__)

WEB = Path(__file__).parent / "web"


def create_app(settings: Settings, *, load: Callable[[], Loaded] | None = None) -> FastAPI:
    """The app for these settings. ``load`` replaces the loading of the settings' model."""

    access = Access(Store(data_folder(settings)) if settings.tokens else None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        worker = ModelWorker(
            load or (lambda: load_model(settings)), static_skip=settings.static_skip, instances=settings.workers
        )
        hub = Hub(settings, worker)
        app.state.hub = hub
        app.state.started_at = time.monotonic()
        drawing = app.state.drawing = Drawing(settings.jpeg_quality)
        async with AsyncExitStack() as stack:
            stack.callback(drawing.close)
            for name in registry.names("transports"):
                await stack.enter_async_context(registry.load("transports", name).serve(app, hub, drawing))
            sources = {name: spec.get_secret_value() for name, spec in settings.sources.items()}
            await stack.enter_async_context(pulling(hub, sources))
            app.state.feeders = await stack.enter_async_context(feeding(hub, settings.sinks))
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(loop) for loop in (worker.run(), hub.watch_model(), adapt(hub), access.run())
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
    app.include_router(api.router)
    app.include_router(signin.router)
    app.include_router(inbrowser.router)
    _add_pages(app)
    return app


def load_model(settings: Settings) -> Loaded:
    """Load and warm the settings' model. Raises ModelError or ConfigError."""
    started = time.monotonic()
    model = loader.load_model(
        settings.model,
        engine=settings.engine,
        precision=settings.precision,
        device=settings.device,
        imgsz=settings.imgsz,
        confidence=settings.conf,
        threads=settings.threads or _threads(settings.workers),
        family=settings.family,
    )
    by = "" if model.engine is None else f" (engine {model.engine.name}: {model.engine_reason})"
    log.info("model %s is ready after %.1f s%s", model.card.name, time.monotonic() - started, by)
    return Loaded(model, model.engine_reason, _gpu_available())


def _threads(workers: int) -> int | None:
    """Of one instance among several: the cores are shared out. One alone takes what its engine likes best."""
    return None if workers == 1 else max(1, (os.cpu_count() or 1) // workers)


def _gpu_available() -> bool:
    engines = [registry.load("engines", name) for name in registry.names("engines")]
    return any(d.startswith("cuda") for e in engines if e.available() is None for d in e.devices())


async def _tell(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, SightlineError):
        code, status, message = error.code, error.status, error.message
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        code, status, message = "bad_request", 422, f"{where}: got {first.get('input')!r}; {first['msg']}"[:300]
    elif isinstance(error, HTTPException):
        code, status, message = "http", error.status_code, error.detail
    else:
        code, status, message = "internal", 500, "internal error"
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _add_pages(app: FastAPI) -> None:
    def page(name: str) -> FileResponse:
        return FileResponse(WEB / name, headers={"Cache-Control": "no-cache"})

    @app.get("/", include_in_schema=False)
    async def dashboard() -> FileResponse:
        return page("index.html")

    @app.get("/camera/{stream}", include_in_schema=False)
    async def camera(stream: str) -> FileResponse:
        check_stream_name(stream)
        return page("camera.html")

    @app.get("/view/{stream}", include_in_schema=False)
    async def view(stream: str) -> FileResponse:
        check_stream_name(stream)
        return page("view.html")

    @app.get("/join", include_in_schema=False)
    async def join() -> FileResponse:
        return page("join.html")

    @app.get("/trust", include_in_schema=False)
    async def trust() -> FileResponse:
        return page("trust.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> FileResponse:
        return page("favicon.svg")

    app.mount("/static", _Static(directory=WEB), name="static")


class _Static(StaticFiles):
    """Files of the pages, always asked for anew (304 where nothing changed), so that an upgrade shows at once."""

    def file_response(self, *args: object, **kwargs: object) -> FileResponse:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response  # type: ignore[return-value]
