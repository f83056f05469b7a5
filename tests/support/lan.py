"""LAN mode of a server on loopback, as somebody sees it who comes that way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from sightline.core.net import is_loopback
from sightline.security import tls
from support.serving import Running, trusting

needs_network = pytest.mark.skipif(is_loopback(tls.main_address()), reason="this machine is in no network")


@asynccontextmanager
async def opened(server: Running, data: Path) -> AsyncGenerator[Running]:
    """Open it on a free port, and close it in the end. ``data``: the server's folder."""
    answer = await server.http.post("/api/lan", json={"port": 0})
    assert answer.status_code == 200, answer.text
    url = answer.json()["url"]
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=30, verify=trusting(data)) as http:
            yield Running(url, server.process, http, server.log)
    finally:
        if server.process.returncode is None:
            assert (await server.http.delete("/api/lan")).json()["open"] is False
