"""A person's soft edges on their way: from the model's process over the wire to whoever shows them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from sightline.media import codecs
from support.serving import Running, peer, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "person", "--place", "process", "--no-static-skip") as running:
        yield running


def alpha_in(png: bytes) -> NDArray[np.uint8]:
    """The alpha of a mask that any reader of PNGs reads as class ids."""
    ids = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert ids is not None
    np.testing.assert_array_equal(ids, codecs.decode_mask(png))
    assert set(np.unique(ids)) <= {0, 1}
    alpha = codecs.decode_alpha(png)
    assert alpha is not None
    high = cv2.resize(alpha, (ids.shape[1], ids.shape[0]), interpolation=cv2.INTER_LINEAR)
    assert ((high >= 128) == ids).mean() > 0.99
    return alpha


async def test_a_still_person_is_steady_over_a_stream(server: Running, assets: Path) -> None:
    """Fault 28: noise of the camera moves nothing, and another stream's person counts for nothing."""
    first, own = (assets / "images" / "bus.jpg").read_bytes(), {}
    image = codecs.decode(codecs.check_jpeg(first, max_pixels=1 << 24))
    noise = np.random.default_rng(0).normal(0, 12, image.shape)
    noisy = codecs.encode_jpeg(np.asarray(np.clip(image + noise, 0, 255), np.uint8))
    for stream, jpegs in {"yard": (first, noisy), "hall": (noisy,)}.items():
        async with peer(f"{server.ws}/ws/camera/{stream}") as camera:
            for seq, jpeg in enumerate(jpegs):
                await camera.send_frame(seq, jpeg)
                _, png = await camera.next("result")
                assert png is not None
                own[stream, seq] = alpha_in(png).astype(int)
    before, steady, alone = own["yard", 0], own["yard", 1], own["hall", 0]
    assert np.abs(steady - before).sum() < 0.5 * np.abs(alone - before).sum()


async def test_viewers_cameras_and_posted_pictures_get_the_alpha_beside_the_ids(server: Running, assets: Path) -> None:
    """Fault 28, with the model in a process."""
    jpeg = (assets / "images" / "bus.jpg").read_bytes()
    async with (
        peer(f"{server.ws}/ws/view/door") as viewer,
        peer(f"{server.ws}/ws/camera/door") as camera,
    ):
        await camera.send_frame(1, jpeg)
        _, png = await camera.next("result")
        assert png is not None
        alpha = alpha_in(png)
        assert ((alpha > 20) & (alpha < 235)).mean() > 0.005, "soft edges"
        frame, data = await viewer.next("frame_metadata")
        while not frame.get("mask_bytes"):
            frame, data = await viewer.next("frame_metadata")
        assert data is not None
        np.testing.assert_array_equal(alpha_in(data[frame["jpeg_bytes"] :]), alpha)
        answer = await server.http.post("/api/predict", content=jpeg, headers={"Content-Type": "image/jpeg"})
        assert alpha_in(base64.b64decode(answer.json()["mask"]["png"])).shape == alpha.shape
