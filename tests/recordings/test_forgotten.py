"""Streams that come and go leave nothing in memory."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from support.inside import inside
from support.serving import peer, publish


def waits(name: str, stats: Any) -> bool:
    return bool(stats["streams"][name]["state"] == "waiting")


async def test_a_stream_that_was_not_recorded_is_forgotten(tmp_path: Path) -> None:
    async with inside(data=tmp_path, model="motion", max_streams=1) as server:
        for name in ("a", "b", "c"):
            async with peer(f"{server.ws}/ws/camera/{name}") as camera:
                await publish(camera, 1)
            await server.figures(partial(waits, name))
        recordings = server.hub.listeners.recordings
        assert recordings is not None
        assert set(recordings.recorders) == {"c"}
