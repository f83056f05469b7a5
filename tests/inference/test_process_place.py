"""A model in a process of its own: whatever happens to that process, the server and its other streams go on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from support.outside import install
from support.serving import Json, Peer, Running, peer, picture, serving
from support.waiting import within

MODEL = """
import ctypes, os, signal, time

import numpy as np

from sightline.core.predictions import Detections
from sightline.core.types import ModelCard
from sightline.models.base import Model

CARD = ModelCard("wild", "wild", "detect", ("thing",), None, "-", "-")


def builtin():
    return CARD


def create():
    if os.environ.get("TEST_LOAD") == "endless":
        time.sleep(1000)
    if os.environ.get("TEST_LOAD") == "crash":
        ctypes.string_at(0)
    return Wild()


class Wild(Model):
    card = CARD
    wanted_side = 64
    kept = []

    def predict(self, images, *, options=None, streams=None, stages=None):
        for stream in streams or ():
            if stream == "segfault":
                ctypes.string_at(0)
            if stream == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if stream == "exit":
                os._exit(3)
            if stream == "hang":
                time.sleep(1000)
            if stream == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            if stream == "balloon":
                self.kept.append(np.ones(150 << 20, np.uint8))
            if stream == "large-steps":
                self.kept.append(np.ones(240 << 20, np.uint8))
            if stream == "one-gulp":
                np.ones(1 << 40, np.uint8)
            if stream == "forges":
                raise ValueError("\\n12:00:00 INFO    sightline.server  all is well\\x1b[2J")
            if stream == "prints":
                os.write(1, b"x" * 100)
        rows = np.array([[1, 2, 30, 40]], np.float32)
        return [Detections(rows, np.array([0.5], np.float32), np.array([0], np.int32)) for _ in images]
"""


@asynccontextmanager
async def wild(folder: Path, *options: str, **env: str) -> AsyncGenerator[Running]:
    """A server with a model that does, for a stream with the name of a disaster, what the name says."""
    seen = install(folder, {"wild": MODEL}, {"models": {"wild": "wild"}})
    how = ("--model", "wild", "--place", "process", "--no-static-skip", *options)
    async with serving(*how, env=seen | env) as server:
        yield server


def model_of(stats: Json) -> Json:
    return next(dict(model) for model in stats["models"] if model["name"] == "wild")


async def answered(camera: Peer, seq: int) -> Json:
    """The answer to a frame, whatever it is."""
    await camera.send_frame(seq, picture(seq))
    answer, _ = await camera.next("result", "error", "dropped")
    return answer


async def warmed(server: Running, camera: Peer, count: int = 12) -> None:
    """So many frames have results, so that the server knows how long they take."""
    await camera.next("status")
    for seq in range(count):
        assert (await answered(camera, seq))["type"] == "result"


@pytest.mark.parametrize(
    ("disaster", "reason"),
    [
        ("segfault", "killed by SIGSEGV"),
        ("kill", "killed by SIGKILL"),
        ("exit", "ended with code 3"),
        ("hang", "did not answer in 1.0 s"),
        ("stop", "did not answer in 1.0 s"),
    ],
)
async def test_a_death_costs_the_frame_that_was_in_work_and_nothing_else(
    tmp_path: Path, disaster: str, reason: str
) -> None:
    async with wild(tmp_path) as server, peer(f"{server.ws}/ws/camera/calm") as calm:
        await warmed(server, calm)
        before = model_of(await server.get("/stats"))["processes"]
        async with peer(f"{server.ws}/ws/camera/{disaster}") as bad:
            await bad.next("status")
            answer = await answered(bad, 0)
            assert reason in answer["message"], answer
            after = await answered(calm, 100)
            assert after["type"] == "result", "the same session has results again"
        stats = await server.get("/stats")
        assert model_of(stats)["restarts"] == 1
        assert model_of(stats)["processes"] not in ([], before)
        stream = stats["streams"]["calm"]
        assert stream["received"] == stream["delivered"] == 13
        assert not stream["dropped"]
        assert stats["failed_frames"] == 1


async def test_a_model_may_hang_with_its_first_frame(tmp_path: Path) -> None:
    async with wild(tmp_path) as server, peer(f"{server.ws}/ws/camera/hang") as bad:
        await bad.next("status")
        assert "did not answer in" in (await answered(bad, 0))["message"]
        async with peer(f"{server.ws}/ws/camera/calm") as calm:
            await warmed(server, calm, 1)


async def test_a_process_that_dies_while_it_has_nothing_to_do_is_back_before_the_next_frame(tmp_path: Path) -> None:
    async with wild(tmp_path) as server, peer(f"{server.ws}/ws/camera/calm") as calm:
        await warmed(server, calm, 1)
        for deaths in range(1, 4):
            (pid,) = model_of(await server.get("/stats"))["processes"]
            os.kill(pid, signal.SIGKILL)
            await server.until(lambda s: model_of(s)["restarts"] == deaths and model_of(s)["processes"] != [])  # noqa: B023
            assert (await answered(calm, deaths))["type"] == "result"
        stream = await server.stream("calm")
        assert (stream["received"], stream["delivered"]) == (4, 4)


async def test_a_model_that_dies_again_and_again_is_waited_for_and_everybody_is_told(tmp_path: Path) -> None:
    async with wild(tmp_path) as server, peer(f"{server.ws}/ws/camera/calm") as calm:
        await warmed(server, calm, 1)
        async with peer(f"{server.ws}/ws/camera/kill") as bad:
            await bad.next("status")
            for seq in range(6):
                await answered(bad, seq)
            unready = await server.until(lambda r: not r["ready"], path="/ready")
            assert "killed by SIGKILL" in unready["reason"]
            told, _ = await calm.next("status")
            assert "killed by SIGKILL" in told["message"]
        back = await server.until(lambda r: bool(r["ready"]), path="/ready")
        assert back["ready"]
        assert (await answered(calm, 1))["type"] == "result"
        restarts = model_of(await server.get("/stats"))["restarts"]
        await server.until(lambda _: sum("it is started again" in line for line in server.log) == restarts)


async def test_memory_without_end_ends_the_process_alone(tmp_path: Path) -> None:
    async with (
        wild(tmp_path, SIGHTLINE_MODEL_MEMORY_MB="700") as server,
        peer(f"{server.ws}/ws/camera/balloon") as balloon,
        peer(f"{server.ws}/ws/camera/one-gulp") as gulp,
    ):
        await gulp.next("status")
        answer = await answered(gulp, 0)
        assert "MemoryError" in answer["message"], "it can't even be had: no reason to die"
        assert model_of(await server.get("/stats"))["restarts"] == 0
        await balloon.next("status")
        for seq in range(5):
            await answered(balloon, seq)
        stats = await server.until(lambda s: model_of(s)["restarts"] == 1 and model_of(s)["processes"] != [])
        assert model_of(stats)["memory_mb"] < 400
        assert psutil.Process(server.process.pid).memory_info().rss < 400 << 20
        await server.said("has grown to")


async def test_a_process_that_is_given_no_more_memory_ends_too(tmp_path: Path) -> None:
    """It stays below what it may use, as what it asks for next is refused, and would never make a result again."""
    async with (
        wild(tmp_path, SIGHTLINE_MODEL_MEMORY_MB="600") as server,
        peer(f"{server.ws}/ws/camera/large-steps") as camera,
    ):
        await camera.next("status")
        for seq in range(4):
            await answered(camera, seq)
        await server.until(lambda s: model_of(s)["restarts"] == 1 and model_of(s)["processes"] != [])
        await server.until(lambda s: model_of(s)["memory_mb"] < 400)
        await server.said("has grown to")


@pytest.mark.parametrize("form", ["text", "json"])
async def test_a_models_traceback_is_in_the_log_and_forges_no_line(tmp_path: Path, form: str) -> None:
    async with wild(tmp_path, "--log-format", form) as server, peer(f"{server.ws}/ws/camera/forges") as bad:
        await bad.next("status")
        await answered(bad, 0)
        await server.said("ValueError")
        assert not any(line.startswith(("12:00:00", "ValueError")) or "\x1b" in line for line in server.log)
        await server.said("Traceback")


@pytest.mark.parametrize("form", ["text", "json"])
async def test_what_native_code_prints_is_no_answer_and_is_in_the_log(tmp_path: Path, form: str) -> None:
    async with (
        wild(tmp_path, "--log-format", form) as server,
        peer(f"{server.ws}/ws/camera/prints") as camera,
    ):
        await warmed(server, camera, 3)
        await server.said("xxx")
        lines = [line for line in server.log if "xxx" in line]
        assert all(line.startswith("    xxx" if form == "text" else "{") for line in lines)


@pytest.mark.parametrize(("load", "reason"), [("endless", "did not load within 2 s"), ("crash", "killed by SIGSEGV")])
def test_a_model_that_can_not_be_loaded_ends_the_server_which_says_why(tmp_path: Path, load: str, reason: str) -> None:
    seen = install(tmp_path, {"wild": MODEL}, {"models": {"wild": "wild"}})
    ended = subprocess.run(
        [sys.executable, "-m", "sightline", "serve", "--port", "0", "--model", "wild", "--place", "process"],
        env=os.environ | seen | {"TEST_LOAD": load, "SIGHTLINE_LOAD_TIMEOUT": "2"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert reason in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("disaster", ["hang", "stop"])
async def test_a_server_ends_at_once_although_its_model_hangs(tmp_path: Path, disaster: str) -> None:
    async with wild(tmp_path) as server, peer(f"{server.ws}/ws/camera/{disaster}") as bad:
        await bad.next("status")
        (pid,) = model_of(await server.get("/stats"))["processes"]
        await bad.send_frame(0, picture(0))
        await server.until(lambda s: s["streams"][disaster]["in_flight"] == 1)
        server.process.send_signal(signal.SIGTERM)
        assert await within(server.process.wait(), 10) == 0
        assert not psutil.pid_exists(pid)


async def test_a_model_does_not_outlive_a_server_that_is_killed(tmp_path: Path) -> None:
    async with wild(tmp_path) as server:
        (pid,) = model_of(await server.get("/stats"))["processes"]
        child = psutil.Process(pid)
        server.process.kill()
        await server.process.wait()
        await asyncio.to_thread(psutil.wait_procs, [child], 30)
        assert not child.is_running()
