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

    class Checked(CheckedRoute):
        def told(self, problem: Mapping[str, Any]) -> BadSetting:
            return told(problem)

    return Checked


class CheckedRoute(APIRoute):
    """Inherit from it and say how a mistake is told."""

    def told(self, problem: Mapping[str, Any]) -> BadSetting:
        """Convert a pydantic error into a BadSetting."""
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as e:
                first = e.errors()[0]
                no_body = first["type"] == "json_invalid" or (first["type"] == "missing" and len(first["loc"]) == 1)
                if first["loc"][0] == "body" and not no_body:
                    raise self.told(first) from None
                raise

        return checked
