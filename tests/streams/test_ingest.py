"""A camera's header is read once; what is known of the last picture never lets another one pass."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sightline.core.errors import BadImage, TooLarge
from sightline.core.types import Encoded
from sightline.media import codecs
from sightline.settings.settings import Settings
from sightline.streams.ingest import Ingest
from support.streams import Recorder, balanced, make_hub


@cache
def jpegs() -> tuple[bytes, ...]:
    """One size in three qualities and of several scans, and another size."""
    noise = np.random.default_rng(0).integers(0, 255, (80, 96, 3), np.uint8)
    ways: tuple[list[int], ...] = (
        [],
        [cv2.IMWRITE_JPEG_QUALITY, 30],
        [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
        [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
    )
    pictures = [cv2.imencode(".jpg", noise, way)[1].tobytes() for way in ways]
    return (*pictures, cv2.imencode(".jpg", noise[:48])[1].tobytes())


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """A JPEG; one that was cut off, or goes on with something else."""
    jpeg = draw(st.sampled_from(jpegs()))
    kept = draw(st.sampled_from([len(jpeg), codecs.jpeg_header(jpeg).pixels_at]) | st.integers(0, len(jpeg)))
    return jpeg[:kept] + draw(st.binary(max_size=20))


def seen_alone(jpeg: bytes, most: int) -> Encoded | str:
    try:
        return codecs.check_jpeg(jpeg, max_pixels=most)
    except (BadImage, TooLarge) as e:
        return e.message


@given(st.lists(pictures(), max_size=8), st.sampled_from([1 << 24, 96 * 70]))
def test_each_picture_is_judged_as_if_it_came_alone(sent: list[bytes], most: int) -> None:
    hub = make_hub()
    publisher = Recorder()
    stream = hub.take("door", publisher)
    ingest = Ingest(stream, Settings.model_validate({"max_pixels": most, "max_fps": 240}))
    refused: list[str] = []
    publisher.refuse = lambda seq, error: refused.append(error.message)  # type: ignore[method-assign]
    for seq, jpeg in enumerate(sent):
        expected = seen_alone(jpeg, most)
        before = len(refused)
        ingest.put_jpeg(seq, 0.0, None, jpeg)
        if isinstance(expected, str):
            assert refused[before:] == [expected]
        else:
            assert stream.meters.latest is not None
            got = stream.meters.latest.image
            assert isinstance(got, Encoded)
            assert all(getattr(got, f.name) == getattr(expected, f.name) for f in structs.fields(Encoded))
    assert balanced(stream)
