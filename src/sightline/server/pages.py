"""HTML pages. ``web/parts`` has what several of them share."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

from sightline.core.types import check_stream_name

WEB = Path(__file__).parents[1] / "web"
ALWAYS_ASK = {"Cache-Control": "no-cache"}
"""Headers that make a browser check for changes each time (304 if none), so an upgrade is visible at once."""


@cache
def page(name: str) -> str:
    """A page with its parts inserted."""
    text = (WEB / "pages" / name).read_text("utf-8")
    return re.sub(r"<!-- (parts/\w+\.html) -->\n", lambda part: (WEB / part[1]).read_text("utf-8"), text)


def _answer(name: str) -> HTMLResponse:
    return HTMLResponse(page(name), headers=ALWAYS_ASK)


def add(app: FastAPI) -> None:
    """Add the routes of the pages and of their files."""

    @app.get("/", include_in_schema=False)
    async def dashboard() -> HTMLResponse:
        return _answer("index.html")

    @app.get("/camera/{stream}", include_in_schema=False)
    async def camera(stream: str) -> HTMLResponse:
        check_stream_name(stream)
        return _answer("camera.html")

    @app.get("/view/{stream}", include_in_schema=False)
    async def view(stream: str) -> HTMLResponse:
        check_stream_name(stream)
        return _answer("view.html")

    @app.get("/join", include_in_schema=False)
    async def join() -> HTMLResponse:
        return _answer("join.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return _answer("docs.html")

    @app.get("/trust", include_in_schema=False)
    async def trust() -> HTMLResponse:
        return _answer("trust.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> FileResponse:
        return FileResponse(WEB / "icons" / "favicon.svg", headers=ALWAYS_ASK)

    app.mount("/static", _Static(directory=WEB), name="static")


class _Static(StaticFiles):
    """Static files of the pages."""

    def file_response(self, *args: object, **kwargs: object) -> FileResponse:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers.update(ALWAYS_ASK)
        return response  # type: ignore[return-value]
