"""JPEG headers are read strictly and quickly; whatever the bytes, only BadImage or TooLarge come out."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.errors import BadImage, TooLarge
from sightline.core.types import Encoded, Image
from sightline.media import codecs

SOS = b"\xff\xda"


def picture(width: int, height: int) -> Image:
    """Something to compress."""
    random = np.random.default_rng(3)
    small = random.integers(0, 255, (max(1, height // 8), max(1, width // 8), 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def jpeg(width: int = 64, height: int = 48, *params: int) -> bytes:
    """A real JPEG from OpenCV."""
    done, data = cv2.imencode(".jpg", picture(width, height), params)
    assert done
    return data.tobytes()


def segment(marker: int, body: bytes) -> bytes:
    """One segment of a JPEG's header."""
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def claiming(width: int, height: int) -> bytes:
    """A small real JPEG whose frame header claims another size."""
    data = jpeg(16, 16)
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


REAL = {
    "baseline": jpeg(),
    "progressive": jpeg(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restart": jpeg(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "4:4:4": jpeg(64, 48, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    "grey": cv2.imencode(".jpg", picture(64, 48)[:, :, 0])[1].tobytes(),
}


@pytest.mark.parametrize("kind", REAL)
def test_size_and_pixels_of_real_files(kind: str) -> None:
    data = REAL[kind]
    assert codecs.jpeg_header(data).size == (64, 48)
    assert codecs.jpeg_header(memoryview(data)).size == (64, 48)
    encoded = codecs.check_jpeg(data, max_pixels=64 * 48)
    assert (encoded.width, encoded.height, encoded.data) == (64, 48, data)
    image = codecs.decode(encoded)
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    expected = picture(64, 48) if kind != "grey" else np.repeat(picture(64, 48)[:, :, :1], 3, axis=2)
    assert np.abs(image.astype(int) - expected).mean() < 12


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (65500, 1), (1920, 1080)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    assert codecs.jpeg_header(jpeg(*size)).size == size


def test_a_file_with_comments_profiles_and_fill_bytes_before_its_header() -> None:
    data = jpeg()
    extras = segment(0xE1, b"Exif" + bytes(60000)) + segment(0xFE, b"") + b"\xff\xff\xff" + segment(0xE2, b"\xff\xc0")
    assert codecs.jpeg_header(data[:2] + extras + data[2:]).size == (64, 48)
    assert codecs.decode(codecs.check_jpeg(data[:2] + extras + data[2:], max_pixels=10**6)).shape == (48, 64, 3)


def test_a_tiny_file_that_claims_a_huge_picture_is_refused_undecoded() -> None:
    data = claiming(30000, 30000)
    assert len(data) < 1000
    assert codecs.jpeg_header(data).size == (30000, 30000)
    with pytest.raises(TooLarge, match="30000x30000 = 900000000 pixels: expected at most 8294400"):
        codecs.check_jpeg(data, max_pixels=3840 * 2160)


@pytest.mark.parametrize("grey", [True, False])
def test_a_picture_of_nothing_may_be_small(grey: bool) -> None:
    """No JPEG that is whole has more pixels for its bytes than are let in."""
    flat = np.full((4000, 4000) if grey else (4000, 4000, 3), 127, np.uint8)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    codecs.check_jpeg(cv2.imencode(".jpg", flat, options)[1].tobytes(), max_pixels=1 << 24)
    with pytest.raises(BadImage, match=r"4000x4000 pixels in .* bytes: expected more data"):
        codecs.check_jpeg(claiming(4000, 4000), max_pixels=1 << 24)


def test_the_limit_is_on_pixels_and_inclusive() -> None:
    codecs.check_jpeg(claiming(3840, 2160) + bytes(9000), max_pixels=3840 * 2160)
    with pytest.raises(TooLarge):
        codecs.check_jpeg(claiming(3841, 2160), max_pixels=3840 * 2160)


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_codings_that_opencv_cannot_read_are_refused(marker: int) -> None:
    with pytest.raises(BadImage, match="expected baseline or progressive"):
        codecs.jpeg_header(jpeg().replace(b"\xff\xc0", bytes((0xFF, marker)), 1))


def patched(offset: int, value: int) -> bytes:
    """A byte of the frame header replaced; offset from its marker."""
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + offset] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected it to begin with ff d8 ff, got nothing"),
        (b"\x89PNG\r\n\x1a\n", "got 89 50 4e"),
        (b"RIFF....WEBP", "got 52 49 46"),
        (b"\xff\xd8\xff", "cut off"),
        (b"\xff\xd8\xff\xd9\x00\x00", "has no place"),
        (b"\xff\xd8\xff\xe0\x00\x01\x00\x00", "cut off"),
        (b"\xff\xd8\xff\xe0\xff\xff" + bytes(100), "cut off"),
        (b"\xff\xd8" + segment(0xE0, b"JFIF") + b"junk" * 9, "expected a marker"),
        (b"\xff\xd8" + segment(0xE0, b"JFIF") + SOS + b"\x00\x08\x01\x01\x00\x00\x3f\x00", "before the frame header"),
        (jpeg()[: jpeg().index(SOS)], "cut off"),
        (jpeg().replace(SOS, b"\xff\xd9", 1), "has no place"),
        (patched(4, 12), "12 bits per sample"),
        (claiming(0, 480), "0x480"),
        (claiming(640, 0), "640x0"),
        (patched(9, 2), "2 colour components"),
        (patched(9, 4), "17 bytes for 4 colour components"),
        (b"\xff\xd8" + segment(0xC0, b"\x08"), "frame header of 3 bytes"),
        (jpeg()[:2] + jpeg()[jpeg().index(b"\xff\xc0") :][:19] + jpeg()[2:], "two frame headers"),
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 5000 + jpeg()[2:], "more than 1024 segments"),
        (b"\xff\xd8" + b"\xff" * 100_000, "more than 1024 segments"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        codecs.check_jpeg(data, max_pixels=10**9)
    with pytest.raises(BadImage, match=reason):
        codecs.jpeg_header(memoryview(data))


def test_a_scan_header_of_no_length_at_the_very_end() -> None:
    data = jpeg()
    with pytest.raises(BadImage, match="scan header of 2 bytes"):
        codecs.jpeg_header(data[: data.index(SOS)] + SOS + b"\x00\x02")


def test_thousands_of_scans_are_refused() -> None:
    data = REAL["progressive"]
    first, end = data.index(SOS), data.index(SOS, data.index(SOS) + 2)
    assert codecs.jpeg_header(data[:first] + data[first:end] * 50 + data[end:]).size == (64, 48)
    with pytest.raises(BadImage, match="more than 100 scans"):
        codecs.jpeg_header(data[:first] + data[first:end] * 5000 + data[end:])


@pytest.mark.parametrize("kind", REAL)
@settings(max_examples=200)
@given(data=st.data())
def test_damaged_files_raise_bad_image_or_give_pixels(kind: str, data: st.DataObject) -> None:
    real = REAL[kind]
    # Mostly in the header, where the reader has to be on its guard.
    places = st.integers(0, min(len(real) - 1, 700)) | st.integers(0, len(real) - 1)
    changes = data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6))
    cut = data.draw(st.just(len(real)) | st.integers(0, len(real)))
    damaged = bytearray(real)
    for place, value in changes:
        damaged[place] = value
    survives(bytes(damaged[:cut]))


@settings(max_examples=300)
@given(body=st.binary(max_size=300), start=st.sampled_from([b"", b"\xff\xd8\xff", REAL["baseline"][:160]]))
def test_random_bytes_raise_bad_image_or_give_pixels(body: bytes, start: bytes) -> None:
    survives(start + body)


@given(
    st.lists(
        st.builds(
            segment,
            st.sampled_from([0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, 0xFE]),
            st.just(bytes.fromhex("08003000400301220002110103110100"[:30])) | st.binary(max_size=20),
        ),
        max_size=12,
    )
)
def test_made_up_segments_raise_bad_image_or_give_pixels(segments: list[bytes]) -> None:
    survives(b"\xff\xd8" + b"".join(segments))


def survives(data: bytes) -> None:
    """Either the reasoned refusal, or a size and then pixels of that size or a refusal."""
    try:
        encoded = codecs.check_jpeg(data, max_pixels=100_000)
    except (BadImage, TooLarge):
        return
    assert encoded.width * encoded.height <= 100_000
    try:
        image = codecs.decode(encoded)
    except BadImage:
        return
    assert image.shape == (encoded.height, encoded.width, 3)


def test_every_truncation_of_a_file() -> None:
    for kind in ("baseline", "progressive"):
        for length in range(0, len(REAL[kind]), 7):
            survives(REAL[kind][:length])


def test_what_opencv_cannot_decode_is_a_bad_image_with_its_size() -> None:
    data = jpeg(640, 480)
    with pytest.raises(BadImage, match="a 640x480 JPEG that can't be decoded"):
        codecs.decode(Encoded(data[:100], 640, 480))
    with pytest.raises(BadImage, match="can't be decoded"):
        codecs.decode(Encoded(b"", 10, 10))


@pytest.mark.parametrize(
    ("at_least", "expected"),
    [
        (None, (640, 480)),
        (641, (640, 480)),
        (640, (640, 480)),
        (321, (640, 480)),
        (320, (320, 240)),
        (161, (320, 240)),
        (160, (160, 120)),
        (80, (80, 60)),
        (1, (80, 60)),
    ],
)
def test_a_smaller_picture_where_that_is_enough(at_least: int | None, expected: tuple[int, int]) -> None:
    image = codecs.decode(codecs.check_jpeg(jpeg(640, 480), max_pixels=10**6), at_least=at_least)
    assert (image.shape[1], image.shape[0]) == expected


def test_odd_sizes_are_never_reduced_below_what_is_needed() -> None:
    for width, height in ((641, 479), (333, 1001), (17, 5)):
        for at_least in (3, 100, 167, 320, 500, 2000):
            image = codecs.decode(codecs.check_jpeg(jpeg(width, height), max_pixels=10**7), at_least=at_least)
            assert max(image.shape[:2]) >= min(at_least, max(width, height))


def test_pixels_pass_through_decode() -> None:
    image = picture(30, 20)
    assert codecs.decode(image) is image


def exif(orientation: int, order: str = "MM") -> bytes:
    """A segment that says how to turn the picture."""
    big = order == "MM"
    entry = struct.pack(">HHIHH" if big else "<HHIHH", 0x0112, 3, 1, orientation, 0)
    head = order.encode() + struct.pack(">HIH" if big else "<HIH", 42, 8, 1)
    return segment(0xE1, b"Exif\0\0" + head + entry + bytes(4))


def marked(data: bytes, orientation: int, order: str = "MM") -> bytes:
    return data[:2] + exif(orientation, order) + data[2:]


@pytest.mark.parametrize("order", ["MM", "II"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_picture_is_upright_and_its_size_is_that_of_the_upright_one(orientation: int, order: str) -> None:
    """Fault 3. The truth is OpenCV's own turning, which is that of browsers."""
    data = marked(jpeg(64, 48), orientation, order)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    encoded = codecs.check_jpeg(data, max_pixels=10**6)
    assert (encoded.height, encoded.width) == expected.shape[:2] == ((64, 48) if orientation >= 5 else (48, 64))
    np.testing.assert_array_equal(codecs.decode(encoded), expected)
    assert codecs.decode(encoded, at_least=32).shape[:2] == (encoded.height // 2, encoded.width // 2)
    assert codecs.thumbnail(encoded).shape == (encoded.height // 8, encoded.width // 8)


@given(st.binary(max_size=80), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_whatever_exif_says_the_picture_is_read(body: bytes, start: bytes) -> None:
    data = jpeg(16, 8)
    survives(data[:2] + segment(0xE1, b"Exif\0\0" + start + body) + data[2:])


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    assert codecs.check_jpeg(marked(jpeg(64, 48), orientation), max_pixels=10**6).orientation == 1


@pytest.mark.parametrize("kind", REAL)
def test_a_picture_without_its_end_is_decoded_and_marked(kind: str) -> None:
    """Fault 9. Browsers show what came, and grey for the rest."""
    data = REAL[kind]
    whole = codecs.check_jpeg(data, max_pixels=10**6)
    assert not whole.damaged
    assert not codecs.check_jpeg(data + b"\r\n", max_pixels=10**6).damaged, "some cameras fill up"
    image = codecs.decode(whole)
    for cut in (2, 1, len(data) // 20):
        part = codecs.check_jpeg(data[:-cut], max_pixels=10**6)
        assert part.damaged
        found = codecs.decode(part)
        assert found.shape == image.shape
        if kind != "progressive":
            np.testing.assert_array_equal(found[:16], image[:16])
            assert cut > 2 or np.array_equal(found, image)


def test_what_phones_make_is_called_by_its_name() -> None:
    """Fault 2."""
    with pytest.raises(BadImage, match="HEIC pictures are not read: convert them"):
        codecs.check_jpeg(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), max_pixels=10**6)


def test_encode_jpeg() -> None:
    image = picture(64, 48)
    good, poor = codecs.encode_jpeg(image, 95), codecs.encode_jpeg(image, 20)
    assert len(good) > len(poor)
    decoded = codecs.decode(codecs.check_jpeg(good, max_pixels=10**6))
    assert np.abs(decoded.astype(int) - image).mean() < 4
    with pytest.raises(BadImage, match=r"shape \(0, 5, 3\) can't be encoded"):
        codecs.encode_jpeg(np.zeros((0, 5, 3), np.uint8))
