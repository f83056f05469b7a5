"""``sightline push``, as a person starts it, against a real server."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.clips import moving, write_clip
from support.rtsp import RtspServer, free_port
from support.serving import Running, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "c4n4ry"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--tcp-port", "0") as running:
        yield running


async def start(*args: str | Path) -> asyncio.subprocess.Process:
    given = [*map(str, args)] + ([] if "--out" in args else ["--no-out"])
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "push", *given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def push(*args: str | Path) -> tuple[int | None, str, str]:
    process = await start(*args)
    out, err = await within(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("transport", ["tcp", "ws"])
async def test_a_clip_is_pushed_and_every_picture_accounted_for(
    server: Running, tmp_path: Path, transport: str
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [moving(i) for i in range(20)], fps=20)
    out = tmp_path / "results" / "clip.jsonl"
    name = f"clip-{transport}"
    code, said, told = await push(clip, "--stream", name, "--url", getattr(server, transport), "--out", out)
    assert (code, said) == (0, ""), told
    sent, answered = map(int, re.findall(r"(\d+) sent, (\d+) answered", told)[-1])
    dropped = sum(map(int, re.findall(r"(\d+) dropped", told)))
    skipped = sum(map(int, re.findall(r"(\d+) skipped", told)))
    assert sent == answered + dropped
    assert sent + skipped == 20
    assert re.search(r"latency p50 \d+ ms, p95 \d+ ms", told)
    written = lines(out.read_text())
    assert len(written) == answered > 5
    for line in written:
        assert set(line) >= {"stream", "seq", "timestamp", "source", "width", "height", "model", "detections", "stages"}
        assert (line["stream"], line["source"], line["width"], line["height"]) == (name, "clip.mp4", 160, 120)
    times = [line["timestamp"] for line in written]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 960, "milliseconds, as on every wire: fault 14"
    assert any(line["detections"] for line in written)


async def test_fps_and_duration_are_kept(server: Running) -> None:
    code, out, told = await push(
        "synthetic:", "--stream", "short", "--url", server.ws, "--fps", "10", "--duration", "2", "--out", "-"
    )
    assert code == 0, told
    assert 3 <= len(lines(out)) <= 21, told


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
async def test_ctrl_c_leaves_whole_lines(server: Running, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [moving(i) for i in range(10)], fps=25)
    out = tmp_path / "out.jsonl"
    process = await start(clip, "--loop", "--stream", "endless", "--url", server.ws, "--out", out)
    seen = await server.until(lambda s: s["streams"].get("endless", {}).get("delivered", 0) > 30)
    await server.http.patch("/api/streams/endless", json={"preset": "mobile"})
    before = seen["streams"]["endless"]["delivered"]
    await server.until(lambda s: s["streams"]["endless"]["delivered"] > before + 10)
    process.send_signal(signal.SIGINT)
    _, err = await within(process.communicate(), 30)
    assert "asked for 30 fps, quality 0.4, 480 px: the preset is now mobile" in " ".join(err.decode().split())
    assert process.returncode == 130
    assert "Traceback" not in err.decode()
    assert len(lines(out.read_text())) > 20, "more than the clip has: it was looped"


async def test_a_camera_that_comes_back_is_pushed_on(server: Running) -> None:
    port = free_port()
    with RtspServer(port):
        process = await start(f"rtsp://me:{SECRET}@127.0.0.1:{port}/1", "--stream", "yard", "--url", server.tcp)
        first = await server.until(lambda s: s["streams"].get("yard", {}).get("delivered", 0) > 5)
    with RtspServer(port):
        before = first["streams"]["yard"]["delivered"]
        await server.until(lambda s: s["streams"]["yard"]["delivered"] > before + 20)
    process.send_signal(signal.SIGTERM)
    _, err = await within(process.communicate(), 30)
    assert "trying again" in err.decode()
    assert SECRET not in err.decode()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("nothing.mp4", "--stream", "a"), "nothing.mp4: no such file"),
        (("synthetic:", "--stream", "a b"), "stream name 'a b'"),
        (("synthetic:", "--stream", "a", "--url", "ftp://127.0.0.1"), "expected tcp://"),
        (("synthetic:", "--stream", "a", "--url", f"ws://127.0.0.1:{free_port()}"), "nothing listens there"),
        (("synthetic:", "--stream", "a", "--out", "/dev/null/a/b.jsonl"), "can't be written"),
    ],
)
async def test_what_can_not_be_says_why(args: tuple[str, ...], says: str) -> None:
    code, _, err = await push(*args)
    assert code == 2, err
    assert says in " ".join(err.split())
    assert "Traceback" not in err


async def test_a_stream_that_is_taken_says_so(server: Running) -> None:
    first = await start("synthetic:", "--stream", "mine", "--url", server.ws)
    await server.until(lambda s: s["streams"].get("mine", {}).get("delivered", 0) > 2)
    code, _, err = await push("synthetic:", "--stream", "mine", "--url", server.ws)
    assert code == 2
    assert "has a camera already" in " ".join(err.split())
    first.terminate()
    await first.communicate()


async def test_results_go_to_a_file_named_after_the_stream(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 14."""
    monkeypatch.chdir(tmp_path)
    clip = write_clip(tmp_path / "clip.mp4", [moving(i) for i in range(10)], fps=20)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "push", str(clip), "--stream", "named", "--url", server.ws),
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await within(process.communicate(), 60)
    assert process.returncode == 0, told
    assert b"results: results/named.jsonl" in told
    assert len(lines((tmp_path / "results" / "named.jsonl").read_text())) > 3
    assert (await push(clip, "--stream", "none", "--url", server.ws))[0] == 0
    assert [file.name for file in (tmp_path / "results").iterdir()] == ["named.jsonl"]


async def test_a_push_that_fails_leaves_the_results_of_the_last_one(tmp_path: Path) -> None:
    (tmp_path / "door.jsonl").write_text("earlier")
    code, _, err = await push(
        *("synthetic:", "--stream", "a", "--url", f"ws://127.0.0.1:{free_port()}"),
        *("--out", str(tmp_path / "door.jsonl")),
    )
    assert code == 2
    assert "results:" not in err
    assert (tmp_path / "door.jsonl").read_text() == "earlier"


async def test_who_has_no_token_is_told_where_one_is_taken_from() -> None:
    async with serving("--model", "motion", env={"SIGHTLINE_TOKENS": "true"}) as closed:
        code, _, err = await push("synthetic:", "--stream", "a", "--url", closed.ws)
    assert code == 2
    assert "this server asks for a token: expected one in SIGHTLINE_TOKEN" in " ".join(err.split())
