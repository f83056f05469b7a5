"""Which source a name means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sightline.core.errors import SourceError
from sightline.core.registry import load, names
from sightline.sources.base import open_source


@pytest.mark.parametrize("spec", ["ftp://host", "nothing-here", "nothing.mp4"])
def test_what_nobody_knows_is_refused_with_all_that_is_known(spec: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(spec)
    assert spec in caught.value.message
    for name in names("sources"):
        assert load("sources", name).WHAT in caught.value.message


def test_a_missing_file_is_called_missing() -> None:
    with pytest.raises(SourceError, match=r"nothing\.mp4: no such file"):
        open_source("nothing.mp4")


def test_a_password_in_an_address_that_nobody_knows_is_not_told() -> None:
    with pytest.raises(SourceError, match=r"^ftp://host: not a source") as caught:
        open_source("ftp://me:c4n4ry@host/c4n4ry?c4n4ry")
    assert "c4n4ry" not in caught.value.message


def test_no_name_is_claimed_twice(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.mp4").touch()
    named = ["camera:0", "synthetic:", "rtsp://host/a.jpg", "http://host/a.mp4", "recording:door"]
    for spec in [*named, str(tmp_path), str(tmp_path / "a.jpg"), str(tmp_path / "a.mp4")]:
        assert sum(load("sources", name).handles(spec) for name in names("sources")) == 1, spec


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.timeout(20)
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="not a source that can be read"):
        open_source(str(tmp_path / "pipe"))
