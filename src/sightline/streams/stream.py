"""A stream: one publisher, a slot of one frame, a ledger, any number of subscribers. On the event loop only."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from sightline.core.events import Event
from sightline.core.mailbox import Mailbox
from sightline.core.metrics import Ledger, Rate, Smoothed, Spread, TokenBucket
from sightline.core.types import Frame, Result
from sightline.inference.process import Asked
from sightline.settings.presets import PresetName
from sightline.streams.adaptive.controller import Controller, Knobs, Seen
from sightline.wire.messages import Adapt, SettingsMessage, Status
from sightline.wire.requests import PerformanceStats

if TYPE_CHECKING:
    from sightline.inference.worker import ModelWorker
    from sightline.streams.model_switch import Failed, Pending

log = logging.getLogger(__name__)

DropReason: TypeAlias = Literal["replaced", "unwatched", "rate", "closed"]
"""replaced: a newer frame came first. unwatched: nobody wants results. rate: above max_fps. closed: the end came."""

SEEN = 30
"""Results that tell what is seen of late, none of them older than"""
SEEN_S = 5.0

CAMERA_LIVE = Status(state="live", message="The camera is live.")
NO_CAMERA = Status(state="waiting", message="Waiting for the camera.")
CAMERA_GONE = Status(state="ended", message="The camera is gone.")


class Publisher(Protocol):
    """Who feeds a stream, as the stream sees it. Each frame is answered by exactly one of the three calls."""

    wants_results: bool

    def answer(self, result: Result) -> None:
        """The frame's result."""

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """The frame was dropped."""

    def fail(self, frame: Frame, message: str) -> None:
        """The model, or decoding, failed on the frame."""

    def tell(self, status: Status) -> None:
        """The model became ready, or no longer is."""

    def close(self, reason: str) -> None:
        """The server stops: tell the peer why and end the session."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscriber's mailbox and how it is doing. Status items tell that the publisher came or went."""

    mailbox: Mailbox[Result | Status]
    kind: Literal["viewer", "listener"]
    sent: int = 0
    stats: PerformanceStats | None = None
    stats_at: float = 0.0
    """When they came, ``time.monotonic()``."""

    def report(self, stats: PerformanceStats) -> None:
        """The viewer says how it is doing."""
        self.stats, self.stats_at = stats, time.monotonic()


class Stream:
    """A named live feed."""

    def __init__(self, name: str, worker: ModelWorker) -> None:
        self.name = name
        self.worker = worker
        """Has its model."""
        self.asked = Asked()
        """What is asked of its frames from now on."""
        self.choices: dict[str, Any] = {}
        """What was chosen for it; a key that is missing is the server's own. See ``choices.Choices``."""
        self.model_told: Status | None = None
        """How its model stood when its peers were last told."""
        self.adapted: dict[str, Any] = {}
        """What the controller has chosen where nobody else has: imgsz, confidence."""
        self.adapting = False
        """While that is being changed."""
        self.pending: Pending | None = None
        self.failed: Failed | None = None
        self._move: tuple[ModelWorker, Asked] | None = None
        self.publisher: Publisher | None = None
        self.session = ""
        """The publisher's secret, by which it may take the stream over from its own last connection."""
        self.lost: Callable[[], bool] = _never
        """True where the publisher seems to be gone, though nothing has said so: then it gives way to any other."""
        self.paused: str | None = None
        """Why nothing comes of a publisher that stays: see ``pause``."""
        self.subscriptions: set[Subscription] = set()
        self.listeners: set[Subscription] = set()
        """Subscribers of all streams' results; the hub's own set."""
        self.event_listeners: dict[Mailbox[Event], str | None] = {}
        """Mailboxes for events, each with the stream that it is for, None for all; the hub's own."""
        self.slot: Frame | None = None
        self._in_worker: dict[Frame, Publisher | None] = {}
        """Frames with the worker, and who is to be answered: a camera that comes back is not its predecessor."""
        self.ledger = Ledger()
        self.reused = 0
        """Of the delivered frames, those in which nothing moved: they got an earlier frame's result."""
        self.rate = Rate()
        self.latency = Spread()
        self.stages = Smoothed()
        self.priority = 0
        """Streams of a higher one come first where the model is short of time."""
        self.preset: PresetName = "default"
        self.controller: Controller | None = None
        """Of a camera that can be asked for other pictures."""
        self.ask: Callable[[Adapt], None] | None = None
        self.sends: Knobs | None = None
        """What the publisher begins with, where that is its own affair and not the preset's."""
        self.inform: Callable[[SettingsMessage], None] | None = None
        """Tells a camera that wants to know what the settings are now."""
        self._pace: tuple[float, TokenBucket] | None = None
        self.latest: Frame | None = None
        self.last_result: Result | None = None
        self.ended_at: float | None = None
        self._seen: deque[tuple[float, Mapping[int, float]]] = deque(maxlen=SEEN)
        worker.join(self)
        self._unlogged: Counter[str] = Counter()
        self._logged_at = time.monotonic()

    @property
    def in_flight(self) -> int:
        """Frames that wait in the slot or are with the worker."""
        return (self.slot is not None) + len(self._in_worker)

    @property
    def viewers(self) -> int:
        """Those who look at pictures."""
        return sum(s.kind == "viewer" for s in self.subscriptions)

    @property
    def wanted(self) -> bool:
        """True if anybody wants results. A stream that nobody wants is neither decoded nor inferred."""
        if self.subscriptions or self.listeners or self._event_mailboxes():
            return True
        return self.publisher is not None and self.publisher.wants_results

    @property
    def status(self) -> Status:
        """Whether pictures come, for who subscribes now."""
        if self.paused is not None:
            return Status(state="waiting", message=f"Waiting for the camera: {self.paused}.")
        return CAMERA_LIVE if self.publisher is not None else NO_CAMERA

    @property
    def max_fps(self) -> float | None:
        """Frames a second that are taken; more are dropped as ``rate``. None: as many as the server takes of any."""
        return None if self._pace is None else self._pace[0]

    @max_fps.setter
    def max_fps(self, value: float | None) -> None:
        self._pace = None if value is None else (value, TokenBucket(value))

    # From the publisher's side

    def put(self, frame: Frame) -> None:
        """Take a frame. An unread older one is dropped before it is decoded, and counted."""
        if not self._accepts(frame):
            return
        old, self.slot = self.slot, frame
        if old is None:
            self.worker.wake(self)
        else:
            self._drop(old, "replaced")

    def begin(self, frame: Frame) -> bool:
        """Take a frame that comes with its result: where this is true, ``deliver`` or ``fail`` has to follow."""
        if not self._accepts(frame):
            return False
        old, self.slot = self.slot, None
        if old is not None:
            self._drop(old, "replaced")
        self._in_worker[frame] = self.publisher
        return True

    def _accepts(self, frame: Frame) -> bool:
        """Count a frame; False where it is dropped at once."""
        self.ledger.received += 1
        self.latest = frame
        if self._pace is not None and not self._pace[1].take():
            self._drop(frame, "rate")
            return False
        if not self.wanted:
            self._drop(frame, "unwatched")
            return False
        return True

    def refuse(self, frame: Frame) -> None:
        """Count a frame that came faster than ``max_fps``."""
        self.ledger.received += 1
        self._drop(frame, "rate")

    def start(self, publisher: Publisher) -> None:
        """A publisher takes the stream."""
        self.publisher = publisher
        self.ended_at = None
        self._tell(CAMERA_LIVE)

    def pause(self, reason: str | None) -> None:
        """The publisher lost its camera and waits for it; with None it came back."""
        self.paused = reason
        self._tell(self.status)

    def end(self) -> None:
        """The publisher is gone. What waits is dropped; what the worker has is still delivered."""
        frame, self.slot = self.slot, None
        if frame is not None:
            self._drop(frame, "closed")
        self.publisher = self.paused = None
        self.lost = _never
        self.controller = self.ask = self.inform = None
        self.sends = None
        self.ended_at = time.monotonic()
        self._log_drops(now=True)
        if not self._in_worker:
            self._tell(CAMERA_GONE)

    # Its model

    def move(self, worker: ModelWorker, asked: Asked) -> None:
        """Have this model from the next frame on: at once, or as soon as the frame is back that the old one has.

        So results stay in order. An old one that is stuck is not waited for. What waits in the slot goes along.
        """
        if self._move is not None and self._move[0] is not self.worker:
            self._move[0].streams.discard(self)
        self._move = worker, asked
        worker.streams.add(self)  # so that it is not released before the frame is back
        if not self._in_worker or self.worker.stuck:
            self._now_move()

    def _now_move(self) -> None:
        assert self._move is not None
        (worker, self.asked), self._move = self._move, None
        if worker is not self.worker:
            since = self.worker.leave(self)
            self.worker = worker
            self._seen.clear()
            worker.join(self, since)

    def hurry(self) -> None:
        """An old model that has become stuck meanwhile is not waited for any longer."""
        if self._move is not None and self.worker.stuck:
            self._now_move()

    @property
    def moving_to(self) -> ModelWorker:
        """Its model, or the one that it is about to have."""
        return self.worker if self._move is None else self._move[0]

    @property
    def asking(self) -> Asked:
        """What is asked of the next frame."""
        return self.asked if self._move is None else self._move[1]

    def seen(self) -> dict[int, float]:
        """What was found of late, by class, mean of the last results: rows, or the share of the frame."""
        fresh = [found for at, found in self._seen if time.monotonic() - at < SEEN_S]
        total: dict[int, float] = {}
        for found in fresh:
            for class_id, amount in found.items():
                total[class_id] = total.get(class_id, 0.0) + amount
        most_first = sorted(total, key=lambda class_id: -total[class_id])
        return {class_id: total[class_id] / len(fresh) for class_id in most_first}

    # From the worker's side

    def take(self) -> Frame | None:
        """Hand the waiting frame to the worker."""
        frame, self.slot = self.slot, None
        if frame is not None:
            self._in_worker[frame] = self.publisher
        return frame

    def deliver(self, result: Result) -> None:
        """Give a result to the publisher and into every subscriber's mailbox; each drops on its own."""
        publisher = self._in_worker.pop(result.frame)
        self.ledger.delivered += 1
        self.reused += result.reused is not None
        self.rate.tick()
        self.latency.add((time.monotonic() - result.frame.received_at) * 1000)
        self.stages.add(dict(result.stages))
        self.last_result = result
        self._seen.append((result.finished_at, result.seen))
        if self.controller is not None and publisher is self.publisher:
            self.controller.frame(_seen(result))
        if publisher is not None and publisher is self.publisher:
            self._fenced(publisher, partial(publisher.answer, result))
        self._tell(result)
        for listener in self.listeners:
            listener.mailbox.put(result)
        for event in result.events:
            self.emit(event)
        self._after_worker()

    def fail(self, frame: Frame, message: str) -> None:
        """The worker could not make a result of a frame."""
        publisher = self._in_worker.pop(frame)
        self.ledger.failed += 1
        if publisher is not None and publisher is self.publisher:
            self._fenced(publisher, partial(publisher.fail, frame, message))
        self._after_worker()

    def give_back(self, frame: Frame) -> None:
        """The worker stops and returns a frame that it has not begun."""
        publisher = self._in_worker.pop(frame)
        self.ledger.dropped["closed"] += 1
        if publisher is not None and publisher is self.publisher:
            self._fenced(publisher, partial(publisher.drop, frame, "closed"))
        self._after_worker()

    def _after_worker(self) -> None:
        if self._move is not None:
            self._now_move()
        if self.publisher is None and not self._in_worker:
            self._tell(CAMERA_GONE)

    def emit(self, event: Event) -> None:
        """Give an event to whoever listens for this stream's."""
        for mailbox in self._event_mailboxes():
            mailbox.put(event)

    def _event_mailboxes(self) -> list[Mailbox[Event]]:
        return [mailbox for mailbox, name in self.event_listeners.items() if name in (None, self.name)]

    def tell(self, status: Status) -> None:
        """Tell everybody on a live stream how the model stands."""
        if self.publisher is not None:
            self._fenced(self.publisher, partial(self.publisher.tell, status))
            self._tell(status)

    def _fenced(self, publisher: Publisher, call: Callable[[], None]) -> None:
        """Call the publisher back. If that raises, its session ends; the worker and the other streams go on."""
        try:
            call()
        except Exception as e:
            log.exception("stream %s: its camera could not be answered, so its session ends", self.name)
            with suppress(Exception):  # what is broken may not even be able to end
                publisher.close(f"the answer could not be sent: {type(e).__name__}: {e}"[:300])

    def _tell(self, item: Result | Status) -> None:
        for subscription in self.subscriptions:
            subscription.mailbox.put(item)

    def _drop(self, frame: Frame, reason: DropReason) -> None:
        self.ledger.dropped[reason] += 1
        if reason == "replaced" and self.controller is not None:
            self.controller.replaced(time.monotonic())
        if self.publisher is not None:
            self._fenced(self.publisher, partial(self.publisher.drop, frame, reason))
        if reason != "unwatched":
            self._unlogged[reason] += 1
            self._log_drops()

    def _log_drops(self, *, now: bool = False) -> None:
        at = time.monotonic()
        if self._unlogged and (now or at - self._logged_at >= 1):
            told = ", ".join(f"{n} {reason}" for reason, n in self._unlogged.items())
            log.info("stream %s: dropped %s in %.1f s", self.name, told, at - self._logged_at)
            self._unlogged.clear()
        if not self._unlogged:
            self._logged_at = at


def _never() -> bool:
    return False


def _seen(result: Result) -> Seen:
    frame, here = result.frame, result.frame.captured_here
    uplink_s = None if here is None else time.time() - here - (time.monotonic() - frame.received_at)
    # What the camera's own browser takes is neither the network's time nor the server's.
    page_s = result.processing_time_ms / 1000 if result.browser else 0.0
    return Seen(
        received_at=frame.received_at,
        captured_at=frame.captured_at + page_s,
        uplink_ms=None if uplink_s is None else (uplink_s - page_s) * 1000,
        queue_ms=result.stages.get("queue", 0.0),
        work_ms=0.0 if result.browser else result.processing_time_ms,
        reused=result.reused is not None,
        width=max(frame.size),
    )
