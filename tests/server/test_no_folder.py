"""A user without a folder, as in some containers: the server runs, and says what it can't keep."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.error import HTTPError

import pytest

from support.inside import inside


async def test_a_server_runs_without_a_folder_and_says_what_it_cannot_keep(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "SIGHTLINE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", home)
    async with inside(data=None) as server:
        for path in ("/api/exports", "/api/shares", "/api/recordings", "/api/streams", "/api/outputs", "/api/models"):
            assert await asyncio.to_thread(server.get, path), path
        for path in ("/api/recordings/door/thumbnail?at=1", "/api/recordings/door"):
            with pytest.raises(HTTPError) as refused:
                await asyncio.to_thread(server.get, path)
            refused.value.close()
            assert refused.value.code in (400, 404, 503), path
    said = caplog.text
    for what in ("recorded", "shared", "cameras", "zones and rules", "events", "settings", "outputs"):
        assert what in said
    assert "Traceback" not in said
