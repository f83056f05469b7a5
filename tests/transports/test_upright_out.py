"""One rule for every way out: the picture is upright, its mask and its drawing too (fault 3)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.predictions import Prediction, Segmentation
from sightline.core.types import Image, ModelCard
from sightline.models.base import Options
from support import rtc
from support.clips import read_clip
from support.inside import Inside, inside
from support.serving import peer, pixels
from support.turned import stored
from support.waiting import within
from support.working import MadeModel, loading

pytestmark = pytest.mark.timeout(120)
in_module = pytest.mark.asyncio(loop_scope="module")
NUMBERS = (2, 3, 6, 8)


class Bright(MadeModel):
    """Marks what is bright."""

    card = ModelCard("m", "m", "segment", ("dark", "bright"), None, "-", "-")

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        return [Segmentation((image[:, :, 1] > 128).astype(np.uint8)) for image in images]


def scene() -> Image:
    """A dark picture whose left upper quarter is bright."""
    image = np.full((96, 160, 3), 20, np.uint8)
    image[:48, :80] = 230
    return image


def check(image: Image) -> None:
    """Fail unless this is the scene, upright, at any size."""
    height, width = image.shape[:2]
    assert width == round(height * 160 / 96)
    grey = image if image.ndim == 2 else image[:, :, 1]
    bright = grey[: height // 2, : width // 2].mean()
    others = [grey[: height // 2, width // 2 :], grey[height // 2 :, : width // 2], grey[height // 2 :, width // 2 :]]
    assert bright > 2 * max(other.mean() for other in others)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Inside]:
    async with inside(load=loading(Bright()), static_skip=False, adaptive="off") as running:
        yield running


@contextlib.asynccontextmanager
async def sending(server: Inside, number: int) -> AsyncIterator[None]:
    """A camera that is held so."""
    over = asyncio.Event()  # Python 3.11 may lose a cancellation in wait_for

    async def send() -> None:
        async with peer(f"{server.ws}/ws/camera/door") as camera:
            for seq in itertools.count():
                if over.is_set():
                    return
                await camera.send_frame(seq, stored(scene(), number))
                await camera.next("result", "dropped")
                await asyncio.sleep(0.02)

    task = asyncio.create_task(send())
    await server.figures(lambda s: s["streams"].get("door", {}).get("state") == "live")
    try:
        yield
    finally:
        over.set()
        await task
        await server.figures(lambda s: s["streams"]["door"]["state"] == "waiting")


@in_module
@pytest.mark.parametrize("number", NUMBERS)
async def test_pictures_masks_and_drawings_are_upright_on_every_way_out(server: Inside, number: int) -> None:
    async with sending(server, number), httpx2.AsyncClient(base_url=server.http, timeout=30) as http:
        for path in (
            "/snapshot/door.jpg?opacity=0",
            "/snapshot/door.jpg?mode=filled&opacity=20",
            "/api/streams/door/thumbnail.jpg",
        ):
            check(pixels((await http.get(path)).content))
        async with http.stream("GET", "/mjpeg/door?opacity=0") as answer:
            data = b""
            async for chunk in answer.aiter_bytes():
                data += chunk
                if b"\xff\xd9" in data:
                    break
        check(pixels(data[data.index(b"\xff\xd8") : data.index(b"\xff\xd9") + 2]))
        async with (
            peer(f"{server.ws}/ws/view/door?render=server&opacity=0") as drawn,
            peer(f"{server.ws}/ws/view/door") as own,
        ):
            message, jpeg = await drawn.next("frame_metadata")
            assert jpeg is not None
            check(pixels(jpeg))
            message, both = await own.next("frame_metadata")
            assert both is not None
            assert (message["width"], message["height"]) == (160, 96)
            check(pixels(both[message["jpeg_bytes"] :], grey=True))
        body = stored(scene(), number)
        check(pixels((await http.post("/api/predict?format=jpeg&opacity=0", content=body)).content))


@in_module
@pytest.mark.parametrize("number", [2, 6])
async def test_video_over_webrtc_is_upright(server: Inside, number: int) -> None:
    async with (
        sending(server, number),
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
        rtc.viewer(rtc.Calling(http), "door") as watcher,
    ):
        assert watcher.track is not None
        frame: Any = await within(watcher.track.recv(), 30)
        check(frame.to_ndarray(format="bgr24"))


@pytest.mark.parametrize("number", NUMBERS)
def test_what_run_saves_is_upright(tmp_path: Path, number: int) -> None:
    for i in range(2):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{i}.jpg").write_bytes(stored(scene(), number))
    for out in ("out.mp4", "out"):
        done = CliRunner().invoke(
            app, ["run", str(tmp_path / "in"), "--model", "motion", "--save", str(tmp_path / out)]
        )
        assert done.exit_code == 0, done.output
    check(read_clip(tmp_path / "out.mp4")[1][0])
    (first, _) = sorted((tmp_path / "out").iterdir())
    check(pixels(first.read_bytes()))
