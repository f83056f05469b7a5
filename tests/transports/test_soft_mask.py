"""A person's soft edges on their way: from the model's process over the wire to whoever shows them."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.media import codecs
from support.serving import peer, serving


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


async def test_viewers_listeners_and_posted_pictures_get_the_alpha_beside_the_ids(assets: Path) -> None:
    """Fault 28, with the model in a process."""
    jpeg = (assets / "images" / "bus.jpg").read_bytes()
    async with (
        serving("--model", "person", "--place", "process") as server,
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
