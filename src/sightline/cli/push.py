"""``sightline push``: send a source to a stream of a server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from sightline.cli.answers import URL
from sightline.core.errors import ConfigError
from sightline.core.types import check_stream_name
from sightline.settings.environment import client_authority, client_token

if TYPE_CHECKING:
    from sightline.cli.run import StopSignal
    from sightline.client import AsyncClient
    from sightline.client.answers import Answer
    from sightline.client.links import Wish
    from sightline.core.types import Image
    from sightline.sinks.jsonl import Jsonl
    from sightline.sources._reconnecting import NewestShots
    from sightline.wire.lines import Line

POLL_S = 0.1
LAST_ANSWERS_S = 3.0
"""Seconds for which outstanding answers are awaited after a request to stop."""
TOLD_EVERY_S = 5.0


def push(
    source: Annotated[
        str, typer.Argument(help="rtsp://..., camera:0, a video, a folder of pictures, synthetic:shapes")
    ],
    stream: Annotated[str, typer.Option(help="The stream's name.")],
    url: Annotated[str, typer.Option(help="The server: ws://, wss://, tcp:// or tcps://, then HOST:PORT.")] = URL,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1000, help="At most so many pictures per second. Default: the source's.", show_default=False
        ),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after this many seconds.", show_default=False)
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Write one JSON line per result to this file; - is stdout. Default: results/STREAM.jsonl.",
            show_default=False,
        ),
    ] = None,
    no_out: Annotated[bool, typer.Option("--no-out", help="Write no file.")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Play a file again from the start when it ends.")] = False,
    adapt: Annotated[
        bool, typer.Option(help="Change rate, size and quality of the pictures when the server asks for it.")
    ] = True,
) -> None:
    """Stream a source to a server and show what became of every picture.

    Pictures come by the source's own clock, and the newest counts: those for which the server has no room are skipped
    here. Ctrl-C stops, and leaves complete files. A token is taken from SIGHTLINE_TOKEN.
    """
    from sightline.cli.run import StopSignal
    from sightline.client import AsyncClient
    from sightline.sinks.base import writable_file, writing
    from sightline.sources._reconnecting import NewestShots, ReconnectingSource, plain
    from sightline.sources.base import open_source

    if out is not None and no_out:
        raise ConfigError(f"--out {out} and --no-out: expected one of the two")
    check_stream_name(stream)
    client = AsyncClient(url, token=client_token(), ca=client_authority())
    with StopSignal() as stop, ExitStack() as stack:
        opened = open_source(plain(source))  # the thread that reads closes it
        target = None if no_out else out or f"results/{stream}.jsonl"
        results = None
        if target is not None:
            if target != "-":
                with writing(target):
                    Path(target).parent.mkdir(parents=True, exist_ok=True)
                writable_file(target)
            results = stack.enter_context(Results(target))
        report = stack.enter_context(PushReport(stream, results))
        pictures = ReconnectingSource(source, source=opened, loop=loop, fps=fps, tell=report.tell)
        job = _Push(client, stream, NewestShots(pictures), report, results, adapt=adapt)
        asyncio.run(job.go(stop, duration))
    if stop.signal is not None:
        raise typer.Exit(128 + stop.signal)


class _Push:
    """One run of the command."""

    def __init__(
        self,
        client: AsyncClient,
        stream: str,
        newest: NewestShots,
        report: PushReport,
        results: Results | None,
        *,
        adapt: bool,
    ) -> None:
        self._client = client
        self._adapt = adapt
        self._stream = stream
        self._newest = newest
        self._report = report
        self._results = results
        self._over = False
        self._under_way: dict[int, tuple[float, str]] = {}
        """Time and name of each picture that has no answer yet."""

    async def go(self, stop: StopSignal, duration: float | None) -> None:
        """Push until the source ends, the time is over or somebody stops it."""
        from sightline.core.errors import Unreachable

        async with self._client as client:
            ending = asyncio.create_task(self._end(client, stop, duration))
            try:
                async with aclosing(client.publish(self._stream, self._pictures(), adapt=self._adapt)) as answers:
                    async for answer in answers:
                        self._take(answer)
                        self._report.asked = client.asked.get(self._stream) if self._adapt else None
            except Unreachable:
                if not self._over:
                    raise
            finally:
                self._newest.close()
                ending.cancel()
                await asyncio.wait([ending])
            if not ending.cancelled():
                ending.result()  # raises any error of the task

    async def _end(self, client: AsyncClient, stop: StopSignal, duration: float | None) -> None:
        deadline = None if duration is None else time.monotonic() + duration
        try:
            while not stop.asked() and (deadline is None or time.monotonic() < deadline):
                await asyncio.sleep(POLL_S)
                self._report.show(self._newest.skipped)
        finally:
            self._over = True
            self._newest.close()
        await asyncio.sleep(LAST_ANSWERS_S)
        client.close()

    def _pictures(self) -> Iterator[Image]:
        """Yield the source's pictures. Runs in the SDK's thread."""
        for seq, shot in enumerate(self._newest):
            self._under_way[seq] = (shot.timestamp, shot.name)
            self._report.sent += 1
            yield shot.image

    def _take(self, answer: Answer) -> None:
        from sightline.cli.answers import line_of
        from sightline.client import Result

        timestamp, name = self._under_way.pop(answer.seq)
        self._report.take(answer)
        if self._results is not None and isinstance(answer, Result):
            self._results.write(line_of(answer, timestamp, name))


class Results:
    """The file of results. It begins anew with the first of them: a push that fails leaves those of an earlier one."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.sink: Jsonl | None = None

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        if self.sink is not None:
            self.sink.close()

    def write(self, line: Line) -> None:
        """Write one line. Raises SinkError."""
        from sightline.sinks import jsonl

        self.sink = self.sink or jsonl.open(self.target)
        self.sink.write_line(line)


class PushReport:
    """Progress on standard error: one line that is rewritten on a terminal, a line every few seconds elsewhere."""

    def __init__(self, stream: str, results: Results | None) -> None:
        from sightline.core.metrics import Rate, Spread

        self.sent = 0
        self.asked: Wish | None = None
        """The pictures that the server asks for."""
        self._answered = 0
        self._dropped: Counter[str] = Counter()
        self._latency = Spread()
        self._rate = Rate()
        self._skipped = 0
        self._stream = stream
        self._results = results
        self._trouble: str | None = None
        self._console = Console(stderr=True, highlight=False, emoji=False)
        bar = self._console.is_terminal and (results is None or results.target != "-")
        self._status = self._console.status("") if bar else None
        self._told = time.monotonic()

    def __enter__(self) -> PushReport:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
        self._console.print(escape(self._line()), soft_wrap=True)
        if self._results is not None and self._results.sink is not None and self._results.target != "-":
            self._console.print(escape(f"results: {self._results.target}"), soft_wrap=True)

    def tell(self, reason: str | None) -> None:
        """Say why no pictures come; None when they come again."""
        if reason is not None and reason != self._trouble:
            self._console.print(f"[yellow]{escape(reason)}; trying again[/]", soft_wrap=True)
        self._trouble = reason

    def take(self, answer: Answer) -> None:
        """Count one answer."""
        from sightline.client import Result

        if not isinstance(answer, Result):
            self._dropped[answer.reason] += 1
            return
        self._answered += 1
        self._rate.tick()
        if answer.latency_ms is not None:
            self._latency.add(answer.latency_ms)

    def show(self, skipped: int) -> None:
        """Show the progress. Called ten times a second."""
        self._skipped = skipped
        if self._status is not None:
            self._status.update(escape(self._line()))
        elif time.monotonic() - self._told >= TOLD_EVERY_S:
            self._told = time.monotonic()
            self._console.print(escape(self._line()), soft_wrap=True)

    def _line(self) -> str:
        spread = self._latency.percentiles()
        parts = [f"{self._stream}: {self.sent} sent", f"{self._answered} answered ({self._rate.value():.1f} fps)"]
        parts += [f"{n} dropped: {reason}" for reason, n in self._dropped.most_common()]
        if self._skipped:
            parts.append(f"{self._skipped} skipped here")
        if self._answered:
            parts.append(f"latency p50 {spread['p50']:.0f} ms, p95 {spread['p95']:.0f} ms")
        if self.asked is not None and self.asked.reason:
            wish = self.asked
            parts.append(f"asked for {wish.fps:g} fps, quality {wish.quality:g}, {wish.width} px: {wish.reason}")
        return ", ".join(parts)
