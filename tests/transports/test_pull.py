"""Streams that the server pulls: a real server, real RTSP, real files."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import cv2
import psutil
import pytest

from sightline.sources import _reconnecting
from sightline.streams.ingest import Ingest
from support.clips import moving, write_clip
from support.http_files import sending
from support.inside import inside
from support.rtsp import RtspServer, free_port
from support.serving import Json, Peer, Running, peer, pixels, serving

SECRET = "c4n4ry"


def counted(stream: Json) -> int:
    return int(stream["delivered"] + sum(stream["dropped"].values()) + stream["failed"] + stream["in_flight"])


async def live(server: Running, name: str) -> Json:
    """Wait until pictures of a stream come."""
    stats = await server.until(lambda s: s["streams"][name]["state"] == "live" and s["streams"][name]["received"])
    return dict(stats["streams"][name])


async def grows(server: Running, name: str) -> None:
    before = (await server.stream(name))["received"]
    await server.until(lambda s: s["streams"][name]["received"] > before + 2)


async def test_a_pulled_stream_is_seen_by_every_kind_of_viewer_and_idle_is_free() -> None:
    async with serving("--source", "made=synthetic:shapes?size=320x180&fps=20", "--tcp-port", "0") as server:
        stream = await live(server, "made")
        assert (stream["width"], stream["height"], stream["reason"]) == (320, 180, "")
        await grows(server, "made")
        stream = await server.stream("made")
        assert "unwatched" in stream["dropped"]
        assert set(stream["dropped"]) <= {"unwatched", "late"}, "late: where the machine has no time for the clock"
        assert stream["stages"] == {}, "nobody watches: no inference"
        thumbnail = await server.http.get("/api/streams/made/thumbnail.jpg")
        assert pixels(thumbnail.content).shape == (180, 320, 3)
        async with (
            peer(f"{server.ws}/ws/view/made") as plain,
            peer(f"{server.ws}/ws/view/made") as second,
            peer(f"{server.ws}/ws/view/made?render=server") as drawn,
            peer(f"{server.ws}/ws?stream=made") as listener,
        ):
            for viewer in (plain, second):
                message, data = await viewer.next("frame_metadata")
                assert data is not None
                assert pixels(data[: message["jpeg_bytes"]]).shape == (180, 320, 3)
            message, data = await drawn.next("frame_metadata")
            assert message["rendered"]
            assert data is not None
            assert pixels(data).shape == (180, 320, 3)
            found = 0
            while not found:
                message, _ = await listener.next("result")
                found = len(message["detections"])
        snapshot = await server.http.get("/snapshot/made.jpg")
        assert pixels(snapshot.content).shape == (180, 320, 3)
        stream = await server.stream("made")
        assert stream["received"] == counted(stream)
        camera = await server.get("/api/camera/made/stats")
        assert camera["camera_connected"]
    assert server.process.returncode == 0


async def test_what_is_pulled_comes_as_it_is_until_less_is_asked_for() -> None:
    async with (
        serving("--source", "made=synthetic:?size=1280x720&fps=20") as server,
        peer(f"{server.ws}/ws/view/made") as viewer,
    ):

        async def until_wide(width: int) -> Json:
            while True:
                message, data = await viewer.next("frame_metadata")
                if message["width"] == width:
                    assert data is not None
                    assert pixels(data[: message["jpeg_bytes"]]).shape[1] == width
                    return message

        await until_wide(1280)
        told = (await server.stream("made"))["adaptive"]
        assert (told["width"], told["quality"]) == (1280, 0.8)
        await server.http.patch("/api/streams/made", json={"max_fps": 5})
        message = await until_wide(1280)
        assert "rate" not in (await server.stream("made"))["dropped"], "they are left out before they count"
        await server.http.patch("/api/streams/made", json={"preset": "mobile"})
        smaller = await until_wide(480)
        assert smaller["jpeg_bytes"] < message["jpeg_bytes"] / 2
        stream = await server.stream("made")
        assert stream["received"] == counted(stream)


async def test_motion_jpeg_reaches_viewers_as_the_camera_made_it_until_less_is_asked_for() -> None:
    made = [cv2.imencode(".jpg", moving(i, 640, 360), (cv2.IMWRITE_JPEG_QUALITY, 95))[1].tobytes() for i in range(8)]
    over = threading.Event()

    def send(out: BufferedIOBase) -> None:
        for jpeg in itertools.cycle(made):
            if over.wait(0.05):
                return
            out.write(b"--frame\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg))

    with sending(send) as url:
        async with serving("--source", f"made={url}/7") as server, peer(f"{server.ws}/ws/view/made") as viewer:
            for _ in range(4):
                message, data = await viewer.next("frame_metadata")
            assert data is not None
            assert data[: message["jpeg_bytes"]] in made
            await server.http.patch("/api/streams/made", json={"preset": "mobile"})
            while message["width"] != 480:
                message, data = await viewer.next("frame_metadata")
            assert data is not None
            assert pixels(data[: message["jpeg_bytes"]]).shape == (270, 480, 3)
            stream = await server.stream("made")
            assert stream["received"] == counted(stream)
        over.set()


async def test_a_camera_that_knows_its_user_again_is_asked_at_once_where_it_is_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_reconnecting, "MOST_S", 1000.0)  # by itself it is not asked again in this test
    monkeypatch.setattr(_reconnecting, "REFUSED_S", 1000.0)
    with RtspServer(login="another user's") as door:
        async with inside(sources={"door": door.url.replace("//", f"//admin:{SECRET}@")}) as server:
            cameras = server.hub.cameras

            def stands(state: str, reason: str) -> Callable[[Json], bool]:
                return lambda stats: (
                    stats["streams"]["door"]["state"] == state and reason in stats["streams"]["door"]["reason"]
                )

            await server.figures(stands("reconnecting", f"refuses the user or the password; {_reconnecting.REFUSED}"))
            door.login = base64.b64encode(f"admin:{SECRET}".encode()).decode()
            await server.on_loop(cameras.change("door", paused=True))
            await server.figures(stands("paused", "paused"))
            await server.on_loop(cameras.change("door", paused=False))
            await server.figures(stands("live", ""))


async def test_what_is_pulled_obeys_the_limit_on_pixels() -> None:
    source = "--source", "large=synthetic:shapes?size=320x180&fps=20"
    async with serving(*source, "--model", "motion", env={"SIGHTLINE_MAX_PIXELS": "4096"}) as server:
        stats = await server.until(lambda s: s["streams"].get("large", {}).get("dropped", {}).get("too_large", 0) > 2)
        stream = stats["streams"]["large"]
        assert stream["received"] == counted(stream)
        assert stream["delivered"] == 0


async def test_pictures_of_a_pulled_stream_go_over_tcp() -> None:
    from sightline.client import AsyncClient

    async with serving("--source", "made=synthetic:?size=64x48", "--tcp-port", "0") as server:
        async with AsyncClient(server.tcp) as client:
            results = client.subscribe("made", pictures=True)
            result = await anext(results)
            await results.aclose()
        assert result.picture is not None
        assert pixels(result.picture).shape == (48, 64, 3)


async def test_a_file_is_paced_by_its_own_clock_loops_where_wanted_and_ends_where_not(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [moving(i) for i in range(10)], fps=20)
    sources = f'[sources]\nonce = "{clip.as_posix()}"\nagain = "{clip.as_posix()}#loop"\n'
    (tmp_path / "sightline.toml").write_text(sources)
    async with serving("--source", "more=synthetic:", cwd=tmp_path) as server:
        stats = await server.until(
            lambda s: s["streams"]["again"]["received"] > 25 and s["streams"]["once"]["state"] == "waiting"
        )
        assert stats["streams"]["once"]["received"] == 10
        await live(server, "more")  # the command line adds to the file


async def states(viewer: Peer, seen: list[str]) -> None:
    """Note how the camera stands, each change once, until cancelled."""
    while True:
        message, _ = await viewer.receive()
        if (
            message["type"] == "status"
            and message["state"] in ("waiting", "live")
            and message["state"] not in seen[-1:]
        ):
            seen.append(message["state"])


async def test_a_camera_that_is_killed_five_times_comes_back_and_harms_nobody() -> None:
    port, nobody = free_port(), free_port()
    login = base64.b64encode(f"admin:{SECRET}".encode()).decode()
    options = {
        "door": f"rtsp://admin:{SECRET}@127.0.0.1:{port}/live?{SECRET}",
        "dead": f"rtsp://admin:{SECRET}@127.0.0.1:{nobody}/{SECRET}",
        "made": "synthetic:?size=160x120&fps=20",
    }
    given = itertools.chain.from_iterable(("--source", f"{name}={spec}") for name, spec in options.items())
    async with serving(*given, "--log-level", "debug") as server, peer(f"{server.ws}/ws/view/door") as viewer:
        process = psutil.Process(server.process.pid)
        seen: list[str] = []
        reading = asyncio.create_task(states(viewer, seen))  # all the time: the newest would win
        memory = []
        await live(server, "made")
        for _life in range(5):
            stats = await server.until(lambda s: s["streams"]["door"]["state"] == "reconnecting")
            assert stats["streams"]["door"]["reason"]
            with RtspServer(port, login=login):
                await grows(server, "door")
                stats = await server.until(lambda s: s["streams"]["door"]["delivered"] > 0)
                assert stats["streams"]["door"]["state"] == "live"
                memory.append(process.memory_info().rss / 2**20)
            await grows(server, "made")  # the others go on
        assert memory[-1] < memory[1] + 30, memory
        await server.until(lambda s: s["streams"]["door"]["state"] == "reconnecting")
        stats = await server.get("/stats")
        assert stats["streams"]["dead"]["state"] == "reconnecting"
        assert "nothing listens there" in stats["streams"]["dead"]["reason"]
        assert not (await server.get("/api/camera/door/stats"))["camera_connected"]
        while len(seen) < 3:  # noqa: ASYNC110 - the reader tells nobody
            await asyncio.sleep(0.01)
        reading.cancel()
        assert seen[:3] == ["waiting", "live", "waiting"]
        metrics = (await server.http.get("/metrics")).text
        for name, value in (("dead", 0), ("made", 1)):
            assert f'sightline_stream_live{{stream="{name}"}} {value}.0' in metrics
        for path in ("/stats", "/api/streams", "/api/streams/door", "/metrics", "/api/models", "/openapi.json", "/"):
            assert SECRET not in (await server.http.get(path)).text, path
    assert server.process.returncode == 0
    log = "".join(server.log)
    assert "stream door: pictures come" in log
    assert SECRET not in log
    assert login not in log


async def test_a_name_that_is_pulled_is_taken() -> None:
    async with serving("--source", "made=synthetic:") as server, peer(f"{server.ws}/ws/camera/made") as camera:
        assert (await camera.refused())["code"] == "stream_busy"


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (f"rtsp://me:{SECRET}@host/1", "NAME=SOURCE"),
        (f"a b=rtsp://me:{SECRET}@host/1", "stream's name"),
        (f"door=ftp://me:{SECRET}@host/1", "source door: ftp://host"),
        ("door=nothing.mp4", "source door: nothing.mp4: no such file"),
    ],
)
def test_a_source_that_can_not_be_is_refused_without_its_password(option: str, says: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sightline", "serve", "--port", "0", "--source", option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert SECRET not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


async def test_no_request_makes_the_server_fetch_anything() -> None:
    with RtspServer() as camera:
        async with serving() as server:
            for path in ("/api/streams", "/api/streams/door", "/stats"):
                for method in ("POST", "PUT", "PATCH"):
                    body = {"sources": {"door": camera.url}, "source": camera.url, "url": camera.url}
                    answer = await server.http.request(method, path, json=body)
                    assert answer.status_code in (404, 405, 422)
            for path in (f"/ws/camera/door?source={camera.url}", f"/ws/view/door?source={camera.url}"):
                async with peer(server.ws + path) as asking:
                    with contextlib.suppress(TimeoutError):
                        await asking.receive()
            assert not (await server.get("/stats"))["streams"].get("door", {}).get("received")
        assert camera.transports == []


async def test_what_nobody_watches_wakes_the_loop_once_a_second_and_is_counted_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put: list[float] = []
    taken = Ingest.put_image

    def counting(self: Ingest, *args: Any, **more: Any) -> None:
        put.append(time.monotonic())
        taken(self, *args, **more)

    monkeypatch.setattr(Ingest, "put_image", counting)
    async with inside(sources={"made": "synthetic:shapes?size=64x48&fps=50"}) as server:
        await server.figures(lambda s: s["streams"]["made"]["received"] > 20)
        began, before = time.monotonic(), len(put)
        stats = await server.figures(lambda s: s["streams"]["made"]["received"] > 120)
        assert len(put) - before <= time.monotonic() - began + 2
        stream = stats["streams"]["made"]
        assert stream["received"] == counted(stream)
        assert set(stream["dropped"]) <= {"unwatched", "late"}
        async with peer(f"{server.ws}/ws/view/made") as viewer:
            for _ in range(5):
                await viewer.next("frame_metadata")
