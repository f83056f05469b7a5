"""What people write into the file of cameras: taken over as a whole, or a clear no that keeps all as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.errors import BadRequest
from sightline.settings.settings import load_settings
from sightline.streams.cameras import Cameras
from sightline.streams.kept_camera import KeptCamera, parse
from sightline.streams.watched_file import WatchedFile

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["rtsp://a/1", "Tür"])
ENTRIES = st.dictionaries(st.sampled_from(["source", "name", "paused", "suorce"]), VALUES)
FILES = st.dictionaries(st.sampled_from(["door", "yard", "a b", ""]), ENTRIES | VALUES)


@settings(max_examples=50)
@given(st.binary(max_size=60) | FILES.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_in_the_file_is_cameras_or_a_clear_no(data: bytes) -> None:
    try:
        cameras = parse(data)
    except BadRequest:
        return
    assert json.loads(data).keys() == cameras.keys()
    assert all(isinstance(camera, KeptCamera) for camera in cameras.values())


def test_a_wrong_word_is_said() -> None:
    with pytest.raises(BadRequest, match="door: Object contains unknown field `suorce`"):
        parse(b'{"door": {"suorce": "rtsp://a/1"}}')


def test_a_file_that_somebody_writes_in_parts_is_read_when_it_is_whole(tmp_path: Path) -> None:
    file = WatchedFile(tmp_path / "cameras.json")
    assert (file.read(), file.edited(settled=True)) == (None, None)
    file.write(b"{}")
    assert file.edited(settled=False) is None, "it was written here"
    file.path.write_bytes(b'{"door"')
    assert file.edited(settled=True) is None
    file.path.write_bytes(b'{"door": {}}')
    assert [file.edited(settled=True) for _ in range(3)] == [None, b'{"door": {}}', None]
    os.utime(file.path, ns=(1, 1))
    assert file.edited(settled=False) == b'{"door": {}}', "who can't wait gets what is there"
    file.path.unlink()
    assert file.edited(settled=False) is None, "nobody has written anything"


def test_a_folder_that_can_not_be_looked_into_is_no_change_by_hand(tmp_path: Path) -> None:
    """It was told twice a second, as long as the server ran."""
    (tmp_path / "data").write_bytes(b"")
    file = WatchedFile(tmp_path / "data" / "cameras.json")
    with pytest.raises(NotADirectoryError):
        file.read()
    assert file.edited(settled=False) is None


def test_a_camera_of_another_hub_is_recorded_as_there(tmp_path: Path) -> None:
    cameras = Cameras(load_settings(data=tmp_path))
    cameras.borrow({"door": KeptCamera(source="rtsp://192.0.2.1/1", record="always", record_schedule="mon-sun")}, ())
    assert (cameras.record("door"), cameras.record_now("door")) == ("always", "always")
    assert (cameras.record_schedule("door"), cameras.unscheduled("door")) == ("mon-sun", False)
