"""``sightline watch``: show a stream's results or events in the terminal, in a window or as JSON lines."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sightline.cli.answers import URL
from sightline.cli.watch_events import watch_events
from sightline.core.errors import FAULTS, ConfigError
from sightline.core.types import check_stream_name
from sightline.settings.environment import client_authority, client_token

if TYPE_CHECKING:
    from rich.table import Table

    from sightline.cli.run import StopSignal
    from sightline.client import Client, Result

POLL_S = 0.05


def watch(
    stream: Annotated[str | None, typer.Argument(help="The stream's name. With --events, without it all.")] = None,
    url: Annotated[str, typer.Option(help="The server: ws://, wss://, tcp:// or tcps://, then HOST:PORT.")] = URL,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per result or event on standard output.")] = False,
    window: Annotated[
        bool, typer.Option("--window", help="A window with the pictures and everything drawn in; q closes it.")
    ] = False,
    events: Annotated[bool, typer.Option("--events", help="What happens: one line per event, none left out.")] = False,
) -> None:
    """Show what is found in a stream, as it happens: in the terminal, in a window, or as JSON lines.

    A stream that nobody publishes yet is waited for, and a server that goes away, too. Ctrl-C or q ends it.
    A token is taken from SIGHTLINE_TOKEN.
    """
    from sightline.cli.run import StopSignal
    from sightline.client import Client

    if stream is None and not events:
        raise ConfigError("no stream: expected a name, or --events")
    if stream is not None:
        check_stream_name(stream)
    if window and (json or events):
        raise ConfigError(f"--window and --{'json' if json else 'events'}: expected one of them")
    with StopSignal() as stop, Client(url, token=client_token(), ca=client_authority()) as client:
        if stream is None or events:
            watch_events(client, stream, stop, json=json)
            raise typer.Exit(128 + (stop.signal or 0))
        newest = _Newest(client, stream, pictures=window, stop=stop)
        if json:
            _lines(newest)
        elif window:
            _window(newest, stream)
        else:
            _status(newest, stream)
    if stop.signal is not None:
        raise typer.Exit(128 + stop.signal)


class _Newest:
    """Results, read in a thread of their own so that Ctrl-C works at any time."""

    def __init__(self, client: Client, stream: str, *, pictures: bool, stop: StopSignal) -> None:
        self.missed = 0
        self._client = client
        self._stop = stop
        self._results: list[Result] = []
        self._change = threading.Condition()
        self._error: BaseException | None = None
        threading.Thread(target=self._read, args=(stream, pictures), daemon=True).start()

    def take(self, patience: float) -> list[Result] | None:
        """New results; an empty list after ``patience`` seconds without any, None after a stop. Raises the
        subscription's error.
        """
        with self._change:
            self._change.wait_for(lambda: self._results or self._error is not None, patience)
            if self._stop.asked():
                return None
            if self._error is not None and not self._results:
                raise self._error
            taken, self._results = self._results, []
            return taken

    def _read(self, stream: str, pictures: bool) -> None:
        try:
            with closing(self._client.subscribe(stream, pictures=pictures)) as results:
                for result in results:
                    with self._change:
                        if len(self._results) >= 64 or (pictures and self._results):
                            self.missed += 1
                            del self._results[0]
                        self.missed += result.missed
                        self._results.append(result)
                        self._change.notify_all()
        except FAULTS as e:
            with self._change:
                self._error = e
                self._change.notify_all()


def _lines(newest: _Newest) -> None:
    from sightline.cli.answers import line_of
    from sightline.sinks import jsonl

    out = jsonl.open("-")
    while (results := newest.take(POLL_S)) is not None:
        for result in results:
            captured = result.timestamp if result.captured_at is None else result.captured_at
            out.write_line(line_of(result, captured / 1000, result.stream))


def _status(newest: _Newest, stream: str) -> None:
    from rich.console import Console
    from rich.live import Live

    from sightline.core.metrics import Rate, Spread

    console = Console(stderr=True, emoji=False)
    rate, latency = Rate(), Spread()
    last: Result | None = None
    told = 0.0
    with _live(Live(console=console, refresh_per_second=8) if console.is_terminal else None) as show:
        while (results := newest.take(POLL_S)) is not None:
            for last in results:
                rate.tick()
                if last.processed_at is not None and last.captured_at is not None:
                    latency.add(last.processed_at - last.captured_at)
            if show is not None:
                show(_table(stream, last, rate.value(), latency.percentiles(), newest.missed))
            elif time.monotonic() - told >= 1:
                told = time.monotonic()
                console.print(f"{stream}: {rate.value():.1f} fps, {_found(last)}", markup=False, highlight=False)


@contextmanager
def _live(live: object) -> Iterator[Callable[[Table], None] | None]:
    from rich.live import Live

    if not isinstance(live, Live):
        yield None
        return
    with live:
        yield live.update


def _table(stream: str, last: Result | None, fps: float, latency: dict[str, float], missed: int) -> Table:
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("stream", stream)
    if last is None:
        table.add_row("state", "waiting for results")
        return table
    table.add_row("model", last.model)
    table.add_row("picture", f"{last.width} x {last.height}")
    table.add_row("results", f"{fps:.1f} a second" + (f", {missed} missed here" if missed else ""))
    if latency["p50"]:
        table.add_row("latency", f"p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms")
    table.add_row("model takes", f"{last.processing_time_ms:.0f} ms")
    table.add_row("found", _found(last))
    return table


def _found(result: Result | None) -> str:
    if result is None:
        return "waiting for results"
    seen = Counter(row.class_name for row in result.detections)
    shares = [f"{s.class_name} {s.share:.0%}" for s in result.segments]
    return ", ".join([f"{n} {name}" for name, n in seen.most_common()] + shares) or "nothing"


def _window(newest: _Newest, stream: str) -> None:
    from sightline.cli.answers import drawn
    from sightline.cli.window import Window

    with Window(f"{stream} - Sightline") as window:
        # The window opens with the first picture, in its size, and that may take a while.
        typer.echo(f"{stream}: waiting for pictures; q or Ctrl-C ends it", err=True)
        while not window.closed() and (results := newest.take(POLL_S)) is not None:
            if results:
                window.show(drawn(results[-1]))
