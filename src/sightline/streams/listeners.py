"""Who hears of all streams: their results, and what happens in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from sightline.core.events import Event
from sightline.core.mailbox import Mailbox
from sightline.core.types import Frame, FrameResult
from sightline.events.journal import Journal
from sightline.recordings.recorder import Recorder
from sightline.recordings.recordings import Recordings
from sightline.streams.subscription import Subscription


class Listeners:
    """Subscribers of all streams; the hub's streams share one."""

    def __init__(self) -> None:
        self.results: set[Subscription] = set()
        self.events: dict[Mailbox[Event], str | None] = {}
        """Mailboxes for events, each with the stream that it is for, None for all."""
        self.idle: set[Mailbox[Event]] = set()
        """Those of them that take what comes, and for whose sake no stream is inferred."""
        self.own = 0
        """Number of those of them that are parts of the server itself."""
        self.journal: Journal | None = None
        """Where events are stored before they are told; without it they are told at once."""
        self.recordings: Recordings | None = None
        """What records streams, also for the sake of events."""
        self.trace: Callable[[Frame, FrameResult | None, str], None] | None = None
        """Takes each frame with its result, or why it has none; None where nobody traces."""
        self.hear: Callable[[Iterable[Event]], Iterable[Event]] | None = None
        """Takes all events in, and returns those that come of them: some rules are about events."""
        self.overviews = 0
        """Number of viewers of many streams, however many these are."""

    def recorder(self, name: str) -> Recorder | None:
        """Return what records a stream; None where nothing can be recorded."""
        return None if self.recordings is None else self.recordings.of(name)

    def forget(self, name: str) -> None:
        """A stream is no longer there."""
        if self.recordings is not None:
            self.recordings.forget(name)

    def events_of(self, name: str) -> list[Mailbox[Event]]:
        """Mailboxes that want a stream's events."""
        return [mailbox for mailbox, wanted in self.events.items() if wanted in (None, name)] if self.events else []

    def want(self, name: str) -> bool:
        """Return True if anybody wants a stream's results or events."""
        return bool(self.results) or any(mailbox not in self.idle for mailbox in self.events_of(name))

    def deliver(self, result: FrameResult) -> None:
        """Give a result to who listens to all streams, and have its events stored and told."""
        for listener in self.results:
            listener.mailbox.put(result)
        if result.events:
            self.emit(*result.events, result=result)
        if self.journal is not None and result.frame.stream in self.journal.watched:
            self.journal.see(result)

    def emit(self, *events: Event, result: FrameResult | None = None) -> None:
        """Have events stored and told. ``result``: that of the frame in which they were seen."""
        if self.hear is not None:
            events += tuple(self.hear(events))
        if self.recordings is not None:
            events = tuple(self.recordings.happened(events))
        if self.journal is not None:
            self.journal.take(events, result)
        else:
            for event in events:
                self.tell(event)

    def tell(self, event: Event) -> None:
        """Give an event to whoever listens for those of its stream."""
        for mailbox in self.events_of(event.stream):
            mailbox.put(event)

    def end(self, reason: str) -> None:
        """End the mailboxes for events once all that has happened by now is in them."""
        if self.journal is None:
            self._end(reason)
        else:
            self.journal.when_told(partial(self._end, reason))

    def _end(self, reason: str) -> None:
        for mailbox in self.events:
            mailbox.end(reason)
