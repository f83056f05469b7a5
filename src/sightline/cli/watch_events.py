"""``sightline watch --events``: one line for each event, as text or as JSON."""

from __future__ import annotations

import queue
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from sightline.core.errors import FAULTS
from sightline.recordings.moments import when

if TYPE_CHECKING:
    from sightline.cli.run import StopSignal
    from sightline.client import Client, Event

POLL_S = 0.05
MOST = 64
"""Events that wait to be written. The client waits, and asks for the others later."""


def watch_events(client: Client, stream: str | None, stop: StopSignal, *, json: bool) -> None:
    """Write events until a stop. Raises the error that ended the subscription."""
    import msgspec

    from sightline.sinks.base import writing

    arrived: queue.Queue[Event | BaseException] = queue.Queue(MOST)
    threading.Thread(target=_read, args=(client, stream, arrived), daemon=True).start()
    while not stop.asked():
        try:
            event = arrived.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if isinstance(event, BaseException):
            raise event
        with writing("-"):
            sys.stdout.write((msgspec.json.encode(event).decode() if json else line(event)) + "\n")
            sys.stdout.flush()


def _read(client: Client, stream: str | None, arrived: queue.Queue[Event | BaseException]) -> None:
    """Read in a thread, so that Ctrl-C works at any time."""
    try:
        with closing(client.events(stream)) as events:
            for event in events:
                arrived.put(event)
    except FAULTS as e:
        arrived.put(e)


def line(event: Event) -> str:
    """Return an event in words: when, where, what."""
    at = when(event.at)
    name = f"{event.kind} {event.rule or event.zone}".strip()
    what = f"{event.class_name} #{event.track}" if event.track is not None else event.class_name
    how = event.direction if event.seconds is None else f"after {event.seconds:.1f} s"
    words = "  ".join(part for part in (at, event.stream, name, event.phase, what, how, event.reason) if part)
    return "".join(letter if letter.isprintable() else "?" for letter in words)  # a terminal would obey some
