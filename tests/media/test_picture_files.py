"""Picture files: whatever they claim, what they cost is bounded."""

from __future__ import annotations

import resource
import struct
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadImage, ProtocolError, TooLarge
from sightline.media.orientation import upright
from sightline.media.pictures import decode_picture, read_picture
from sightline.sources.base import open_source
from support.avifs import avif, grid_avif
from support.http_files import files

PICTURE = np.full((64, 48, 3), 127, np.uint8)
JPEG = cv2.imencode(".jpg", PICTURE)[1].tobytes()
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()
WEBP = cv2.imencode(".webp", PICTURE)[1].tobytes()


def claiming(width: int, height: int) -> bytes:
    """A JPEG that says that it is so large."""
    data = bytearray(JPEG)
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def claiming_chunk(length: int) -> bytes:
    """A PNG with a chunk that says that it is so long."""
    return PNG[:33] + struct.pack(">I", length) + b"tEXt" + b"x" * 50


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def lossless(width: int, height: int, more: bytes = bytes(60)) -> tuple[bytes, bytes]:
    """The chunk of a lossless WebP that says that it is so large."""
    return b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + more


def lossy(width: int, height: int) -> tuple[bytes, bytes]:
    """The chunk of a WebP that says that it is so large."""
    return b"VP8 ", b"\x10\x02\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(60)


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """The chunk in which a WebP says how large it is altogether."""
    return b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (webp(lossless(16384, 16384)), "16384x16384 pixels in .* bytes: expected more data"),
        (webp(lossless(16384, 16384, bytes(8000))), "16384x16384 pixels in .* bytes: expected more data"),
        (webp(lossy(16383, 16383)), "16383x16383 pixels in .* bytes: expected more data"),
        (webp(canvas(16000, 16000), lossless(16000, 16000)), "16000x16000 pixels in .* bytes: expected more data"),
        (webp(canvas(1 << 24, 1 << 24), lossy(64, 64)), "281474976710656 pixels: expected at most"),
        (webp(canvas(64, 64), lossless(16384, 16384)), "can't be read as a picture"),
        (
            webp(canvas(64, 64, 2), (b"ANMF", bytes(16) + b"".join(lossless(16384, 16384)))),
            "can't be read as a picture",
        ),
        (webp((b"JUNK", bytes(20)), lossless(16384, 16384)), "WebP that begins with b'JUNK'"),
        (b"RIFF\xff\xff\xff\xffWEBP", "WebP that begins with b''"),
        (claiming(30000, 30000), "30000x30000 = 900000000 pixels: expected at most"),
        (claiming_chunk(0xFFFFFFF0), "PNG cut off: a chunk of 4294967280 bytes"),
        (PNG[:16] + struct.pack(">II", 100_000, 100_000) + PNG[24:], "10000000000 pixels"),
        (claiming(16000, 16000), "16000x16000 pixels in .* bytes: expected more data"),
        (PNG[:16] + struct.pack(">II", 16000, 16000) + PNG[24:], "16000x16000 pixels in .* bytes: expected more data"),
        (b"GIF89a" + struct.pack("<HH", 16000, 16000) + bytes(500), "16000x16000 pixels in .* bytes"),
        (b"", "can't be read as a picture"),
        (b"GIF89a", "can't be read as a picture"),
        (JPEG[:40], "cut off"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "HEIC pictures are not read: convert"),
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


def exif(orientation: int) -> bytes:
    """EXIF data: how to turn the picture."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pngs_and_webps_are_turned_as_jpegs_are(orientation: int, tmp_path: Path) -> None:
    """Fault 3, of files. Browsers turn all three."""
    corner = PICTURE.copy()
    corner[:16, :8] = 255
    jpeg = cv2.imencode(".jpg", corner)[1].tobytes()
    app1 = b"Exif\0\0" + exif(orientation)
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + jpeg[2:])
    png = cv2.imencode(".png", corner)[1].tobytes()
    (tmp_path / "a.png").write_bytes(png[:33] + chunk(b"eXIf", exif(orientation)) + png[33:])
    webp = cv2.imencode(".webp", corner)[1].tobytes()[12:]
    extended = b"VP8X" + struct.pack("<II", 10, 8) + struct.pack("<I", 47)[:3] + struct.pack("<I", 63)[:3]
    body = b"WEBP" + extended + webp + b"EXIF" + struct.pack("<I", len(exif(orientation))) + exif(orientation)
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    pictures = [read_picture(tmp_path / name).astype(int) for name in ("a.jpg", "a.png", "a.webp")]
    assert all(abs(picture - pictures[0]).max() < 30 for picture in pictures[1:])
    assert pictures[0].shape == ((48, 64, 3) if orientation >= 5 else (64, 48, 3))
    bright = np.argwhere(pictures[0][:, :, 0] > 200).mean(axis=0) > np.array(pictures[0].shape[:2]) / 2
    assert (
        tuple(bright)
        == {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avifs_are_turned_too(orientation: int) -> None:
    """They have properties of their own for it. OpenCV reads none of these."""
    picture = np.random.default_rng(1).integers(0, 256, (6, 4, 3)).astype(np.uint8).repeat(32, 0).repeat(32, 1)
    found = decode_picture(avif(picture, orientation)).image.astype(int)
    expected = upright(picture, orientation)
    assert found.shape == expected.shape
    assert np.median(abs(found - expected)) < 12


@pytest.mark.parametrize("quarters", range(4))
def test_an_avif_of_tiles_is_read_whole(quarters: int, tmp_path: Path) -> None:
    """FFmpeg gives one of the tiles. It may have any name, and come from a folder or over HTTP."""
    picture = np.random.default_rng(2).integers(0, 256, (4, 6, 3)).astype(np.uint8).repeat(32, 0).repeat(32, 1)
    for name in ("a.avif", "photo", "b.mp4"):
        (tmp_path / name).write_bytes(grid_avif(picture, quarters=quarters))
    expected = np.rot90(picture, quarters)
    with files(tmp_path) as url:
        for spec, count in (
            (tmp_path, 3),
            *((tmp_path / name, 1) for name in ("a.avif", "photo", "b.mp4")),
            (f"{url}/a.avif", 1),
        ):
            with open_source(str(spec)) as source:
                found = [shot.image for shot in source]
            assert [one.shape for one in found] == [expected.shape] * count
            assert all(np.median(abs(one.astype(int) - expected)) < 12 for one in found)


@given(st.data())
def test_a_damaged_avif_is_a_picture_or_a_reasoned_error(data: st.DataObject) -> None:
    whole = grid_avif(np.full((128, 192, 3), 90, np.uint8), quarters=1)
    broken = bytearray(whole[: data.draw(st.integers(64, len(whole)))])
    for at in data.draw(st.lists(st.integers(32, 600), max_size=8)):
        broken[at % len(broken)] = data.draw(st.integers(0, 255))
    try:
        assert decode_picture(bytes(broken)).image.ndim == 3
    except (BadImage, TooLarge) as e:
        assert e.message  # noqa: PT017


def test_a_picture_of_one_colour_is_read_however_few_bytes_it_has(tmp_path: Path) -> None:
    flat = np.full((3000, 4000, 3), (40, 90, 200), np.uint8)
    (tmp_path / "a.webp").write_bytes(cv2.imencode(".webp", flat, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes())
    assert (tmp_path / "a.webp").stat().st_size < 1000
    assert read_picture(tmp_path / "a.webp").shape == flat.shape


@given(st.binary(max_size=60), st.sampled_from([JPEG, PNG, WEBP]), st.integers(0, 80))
def test_any_bytes_are_a_picture_or_a_reasoned_error(noise: bytes, start: bytes, at: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(start[:at] + noise + start[at + len(noise) :])
        file.flush()
        try:
            assert read_picture(Path(file.name)).ndim == 3
        except (BadImage, TooLarge) as e:
            assert file.name in e.message  # noqa: PT017
