"""Pictures that the server draws for those who can not draw themselves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from support.serving import Running, peer, picture, pixels, publish, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving() as s:
        yield s


async def test_server_side_drawing_for_who_asks(server: Running) -> None:
    async with (
        peer(f"{server.ws}/ws/camera/drawn") as camera,
        peer(f"{server.ws}/ws/view/drawn?render=server") as viewer,
    ):
        for seq in range(8):
            await camera.send_frame(seq)
            await camera.next("result")
            message, data = await viewer.next("frame_metadata")
        assert message["rendered"] is True
        assert "mask_bytes" not in message
        assert data is not None
        drawn = pixels(data)
        plain = pixels(picture(7))
        assert drawn.shape == plain.shape
        assert np.abs(drawn.astype(int) - plain).max() > 40, "something is drawn in"

        snapshot = await server.http.get("/snapshot/drawn.jpg")
        assert snapshot.headers["content-type"] == "image/jpeg"
        shot = pixels(snapshot.content)
        assert np.abs(shot.astype(int) - drawn).max() == 0, "drawn once, for all"


async def test_pictures_are_drawn_as_asked(server: Running) -> None:
    async with (
        peer(f"{server.ws}/ws/camera/looks") as camera,
        peer(f"{server.ws}/ws/view/looks?render=server&mode=contours&opacity=98") as viewer,
    ):
        for seq in range(12):
            await camera.send_frame(seq)
            await camera.next("result")
            message, data = await viewer.next("frame_metadata")
        assert (message["rendered"], message["mode"]) == (True, "contours")
        assert data is not None
        assert message["detections"]

        async def shot(query: str) -> tuple[str, Any]:
            answer = await server.http.get(f"/snapshot/looks.jpg?{query}")
            assert answer.status_code == 200, answer.text
            return answer.headers["sightline-mode"], pixels(answer.content)

        mode, contours = await shot("mode=contours")
        assert mode == "contours"
        assert (contours == pixels(data)).all(), "98 % and the mode's own 100 % are the same picture"
        assert (await shot("mode=side_by_side"))[1].shape == (180, 640, 3)
        faint, strong = [(await shot(f"mode=filled&opacity={n}"))[1].astype(int) for n in (0, 100)]
        plain = pixels(picture(11)).astype(int)
        assert 5 * np.abs(faint - plain).mean() < np.abs(strong - plain).mean()
        # `motion` knows no people: what it can do is drawn, and said
        assert (await shot("mode=blur_background"))[0] == "boxes"
        await server.said("blur_background needs a model that knows the class 'person'")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("mode=sepia", "sepia.*contours"),
        ("opacity=101", "101.*0 to 100"),
        ("mode=filled&opacity=half", "half.*0 to 100"),
    ],
)
async def test_a_look_that_does_not_exist_is_told_with_what_does(server: Running, query: str, says: str) -> None:
    for path in ("/mjpeg/nobody", "/snapshot/nobody.jpg"):
        answer = await server.http.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert re.search(says, answer.json()["error"]["message"])
    async with peer(f"{server.ws}/ws/view/nobody?render=server&{query}") as viewer:
        error = await viewer.refused()
    assert error["code"] == "bad_request"
    assert re.search(says, error["message"])


async def test_mjpeg_is_a_stream_of_parts_that_ends_with_the_camera(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/mjpeg") as camera:

        async def read() -> list[bytes]:
            async with server.http.stream("GET", "/mjpeg/mjpeg") as answer:
                assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
                body = b"".join([chunk async for chunk in answer.aiter_bytes()])
            return body.split(b"--frame\r\n")[1:]

        reading = asyncio.create_task(read())
        await server.until(lambda s: s["streams"].get("mjpeg", {}).get("viewers") == 1)
        await publish(camera, 4)
        await server.until(lambda s: s["streams"]["mjpeg"]["viewer_stats"][0]["sent"] >= 1)
        await camera.ws.close()
        parts = await reading
    assert parts
    header, _, rest = parts[0].partition(b"\r\n\r\n")
    length = int(header.decode().lower().split("content-length: ")[1])
    assert pixels(rest[:length]).shape == (180, 320, 3)
