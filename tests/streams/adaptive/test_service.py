"""Presets and adaptation at a real server: what a camera is told, what the API says and refuses."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sightline.settings.presets import PRESETS
from support.serving import ROOT, Json, Peer, Running, peer, picture, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion", "--target-latency-ms", "150") as s:
        yield s


async def send_late(camera: Peer, seq: int, late_ms: float, *, size: tuple[int, int] = (640, 360)) -> None:
    """A frame that was captured so long ago, on a clock that the server knows."""
    now = time.time() * 1000
    about = {"frameNumber": seq, "timestamp": now - late_ms, "width": size[0], "height": size[1], "clockOffset": 0.001}
    await camera.ws.send(json.dumps({"type": "frame_metadata", **about}))
    await camera.ws.send(picture(seq, *size))


async def until_asked(camera: Peer, late_ms: float, *, size: tuple[int, int] = (640, 360)) -> Json:
    """Send late frames, each after the answer to the one before, until the server asks for something."""
    async with asyncio.timeout(30):
        seq = 0
        while True:
            await send_late(camera, seq, late_ms, size=size)
            while True:
                message, _ = await camera.receive()
                if message["type"] == "adapt":
                    return message
                if message["type"] in ("result", "dropped"):
                    break
            await asyncio.sleep(0.02)  # a camera's pace
            seq += 1


async def test_hello_says_what_the_preset_begins_with(server: Running) -> None:
    for name, values in PRESETS.items():
        async with peer(f"{server.ws}/ws/camera/hello-{name}?preset={name}") as camera:
            hello, _ = await camera.next("hello")
        told = (hello["preset"], hello["width"], hello["quality"], hello["fps"], hello["max_pending"])
        assert told == (name, values.width, values.quality, values.fps, values.max_pending)


async def test_late_pictures_make_the_server_ask_for_smaller_ones_and_say_why(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/late") as camera:
        await camera.next("hello")
        asked = await until_asked(camera, 400)
        assert asked["quality"] < PRESETS["default"].quality
        assert asked["reason"]
        assert set(asked) == {"type", "fps", "quality", "width", "reason", "preset", "max_pending"}
        told = (await server.stream("late"))["adaptive"]
        assert {key: told[key] for key in ("fps", "quality", "width", "reason", "preset")} == {
            key: asked[key] for key in ("fps", "quality", "width", "reason", "preset")
        }
        assert told["target"] == 150
        assert 0 <= time.time() - told["since"] < 60
        await server.until(lambda _: any("stream late: asks for" in line for line in server.log))


async def test_in_time_nothing_is_asked() -> None:
    patient = "--target-latency-ms", "5000"  # which a busy machine keeps
    async with serving("--model", "motion", *patient) as server, peer(f"{server.ws}/ws/camera/prompt") as camera:
        await camera.next("hello")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await until_asked(camera, 400)


async def test_a_camera_that_takes_no_notice_goes_on_undisturbed(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/deaf") as camera:
        await camera.next("hello")
        asked: list[Json] = []
        values = PRESETS["default"]
        while not asked or (asked[-1]["quality"], asked[-1]["width"]) != (values.quality, values.width):
            asked.append(await until_asked(camera, 400))
        assert len(asked) <= 3, "then it is left alone"
        stream = await server.stream("deaf")
        assert stream["failed"] == 0
        assert stream["delivered"] >= 0.9 * stream["received"], "it loses no frames by it"


async def test_another_preset_at_once(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/switch") as camera:
        await camera.next("hello")
        answer = await server.http.patch("/api/streams/switch", json={"preset": "ultra"})
        assert (answer.status_code, answer.json()["preset"]) == (200, "ultra")
        adapt, _ = await camera.next("adapt")
        assert (adapt["width"], adapt["quality"], adapt["fps"], adapt["max_pending"]) == (1280, 0.8, 60, 5)
        assert "ultra" in adapt["reason"]
    await server.until(lambda s: s["streams"]["switch"]["state"] == "waiting")
    async with peer(f"{server.ws}/ws/camera/switch") as camera:
        hello, _ = await camera.next("hello")
        assert hello["preset"] == "ultra", "it stays with the stream"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"preset": "fast"}, "expected lan, default, mobile, ultra or tunnel"),
        ({"preset": 1}, "preset"),
        ({"presets": "lan"}, "presets"),
        ([], "body"),
    ],
)
async def test_what_cannot_be_set_is_told_with_what_can(server: Running, body: Any, said: str) -> None:
    async with peer(f"{server.ws}/ws/camera/refused"):
        await server.until(lambda s: "refused" in s["streams"])
        answer = await server.http.patch("/api/streams/refused", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]


async def test_only_our_own_pages_may_change_a_stream(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/own"):
        await server.until(lambda s: "own" in s["streams"])
        change: Any = {"json": {"preset": "lan"}}
        foreign = await server.http.patch("/api/streams/own", headers={"Origin": "http://evil.example"}, **change)
        own = await server.http.patch("/api/streams/own", headers={"Origin": server.url}, **change)
    assert (foreign.status_code, own.status_code) == (403, 200)
    assert (await server.http.patch("/api/streams/nobody", **change)).status_code == 404


async def test_an_unknown_preset_of_a_camera_is_told(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/odd?preset=warp") as camera:
        assert "lan, default, mobile, ultra, tunnel" in (await camera.refused())["message"]


async def test_it_can_be_turned_off_and_begun_with_another_preset() -> None:
    async with (
        serving("--model", "motion", "--adaptive", "off", "--preset", "mobile") as server,
        peer(f"{server.ws}/ws/camera/frozen") as camera,
    ):
        hello, _ = await camera.next("hello")
        assert hello["preset"] == "mobile"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await until_asked(camera, 1000)
        assert (await server.stream("frozen"))["adaptive"] is None


async def test_the_camera_page_offers_each_preset_with_its_own_width() -> None:
    page = (ROOT / "src/sightline/web/pages/camera.html").read_text()
    offered = dict(re.findall(r'<option value="(\w+)" data-width="(\d+)"', page))
    assert {name: int(width) for name, width in offered.items()} == {n: p.width for n, p in PRESETS.items()}


async def test_no_less_is_asked_than_the_settings_allow() -> None:
    least = {"SIGHTLINE_ADAPTIVE_FPS": "12", "SIGHTLINE_ADAPTIVE_QUALITY": "0.45", "SIGHTLINE_ADAPTIVE_WIDTH": "480"}
    async with serving("--model", "motion", env=least) as server, peer(f"{server.ws}/ws/camera/bound") as camera:
        await camera.next("hello")
        asked = await until_asked(camera, 400)
        assert (asked["quality"], asked["width"]) == (0.45, 480)
        assert asked["fps"] >= 12
