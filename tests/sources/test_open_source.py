"""Which source a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline.errors import SourceError
from sightline.registry import load, names
from sightline.sources.base import open_source


@pytest.mark.parametrize("spec", ["rtsp://host/stream", "http://host/clip.mp4", "nothing-here", "nothing.mp4"])
def test_what_nobody_knows_is_refused_with_all_that_is_known(spec: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(spec)
    assert spec in caught.value.message
    for name in names("sources"):
        assert load("sources", name).WHAT in caught.value.message


def test_a_missing_file_is_called_missing() -> None:
    with pytest.raises(SourceError, match=r"nothing\.mp4: no such file"):
        open_source("nothing.mp4")


def test_no_name_is_claimed_twice(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.mp4").touch()
    for spec in ["camera:0", str(tmp_path), str(tmp_path / "a.jpg"), str(tmp_path / "a.mp4")]:
        assert sum(load("sources", name).handles(spec) for name in names("sources")) == 1, spec
