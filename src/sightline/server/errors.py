"""The one handler that turns errors into HTTP answers: JSON for programs, a page for people."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from sightline.core.errors import BadSetting, SightlineError, shortage
from sightline.security.refusal import for_people
from sightline.server import pages
from sightline.server.api.schemas import Error, ErrorBody

log = logging.getLogger(__name__)

METHODS = ("DELETE", "GET, HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def add(app: FastAPI) -> None:
    """Let the app answer errors."""
    for kind in (SightlineError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer)
    for lack in (OSError, MemoryError, RuntimeError):
        app.add_exception_handler(lack, _answer_shortage)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


async def _answer_nobody(request: Request, _: Exception) -> Response:
    """End a request whose body broke off: nobody reads the answer, and the log is no place for it."""
    log.debug("%s: who asked has left", request.url.path)
    return Response(status_code=400)


async def _answer_shortage(request: Request, error: Exception) -> Response:
    """Answer what only a shortage made fail. Raises any other error again."""
    short = shortage(error)
    if short is None:
        raise error
    log.warning("a request failed: %s", short.message)
    return await _answer(request, short)


async def _answer(request: Request, error: Exception) -> Response:
    status, body = _told(error)
    headers = _allowed(request) if status == 405 else {}
    if for_people(request.scope):
        page = pages.error_page(request.scope, status, body.message)
        return HTMLResponse(page.html, status, {**headers, "Content-Security-Policy": page.policy})
    return JSONResponse(Error(error=body).model_dump(exclude_none=True), status, headers)


def _allowed(request: Request) -> dict[str, str]:
    """What this address can be asked for. Starlette tells the methods of the first of its routes alone."""

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return {"Allow": ", ".join(method for method in METHODS if takes(method.partition(",")[0]))}


def _told(error: Exception) -> tuple[int, ErrorBody]:
    if isinstance(error, BadSetting):
        blamed = ErrorBody(
            code=error.code, message=error.message, key=error.key, got=error.got, expected=error.expected
        )
        return error.status, blamed
    if isinstance(error, SightlineError):
        return error.status, ErrorBody(code=error.code, message=error.message)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            got = str(error.body)[:60]
            message = f"the body is no JSON: {first['ctx']['error']} at character {first['loc'][-1]}, got {got!r}"
            return 400, ErrorBody(code="bad_request", message=message)
        where = ".".join(str(part) for part in first["loc"])
        message = f"{where}: got {repr(first.get('input'))[:80]}; {first['msg']}"[:300]
        return 422, ErrorBody(code="bad_request", message=message)
    if isinstance(error, HTTPException):
        nothing = error.status_code == 404 and error.detail == "Not Found"
        message = "nothing has this address" if nothing else error.detail
        return error.status_code, ErrorBody(code="http", message=message)
    return 500, ErrorBody(code="internal", message="internal error")
