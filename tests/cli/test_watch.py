"""``sightline watch``, as a person starts it, against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from msgspec.structs import replace

from sightline.cli.answers import drawn
from sightline.cli.watch import watch
from sightline.cli.window import Window
from sightline.client import AsyncClient
from sightline.core.errors import ConfigError
from sightline.sources.synthetic import BACKGROUND
from support.events import event as new_event
from support.inside import inside
from support.rtsp import free_port
from support.serving import Running, serving
from support.waiting import within

loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--tcp-port", "0", "--source", "made=synthetic:?size=320x180&fps=20") as running:
        yield running


async def start(*args: str, stdout: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "watch", *args),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"SDL_VIDEODRIVER": "dummy"},
    )


async def stop(process: asyncio.subprocess.Process) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    out, err = await within(process.communicate(), 30)
    assert process.returncode == 130
    assert "Traceback" not in err.decode()
    return out.decode(), err.decode()


@loop
@pytest.mark.parametrize("transport", ["tcp", "ws"])
async def test_json_is_one_line_a_result_for_as_long_as_somebody_reads(server: Running, transport: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as lines:
        with os.fdopen(writing, "wb") as out:
            process = await start("made", "--json", "--url", getattr(server, transport), stdout=out.fileno())
        got = [json.loads(await asyncio.to_thread(lines.readline)) for _ in range(20)]
    _, err = await within(process.communicate(), 60)  # as `| head -20` leaves it
    assert (process.returncode, err) == (141, b"")
    assert {(line["stream"], line["width"], line["height"], line["model"]) for line in got} == {
        ("made", 320, 180, "motion")
    }
    numbers = [line["seq"] for line in got]
    assert numbers == sorted(set(numbers))
    assert any(line["detections"] for line in got)


@loop
async def test_elsewhere_than_on_a_terminal_there_are_lines(server: Running) -> None:
    process = await start("made", "--url", server.ws)
    assert process.stderr is not None
    while "fps, " not in (line := (await within(process.stderr.readline(), 60)).decode()):
        assert line
    await stop(process)


@loop
@pytest.mark.parametrize("transport", ["tcp", "ws"])
async def test_a_window_shows_the_pictures_with_boxes(server: Running, transport: str) -> None:
    pytest.importorskip("pygame")
    process = await start("made", "--window", "--url", getattr(server, transport))
    await server.until(lambda s: s["streams"]["made"]["viewers"] == 1)
    before = (await server.stream("made"))["delivered"]
    await server.until(lambda s: s["streams"]["made"]["delivered"] > before + 10)
    _, told = await stop(process)
    assert told.startswith("made: waiting for pictures")
    async with AsyncClient(getattr(server, transport)) as client:
        results = client.subscribe("made", pictures=True)
        async for result in results:
            if result.detections:
                break
        await results.aclose()
    plain = result.picture
    assert plain is not None
    x1, y1, _, _ = (round(v) for v in result.detections[0].xyxy)
    image = drawn(result)
    assert image.shape == (180, 320, 3)
    around = image[max(0, y1 - 2) : y1 + 3, max(0, x1 - 2) : x1 + 3].reshape(-1, 3).astype(int)
    assert np.abs(around - BACKGROUND).max() > 60, "a box's corner"


def test_where_there_is_no_screen_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")  # what SDL takes by itself then
    with pytest.raises(ConfigError, match="there is no screen"):
        Window("test")


def test_a_window_can_be_resized_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, :40] = (255, 0, 0)  # blue
    with Window("test") as window:
        window.show(image)
        screen = pygame.display.get_surface()
        assert screen.get_size() == (80, 60)
        assert screen.get_at((10, 30))[:3] == (0, 0, 255)
        assert screen.get_at((70, 30))[:3] == (0, 0, 0)
        pygame.display.set_mode((160, 160), pygame.RESIZABLE)
        window.show(image)
        screen = pygame.display.get_surface()
        assert screen.get_at((20, 80))[:3] == (0, 0, 255)
        assert screen.get_at((20, 10))[:3] == (0, 0, 0), "not stretched"
        assert not window.closed()
        for key in (pygame.K_q, pygame.K_ESCAPE):
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
            assert window.closed()
            assert not window.closed()


@loop
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("a b",), "stream name 'a b'"),
        (("a", "--json", "--window"), "expected one of them"),
        (("a", "--url", f"tcp://127.0.0.1:{free_port()}"), "nothing listens there"),
    ],
)
async def test_what_can_not_be_says_why(args: tuple[str, ...], says: str) -> None:
    process = await start(*args)
    _, err = await within(process.communicate(), 60)
    assert process.returncode == 2
    assert says in " ".join(err.decode().split())
    assert "Traceback" not in err.decode()


@pytest.mark.parametrize("json_lines", [False, True])
async def test_events_are_lines(json_lines: bool) -> None:
    made = new_event(class_name="person", track=3, zone="drive", at=1700000000.5)
    async with inside() as server:
        process = await start(*(["--json"] if json_lines else []), "--events", "--url", server.ws)
        assert process.stdout is not None
        await server.listeners(1)
        server.emit(made, replace(made, phase="end", seconds=2.5, reason="so\x1b[31m"))
        lines = [(await within(process.stdout.readline(), 30)).decode() for _ in range(2)]
        await stop(process)
    if json_lines:
        start_of, end_of = map(json.loads, lines)
        assert (start_of["id"], start_of["phase"]) == (made.id, "start")
        assert end_of["number"] > start_of["number"]
    else:
        assert lines[0][20:].split() == ["door", "zone", "drive", "start", "person", "#3"]
        assert lines[1][20:].split() == ["door", "zone", "drive", "end", "person", "#3", "after", "2.5", "s", "so?[31m"]


def test_a_stream_or_events_are_needed() -> None:
    with pytest.raises(ConfigError, match="expected a name, or --events"):
        watch()
    with pytest.raises(ConfigError, match="--window and --events"):
        watch("door", window=True, events=True)
