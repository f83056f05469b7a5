"""Synchronous SDK: the same calls as ordinary generators. The work is done on a loop in a background thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import CancelledError
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from sightline.client.asynchronous import AsyncClient
from sightline.client.links import Limits, Wish
from sightline.core.errors import Unreachable

T = TypeVar("T")
P = ParamSpec("P")


def _ordinary(
    call: Callable[Concatenate[AsyncClient, P], AsyncGenerator[T]],
) -> Callable[Concatenate[Client, P], Generator[T]]:
    """Return a call of the asynchronous client, with its parameters and its description, as one of ``Client``."""

    @wraps(call)
    def iterate(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
        return client._iterate(call(client._client, *args, **kwargs))

    return iterate


class Client:
    """Client that publishes to and subscribes at one server: the synchronous version of AsyncClient.

    Several threads may use it at a time, with one thread for each call. Pictures that are published may be an iterable
    that blocks: it is read in a thread of its own.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: str | os.PathLike[str] | None = None,
        reconnect: bool = True,
    ) -> None:
        """Create a client; it connects with the first call. Raises ConfigError."""
        self._client = AsyncClient(url, token=token, ca=ca, reconnect=reconnect)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._open: set[_Steps[Any]] = set()
        """Calls that their callers have not ended."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def limits(self) -> Limits | None:
        """The server's limits for publishers; None until known."""
        return self._client.limits

    @property
    def asked(self) -> dict[str, Wish]:
        """The pictures that the server asks for now and why, by stream published here."""
        return self._client.asked

    publish = _ordinary(AsyncClient.publish)
    subscribe = _ordinary(AsyncClient.subscribe)
    events = _ordinary(AsyncClient.events)
    past_events = _ordinary(AsyncClient.past_events)

    def close(self) -> None:
        """End all calls and the background thread."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(self._client.close)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()

    def _iterate(self, answers: AsyncGenerator[T]) -> Generator[T]:
        steps = _Steps(answers)
        self._open.add(steps)
        try:
            while (answer := self._run(steps.next())) is not None:
                yield answer
        finally:
            with contextlib.suppress(Unreachable):  # the client was closed, and closes what is open
                self._run(steps.close())
                self._open.discard(steps)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._closed:
                work.close()
                raise Unreachable("the client was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop, self._open), name="sightline", daemon=True
                )
                self._thread.start()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise Unreachable("the client was closed") from None
        except BaseException:  # Ctrl-C during the wait
            future.cancel()
            raise


class _Steps(Generic[T]):
    """Async generator that is advanced one step at a time."""

    def __init__(self, answers: AsyncGenerator[T]) -> None:
        self._answers = answers
        self._step: asyncio.Task[Any] | None = None

    async def next(self) -> T | None:
        """The next answer; None at the end."""
        self._step = asyncio.current_task()
        return await anext(self._answers, None)

    async def close(self) -> None:
        """End the generator, even during a step that nobody waits for any more."""
        if self._step is not None and not self._step.done():
            self._step.cancel()
            await asyncio.wait([self._step])
        await self._answers.aclose()


def _serve(loop: asyncio.AbstractEventLoop, left_open: set[_Steps[Any]]) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_all())
        for steps in list(left_open):  # the loop would close a call and its inner generators at the same time
            loop.run_until_complete(steps.close())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(asyncio.sleep(0))  # closed connections release their sockets in the next round
    finally:
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
