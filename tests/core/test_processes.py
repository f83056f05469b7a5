"""Processes of a server: they start whatever its threads keep, say what they print, and end."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any, TypeAlias

import pytest
import uvloop

from sightline.core.processes import start_process
from support.streams import until
from support.waiting import within

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
SOON_S = 30.0


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Either event loop."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


class Scaler:
    """What a thread keeps: like PyAV's scaler, it must not be freed in a fork."""

    def __init__(self) -> None:
        self._made_in = os.getpid()

    def __del__(self) -> None:
        """End the fork, where PyAV's would wait for ever."""
        if os.getpid() != self._made_in:
            os._exit(99)


@pytest.fixture
def another_thread() -> Iterator[None]:
    """A thread that keeps something in ``threading.local``."""
    kept, kept_now, end = threading.local(), threading.Event(), threading.Event()

    def keep() -> None:
        kept.scaler = Scaler()
        kept_now.set()
        end.wait()

    thread = threading.Thread(target=keep)
    thread.start()
    kept_now.wait()
    yield
    end.set()
    thread.join()


@pytest.mark.usefixtures("another_thread")
def test_what_other_threads_keep_is_not_freed_in_the_child(run: Run) -> None:
    async def scenario() -> None:
        process = await start_process(sys.executable, "-c", "print('here')")
        assert process.stdout is not None
        assert await within(process.stdout.read(), SOON_S) == b"here\n"
        assert await within(process.wait(), SOON_S) == 0
        assert process.returncode == 0

    run(scenario())


def test_what_it_prints_is_read_apart_or_together(run: Run) -> None:
    says = "import sys; print('out', flush=True); print('wrong', file=sys.stderr); sys.exit(3)"

    async def scenario() -> None:
        apart = await start_process(sys.executable, "-c", says, stderr=PIPE)
        assert apart.stdout is not None
        assert apart.stderr is not None
        assert await within(apart.stdout.read(), SOON_S) == b"out\n"
        assert await within(apart.stderr.read(), SOON_S) == b"wrong\n"
        assert await within(apart.wait(), SOON_S) == 3
        together = await start_process(sys.executable, "-c", says, stderr=STDOUT)
        assert together.stdout is not None
        assert together.stderr is None
        assert await within(together.stdout.read(), SOON_S) == b"out\nwrong\n"
        await within(together.wait(), SOON_S)

    run(scenario())


def test_it_ends_when_killed_and_every_waiter_is_told(run: Run) -> None:
    async def scenario() -> None:
        process = await start_process(sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)")
        assert process.stdout is not None
        assert await within(process.stdout.readline(), SOON_S) == b"here\n"
        assert process.returncode is None
        waiters = [asyncio.create_task(process.wait()) for _ in range(2)]
        process.kill()
        assert await within(asyncio.gather(*waiters), SOON_S) == [-9, -9]
        assert await within(process.stdout.read(), SOON_S) == b""
        process.kill()  # which it no longer minds

    run(scenario())


def test_a_program_that_is_not_there_is_an_oserror(run: Run) -> None:
    async def scenario() -> None:
        with pytest.raises(FileNotFoundError):
            await start_process("no-such-program")

    run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="a process sees its own pipes on Linux")
def test_its_pipes_are_closed_at_their_end(run: Run) -> None:
    def pipes() -> int:
        return sum(
            f"{path.readlink()}".startswith("pipe:") for path in Path("/proc/self/fd").iterdir() if path.is_symlink()
        )

    async def scenario() -> None:
        before = pipes()
        for _ in range(3):
            process = await start_process(sys.executable, "-c", "print('here')", stderr=PIPE)
            assert process.stdout is not None
            assert process.stderr is not None
            await within(process.stdout.read(), SOON_S)
            await within(process.stderr.read(), SOON_S)
            await within(process.wait(), SOON_S)
        await until(lambda: pipes() == before)

    run(scenario())
