"""Picture files: whatever they claim, what they cost is bounded."""

from __future__ import annotations

import resource
import struct
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadImage, ProtocolError, TooLarge
from sightline.media.pictures import read_picture

PICTURE = np.full((64, 48, 3), 127, np.uint8)
JPEG = cv2.imencode(".jpg", PICTURE)[1].tobytes()
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()


def claiming(width: int, height: int) -> bytes:
    """A JPEG that says that it is so large."""
    data = bytearray(JPEG)
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def claiming_chunk(length: int) -> bytes:
    """A PNG with a chunk that says that it is so long."""
    return PNG[:33] + struct.pack(">I", length) + b"tEXt" + b"x" * 50


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (claiming(30000, 30000), "30000x30000 = 900000000 pixels: expected at most"),
        (claiming_chunk(0xFFFFFFF0), "PNG cut off: a chunk of 4294967280 bytes"),
        (PNG[:16] + struct.pack(">II", 100_000, 100_000) + PNG[24:], "10000000000 pixels"),
        (b"", "can't be read as a picture"),
        (b"GIF89a", "can't be read as a picture"),
        (JPEG[:40], "cut off"),
    ],
)
def test_a_file_that_lies_is_refused_by_its_header(data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ProtocolError, match=why):
        read_picture(tmp_path / "a")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000, "KB"


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp"])
def test_whole_files_are_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(cv2.imencode(ending, PICTURE)[1].tobytes())
    assert read_picture(path).shape == (64, 48, 3)


@given(st.binary(max_size=60), st.sampled_from([JPEG, PNG]), st.integers(0, 80))
def test_any_bytes_are_a_picture_or_a_reasoned_error(noise: bytes, start: bytes, at: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(start[:at] + noise + start[at + len(noise) :])
        file.flush()
        try:
            assert read_picture(Path(file.name)).ndim == 3
        except (BadImage, TooLarge) as e:
            assert file.name in e.message  # noqa: PT017
