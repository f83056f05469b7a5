"""A viewer of many streams at a time, such as a page with a small picture of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from types import TracebackType
from typing import Self, TypeAlias

from sightline.core.mailbox import Mailbox
from sightline.core.types import FrameResult
from sightline.streams.hub import Hub
from sightline.streams.stream import Stream
from sightline.streams.subscription import Subscription
from sightline.wire.messages import Status

Box: TypeAlias = Mailbox[FrameResult | Status]


class Overview:
    """Subscriptions of one viewer to many streams, which change. It counts as one viewer. Use it as a context."""

    def __init__(self, hub: Hub, came: Callable[[Box], None]) -> None:
        """``came`` is called with a mailbox that something came into, or that was closed."""
        self._hub, self._came = hub, came
        self._chosen: dict[str, tuple[Stream, Subscription]] = {}

    def __enter__(self) -> Self:
        """Raises LimitReached or ShuttingDown."""
        self._hub.check_room()
        self._hub.listeners.overviews += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._hub.listeners.overviews -= 1
        self.choose(())

    def __len__(self) -> int:
        return len(self._chosen)

    def __contains__(self, stream: str) -> bool:
        return stream in self._chosen

    @property
    def mailboxes(self) -> Iterable[tuple[str, Box]]:
        """The chosen streams by name, with what came of each."""
        return ((name, subscription.mailbox) for name, (_, subscription) in self._chosen.items())

    def choose(self, streams: Iterable[str]) -> None:
        """Subscribe to these streams and to no others. One that is not there now is passed over."""
        wanted = set(streams)
        for name in self._chosen.keys() - wanted:
            self._leave(*self._chosen.pop(name))
        there = self._hub.streams
        for name in wanted & there.keys() - self._chosen.keys():
            subscription = Subscription(Mailbox(1), "tile")
            subscription.mailbox.on_change = partial(self._came, subscription.mailbox)
            there[name].subscriptions.add(subscription)
            self._chosen[name] = there[name], subscription

    def limit(self, fps: float) -> None:
        """Say how many results a second of each stream are enough."""
        for _, subscription in self._chosen.values():
            subscription.fps = fps

    def _leave(self, stream: Stream, subscription: Subscription) -> None:
        stream.subscriptions.discard(subscription)
        if stream.publisher is None and not stream.meters.ledger.received:
            stream.ended_at = -inf  # so it is forgotten, if nobody else looks
