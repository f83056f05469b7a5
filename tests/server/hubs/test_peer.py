"""What a hub says of another one that it can't work with."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx2
import pytest

from sightline.server.hubs.peer import Peer
from sightline.server.hubs.seal import Seal

HTTP, HTTPS = "http://10.0.0.2:8000", "https://10.0.0.2:8000"
WRONG_VERSION = "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"
UNKNOWN = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"


def failing(errors: Iterator[Exception]) -> httpx2.AsyncClient:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise next(errors)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(answer))


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        (HTTPS, httpx2.ConnectError(WRONG_VERSION), "expected http:// in place of https://"),
        (HTTPS, httpx2.ConnectError(UNKNOWN), "expected the authority of it as ca in [cluster]"),
        (HTTP, httpx2.RemoteProtocolError("Server disconnected without sending a response."), "expected https://"),
        (HTTP, TimeoutError(), "no answer within 2 s"),
    ],
)
async def test_what_to_change_is_said(address: str, error: Exception, words: str) -> None:
    peer = Peer(address)
    async with failing(iter([error])) as http:
        await peer.ask(http, Seal("s" * 32))
    assert words in peer.trouble


async def test_a_machine_that_is_off_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The system has two words for it in turns, and the log had a line every two seconds."""
    caplog.set_level(logging.INFO)
    peer = Peer(HTTP)
    errors: list[Exception] = [TimeoutError(), httpx2.ConnectError("All connection attempts failed")] * 5
    async with failing(iter(errors)) as http:
        for _ in errors:
            await peer.ask(http, Seal("s" * 32))
    assert [record.levelname for record in caplog.records if "10.0.0.2" in record.message] == ["WARNING"]
    assert "All connection attempts failed" in peer.trouble, "the page has the newest"
