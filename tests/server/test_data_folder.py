"""The data folder: one server has it, and one that can't be used is no reason not to run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sightline.security import files
from sightline.server.app import create_app
from sightline.server.uvicorn_server import Server
from sightline.settings.settings import load_settings
from support.inside import inside


async def test_a_second_server_with_the_same_folder_ends_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept its events in memory, and wrote its zones and counts over those of the first one."""
    monkeypatch.setattr(files, "HOLD_S", 0.1)
    settings = load_settings(port=0, model="motion", data=tmp_path)
    async with inside(data=tmp_path):
        second = Server(create_app(settings), settings)
        await asyncio.to_thread(second.serve_forever)
        assert second.failure is not None
        assert f"another server has {tmp_path}: choose another folder" in second.failure
    async with inside(data=tmp_path) as third:
        journal = third.hub.listeners.journal
        assert journal is not None
        assert journal.failing is None, "the folder is free again"


async def test_a_folder_that_can_not_be_used_is_named_and_the_server_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "events", "recordings"):
        (tmp_path / name / "lock").mkdir(parents=True)
    async with inside(data=tmp_path) as server:
        assert await asyncio.to_thread(server.get, "/health")
    assert f"events are kept in memory only: can't write to {tmp_path / 'events'}" in caplog.text
    assert f"nothing can be recorded: can't write to {tmp_path / 'recordings'}" in caplog.text
