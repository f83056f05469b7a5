"""Masks and their alpha are read strictly; whatever the bytes, only BadImage comes out."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadImage
from sightline.media import codecs


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_masks_survive_exactly(width: int, height: int, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    np.testing.assert_array_equal(codecs.decode_mask(codecs.encode_mask(mask)), mask)


def test_a_mask_is_an_8_bit_greyscale_png_and_small() -> None:
    mask = np.zeros((180, 320), np.uint8)
    mask[20:120, 40:90] = 7
    data = codecs.encode_mask(mask)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (data[24], data[25]) == (8, 0)
    assert len(data) < 1500


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        codecs.encode_jpeg(np.zeros((9, 9, 3), np.uint8)),
        codecs.encode_mask(np.zeros((9, 9), np.uint8))[:40],
    ],
)
def test_what_is_no_mask(data: bytes) -> None:
    with pytest.raises(BadImage, match="PNG"):
        codecs.decode_mask(data)


def test_a_mask_of_another_kind_or_of_absurd_size() -> None:
    colour = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    with pytest.raises(BadImage, match="expected 8 bits, greyscale"):
        codecs.decode_mask(colour)
    data = bytearray(codecs.encode_mask(np.zeros((8, 8), np.uint8)))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    with pytest.raises(BadImage, match="60000x60000"):
        codecs.decode_mask(bytes(data))


def test_a_mask_with_a_part_that_claims_gigabytes_is_refused_before_room_is_made() -> None:
    data = bytearray(codecs.encode_mask(np.zeros((8, 8), np.uint8)))
    data[33:37] = (0xF000_0000).to_bytes(4, "big")
    with pytest.raises(BadImage, match=f"a chunk of {0xF000_0000 + 12} bytes at byte 33 of {len(data)}"):
        codecs.decode_mask(bytes(data))


def test_what_else_a_mask_contains_is_left_out() -> None:
    mask = np.arange(64, dtype=np.uint8).reshape(8, 8)
    data = codecs.encode_mask(mask)
    more = b"zTXt" + b"a comment\0\0" + b"not even compressed"
    chunk = len(more[4:]).to_bytes(4, "big") + more + zlib.crc32(more).to_bytes(4, "big")
    np.testing.assert_array_equal(codecs.decode_mask(data[:33] + chunk + data[33:]), mask)


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_masks_raise_bad_image_or_give_ids(changes: list[tuple[int, int]]) -> None:
    data = bytearray(codecs.encode_mask(np.arange(48, dtype=np.uint8).reshape(6, 8)))
    for place, value in changes:
        data[place % len(data)] = value
    if int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big") > 10**5:
        return  # allowed up to 64 million pixels, but that takes long
    try:
        mask = codecs.decode_mask(bytes(data))
    except BadImage:
        return
    assert mask.ndim == 2


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_an_alpha_goes_with_a_mask_and_who_knows_none_reads_the_mask(width: int, height: int, seed: int) -> None:
    """Fault 28: old peers get the ids that they always got."""
    rng = np.random.default_rng(seed)
    mask, alpha = rng.integers(0, 2, (7, 9), np.uint8), rng.integers(0, 256, (height, width), np.uint8)
    data = codecs.encode_mask(mask, alpha)
    for read in (codecs.decode_mask(data), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)):
        np.testing.assert_array_equal(read, mask)
    found = codecs.decode_alpha(data)
    assert found is not None
    assert np.abs(found.astype(int) - alpha).max() <= 3
    assert (found[(alpha == 0) | (alpha == 255)] == alpha[(alpha == 0) | (alpha == 255)]).all()
    assert codecs.decode_alpha(codecs.encode_mask(mask)) is None


@given(st.binary(max_size=60), st.integers(33, 400))
def test_a_damaged_alpha_raises_bad_image_or_is_one(noise: bytes, at: int) -> None:
    data = codecs.encode_mask(np.zeros((4, 4), np.uint8), np.arange(60, dtype=np.uint8).reshape(6, 10))
    try:
        found = codecs.decode_alpha(data[:at] + noise + data[at + len(noise) :], max_pixels=60)
    except BadImage:
        return
    assert found is None or found.size <= 60


def test_an_alpha_of_absurd_size_is_refused() -> None:
    data = codecs.encode_mask(np.zeros((4, 4), np.uint8), np.zeros((100, 100), np.uint8))
    with pytest.raises(BadImage, match="100x100 pixels: expected 1 to 9999"):
        codecs.decode_alpha(data, max_pixels=9999)
