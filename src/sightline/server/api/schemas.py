"""What several parts of the HTTP API answer with."""

from __future__ import annotations

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
