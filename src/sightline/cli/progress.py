"""Progress of ``sightline run`` on standard error: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sightline.analytics.rules.board import RuleBoard
from sightline.analytics.zones.totals import Counted
from sightline.cli.zones_file import told, told_rules
from sightline.core.metrics import Rate
from sightline.core.types import ModelCard
from sightline.offline.run import Tally
from sightline.sources.base import Source

LINE_EVERY_S = 5.0
NAMES = {"video": "video", "pictures": "pictures", "jsonl": "lines", "masks": "masks"}


class Display:
    """Progress of one run, and its summary."""

    def __init__(self, source: Source, *, bar: bool) -> None:
        """Prepare the display. With ``bar``, a bar is drawn if standard error is a terminal."""
        self._source = source
        self._console = Console(stderr=True, highlight=False, emoji=False)
        self._draws = bar and self._console.is_terminal
        self._bar: Progress | None = None
        self._rate = Rate()
        self._counted = 0
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()

    @contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Show that the model is loading while the block runs."""
        with self._console.status(f"Loading {escape(model)}"):
            yield
        self._began = self._told = time.monotonic()
        if self._draws:
            self._begin_bar()

    def update(self, tally: Tally) -> None:
        """Show the progress. Cheap enough to call for every frame."""
        for _ in range(tally.frames - self._counted):
            self._rate.tick()
        self._counted = tally.frames
        done = tally.frames + tally.skipped + (self._source.unreadable if self._source.images else 0)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, rate=f"{self._rate.value():.1f} fps")
        elif time.monotonic() - self._told >= LINE_EVERY_S:
            self._told = time.monotonic()
            self._console.print(self._line(tally, done), soft_wrap=True, markup=False)

    def summary(
        self,
        tally: Tally,
        card: ModelCard,
        wanted: dict[str, str],
        *,
        stopped: bool,
        counted: Counted | None = None,
        rules: RuleBoard | None = None,
    ) -> None:
        """Show what was done, found, counted and written."""
        self._end_bar()
        seconds = max(time.monotonic() - self._began, 1e-3)
        how = "stopped" if stopped else "done"
        self.say(how, f"{_count(tally.frames, 'frame')} in {_clock(seconds)}, {tally.frames / seconds:.1f} fps")
        if tally.skipped:
            self.say("skipped", f"{_count(tally.skipped, 'frame')} that the model could not keep up with")
        if self._source.unreadable:
            what = "picture" if self._source.images else "damaged part"
            self.say("unreadable", f"{_count(self._source.unreadable, what)} left out")
        if tally.frames:
            mean = tally.model_ms / tally.frames
            figures = f"{mean:.1f} ms a frame, 95 % under {tally.percentile(0.95):.1f} ms"
            self.say("model", f"{card.name}, {figures}")
            self.say("found", _found(tally))
        for what, text in told(counted) if counted is not None else ():
            self.say(what, text)
        for what, text in told_rules(rules) if rules is not None else ():
            self.say(what, text)
        if tally.instead is not None:
            self.say("drawn", tally.instead)
        for name, target in wanted.items():
            if target != "-" and Path(target).exists():
                self.say(NAMES[name], f"{target}{_size(Path(target))}")
        if not wanted:
            self.say("written", "nothing; ask for it with --save out.mp4, --jsonl out.jsonl or --masks folder")

    def say(self, what: str, text: str) -> None:
        """Show a line with its name."""
        self._console.print(f"[bold]{what:<10}[/] {escape(text)}", soft_wrap=True)

    def _begin_bar(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
        )
        self._bar.add_task(escape(self._source.name), total=self._source.total, rate="")
        self._bar.start()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, tally: Tally, done: int) -> str:
        total, rate = self._source.total, self._rate.value()
        parts = [f"{self._source.name}: {done}" + (f" of {total}" if total else "") + " frames", f"{rate:.1f} fps"]
        if tally.skipped:
            parts.append(f"{tally.skipped} skipped")
        if total and rate and done < total:
            elapsed = time.monotonic() - self._began
            parts.append(f"{_clock((total - done) * elapsed / max(done, 1))} left")
        return ", ".join(parts)


def _found(tally: Tally) -> str:
    """The five classes seen in most frames, in words."""
    top = tally.seen.most_common(5)
    said = []
    for name, n in top:
        at_once = f", up to {tally.most[name]} at once" if tally.most[name] > 1 else ""
        said.append(f"{name} ({_count(n, 'frame')}{at_once})")
    more = len(tally.seen) - len(top)
    return ", ".join(said) + (f" and {more} more" if more else "") if said else "nothing"


def _count(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n} {what}s"


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _size(path: Path) -> str:
    return f" ({path.stat().st_size / 1e6:.1f} MB)" if path.is_file() else ""
