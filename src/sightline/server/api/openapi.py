"""``GET /openapi.json``: what FastAPI finds out of the routes, made true where it can't know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI

from sightline.core.errors import BadRequest, Forbidden, LimitReached, TooLarge, Unauthorized
from sightline.core.openapi import refusals
from sightline.core.types import STREAM_NAME
from sightline.security.authentication import COOKIE, is_public
from sightline.server.api.schemas import Error

Json: TypeAlias = dict[str, Any]

SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "`sightline token create` makes one."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "A browser's, from `POST /api/session`. What changes something needs our own Origin as well.",
    },
}
FASTAPI_S = ("HTTPValidationError", "ValidationError")
"""FastAPI's own body of a 422, which we never send."""
_REF = "#/components/schemas/"


def add(app: FastAPI, *, tokens: bool) -> None:
    """Have the app describe itself truly. ``tokens``: the server asks for them."""
    found: Callable[[], Json] = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            _correct(found(), tokens=tokens)
        return found()

    app.openapi = openapi  # type: ignore[method-assign]


def _correct(schema: Json, *, tokens: bool) -> None:
    """Correct FastAPI's description, in place."""
    schema["components"]["securitySchemes"] = SCHEMES
    schemas = schema["components"]["schemas"]
    for name in FASTAPI_S:
        schemas.pop(name, None)
    error = Error.model_json_schema(ref_template=_REF + "{model}")
    schemas |= error.pop("$defs") | {"Error": error}
    for path, operation in _operations(schema):
        open_to_all = is_public(path) or not tokens
        _names(operation)
        operation["security"] = [{} for _ in range(open_to_all)] + [{name: []} for name in SCHEMES]
        _answers(operation, public=is_public(path))


def _operations(schema: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            yield path, operation


def _names(operation: Json) -> None:
    """Say what can name a stream. The routes check it, so that pages and sockets refuse it in the same words."""
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "stream" and parameter["in"] == "path":
            parameter["schema"]["pattern"] = f"^{STREAM_NAME.pattern}$"


def _answers(operation: Json, *, public: bool) -> None:
    """Add the refusals that every route has, and say what a refusal looks like."""
    answers = operation["responses"]
    takes_json = "application/json" in operation.get("requestBody", {}).get("content", {})
    if str(answers.get("422", {}).get("content")).count(FASTAPI_S[0]):
        del answers["422"]  # words in paths and queries are always words: the route itself says what it refuses
    common = [Forbidden, *([] if public else [Unauthorized, LimitReached])]
    if takes_json:
        common += [BadRequest, TooLarge]
        answers.setdefault("422", {"description": "A value that is not as described."})
    for status, told in refusals(*common).items():
        answers.setdefault(str(status), told)
    for status, told in answers.items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            told.setdefault("content", {"application/json": {"schema": {"$ref": _REF + "Error"}}})
    operation["responses"] = dict(sorted(answers.items()))
