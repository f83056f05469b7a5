"""What several parts of the HTTP API answer with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ErrorBody(BaseModel):
    """Why a request was refused."""

    code: str
    message: str
    key: str | None = None
    """Setting that is to blame."""
    got: str | None = None
    """What came for that setting."""
    expected: str | None = None
    """What that setting may be."""


class Error(BaseModel):
    """The body of every error."""

    error: ErrorBody


class Ready(BaseModel):
    """Whether frames get results. With status 503 where they don't."""

    ready: bool
    reason: str


WHY = {
    400: "The request can't be understood.",
    401: "No token, or one that is wrong, has expired or was revoked.",
    403: "This token is not for that, or the request came from another site's page.",
    404: "There is no such thing now.",
    409: "Something else came first.",
    413: "More bytes or pixels than are taken.",
    422: "A value can't be taken over; the message says what was got and what is expected.",
    429: "A limit is reached.",
    503: "The model, or the server, can't at the moment.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """A route's ``responses`` for these statuses, for OpenAPI."""
    return {status: {"model": Error, "description": WHY[status]} for status in statuses}
