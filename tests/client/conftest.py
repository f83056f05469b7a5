"""A server for the tests of the SDK, by TCP and by WebSocket."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.serving import Running, serving

_names = itertools.count()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--tcp-port", "0") as s:
        yield s


@pytest.fixture(params=["tcp", "ws"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(server: Running, kind: str) -> str:
    return server.tcp if kind == "tcp" else server.ws


@pytest.fixture
def stream() -> str:
    """A name that no other test uses."""
    return f"s{next(_names)}"
