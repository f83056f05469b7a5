"""What each error tells over HTTP and WebSocket: peers rely on these numbers and words."""

from __future__ import annotations

import pytest

from sightline.core import errors


@pytest.mark.parametrize(
    ("kind", "code", "status", "close_code"),
    [
        (errors.ProtocolError, "bad_message", 400, 1008),
        (errors.TooLarge, "too_large", 413, 1009),
        (errors.ShuttingDown, "shutting_down", 503, 1001),
        (errors.StreamBusy, "stream_busy", 409, 1013),
        (errors.LimitReached, "limit_reached", 429, 1013),
        (errors.Changed, "changed", 412, 1008),
        (errors.Unauthorized, "unauthorized", 401, 1008),
        (errors.NotFound, "not_found", 404, 1008),
        (errors.StreamNotFound, "stream_not_found", 404, 1008),
        (errors.IdleTimeout, "idle_timeout", 408, 1008),
    ],
)
def test_numbers_and_words(kind: type[errors.SightlineError], code: str, status: int, close_code: int) -> None:
    assert (kind.code, kind.status, kind.close_code) == (code, status, close_code)
