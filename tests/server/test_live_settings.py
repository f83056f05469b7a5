"""What is changed while the server runs is read from its file at the next start, whatever somebody wrote into it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.server.live_settings import LiveSettings
from sightline.settings.settings import load_settings

SETTINGS = load_settings()


@given(st.binary(max_size=60) | st.sampled_from([b'{"events_days": NaN}', b'{"events_gb": 1e999}', b"[" * 5000]))
def test_any_file_is_taken_over_or_changes_nothing(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        started = SETTINGS.model_copy(update={"data": Path(folder)})
        (Path(folder) / "settings.json").write_bytes(data)
        assert LiveSettings(started).now == started


def test_the_next_start_takes_over_what_nothing_else_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.json").write_text('{"allowed_hosts": ["cam.example"], "events_days": 3}')
    monkeypatch.setenv("SIGHTLINE_EVENTS_DAYS", "5")
    live = LiveSettings(load_settings(data=tmp_path))
    assert (live.now.allowed_hosts, live.origin("allowed_hosts")) == (("cam.example",), "page")
    assert (live.now.events_days, live.origin("events_days")) == (5, "environment")
