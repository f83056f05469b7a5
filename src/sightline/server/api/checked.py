"""Routes whose body is settings: what is wrong in it is told as a BadSetting."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from sightline.core.errors import BadSetting


def checked_by(told: Callable[[Mapping[str, Any]], BadSetting]) -> type[APIRoute]:
    """Return routes that tell a mistake in their bodies in these words. ``told``: makes them of a pydantic error."""

    class Checked(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def checked(request: Request) -> Response:
                try:
                    return await handle(request)
                except RequestValidationError as e:
                    first = e.errors()[0]
                    no_body = first["type"] == "json_invalid" or (first["type"] == "missing" and len(first["loc"]) == 1)
                    if first["loc"][0] == "body" and not no_body:
                        raise told(first) from None
                    raise

            return checked

    return Checked


def discreet(expected: Mapping[str, str]) -> type[APIRoute]:
    """Return routes that tell what is expected of a key, and never what was got: it may be a password."""

    def told(problem: Mapping[str, Any]) -> BadSetting:
        where = [part for part in problem["loc"] if part != "body"]
        key = str(where[0])[:40] if where else "body"
        right = expected.get(key, f"one of the keys {', '.join(expected)}")
        return BadSetting(f"{key}: expected {right}", key, "", right)

    return checked_by(told)
