"""A stream: one publisher, a slot of one frame, a ledger, any number of subscribers. On the event loop only."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial

from sightline.analytics.base import Pipeline
from sightline.core.errors import FAULTS, BadImage, TooLarge, told
from sightline.core.events import Event
from sightline.core.fence import Fence
from sightline.core.predictions import Detections
from sightline.core.types import Frame, FrameResult, ModelCard
from sightline.inference.place import Request
from sightline.inference.worker import ModelWorker
from sightline.settings.presets import PresetName
from sightline.settings.stream import STEADY, UNTRACKED, Tracking
from sightline.streams.adaptive.state import AdaptiveState
from sightline.streams.boards import Boards
from sightline.streams.listeners import Listeners
from sightline.streams.meters import Meters
from sightline.streams.model_state import ModelState
from sightline.streams.publisher import DropReason, Publisher, StreamLimits
from sightline.streams.scene.watch import SceneWatch
from sightline.streams.subscription import Pace, Subscription
from sightline.wire.messages import Status

log = logging.getLogger(__name__)

CAMERA_LIVE = Status(state="live", message="The camera is live.")
NO_CAMERA = Status(state="waiting", message="Waiting for the camera.")
CAMERA_GONE = Status(state="ended", message="The camera is gone.")
NO_MODEL = ModelCard("", "", "detect", (), None, "", "")
SWITCHED_OFF = "detection is switched off"
IN_BACKGROUND = "the camera's page is in the background"


class Stream:
    """A named live feed."""

    def __init__(
        self,
        name: str,
        worker: ModelWorker,
        listeners: Listeners | None = None,
        *,
        preset: PresetName = "default",
        stages: tuple[str, ...] = (),
        tracking: Tracking = UNTRACKED,
        ids: Iterator[int] | None = None,
        boards: Boards | None = None,
    ) -> None:
        """``stages``: names of the steps after the model. ``ids``: where the ids of tracks come from, each once.

        ``boards``: its zones, lines and rules, which outlive it.
        """
        self.name = name
        self.publisher: Publisher | None = None
        self.meters = Meters(name)
        self.model = ModelState(self, worker, self.meters.forget_seen)
        self.adaptive = AdaptiveState(preset)
        """Settings asked of the publisher so that latency stays on target."""
        self.subscriptions: set[Subscription] = set()
        self.listeners = listeners or Listeners()
        self.paused: str | None = None
        """Why nothing comes of a publisher that stays, or that was cut off in the background: see ``pause``."""
        self.detect = True
        """False where it was switched off: then its pictures are neither decoded nor inferred. See ``switch``."""
        self.ended_at: float | None = None
        """``time.monotonic()`` when the last publisher left; None while there is one, or where none came yet."""
        self.boards = Boards.new(name) if boards is None else boards
        self.pipeline = Pipeline()
        """The stages after the model, new for each publisher."""
        self.scene: SceneWatch | None = None
        """Tells whether the camera was covered or moved, where somebody minds."""
        self.recorder = self.listeners.recorder(name)
        self._stages = stages
        self._ids = itertools.count(1) if ids is None else ids
        self.track(tracking)
        self.fence = Fence(log)
        """Fence around what may fail in the stream without ending it."""
        self._limits = StreamLimits()
        self._pace = Pace()
        self._slot: Frame | None = None
        self._in_worker: dict[Frame, Publisher | None] = {}
        """Frames with the worker, and who is to be answered: a camera that comes back is not its predecessor."""
        self._held: list[tuple[set[Frame], tuple[Event, ...]]] = []
        """Ends that wait for the results of frames that were with the worker: these may have the starts."""
        worker.join(self)

    @property
    def waiting(self) -> bool:
        """True if a frame waits in the slot."""
        return self._slot is not None

    @property
    def in_flight(self) -> int:
        """Frames that wait in the slot or are with the worker."""
        return (self._slot is not None) + len(self._in_worker)

    @property
    def failing(self) -> dict[str, str]:
        """Parts of the stream that failed the last time, and why."""
        return self.fence.failing | self.pipeline.failing | ({} if self.scene is None else self.scene.failing)

    @property
    def viewers(self) -> int:
        """Subscribers who look at pictures."""
        return sum(s.kind == "viewer" for s in self.subscriptions)

    @property
    def wanted(self) -> bool:
        """True if anybody wants results, or they are counted. Otherwise it is neither decoded nor inferred."""
        return self.detect and (bool(self.subscriptions) or self._wanted_besides)

    @property
    def _wanted_besides(self) -> bool:
        """True if somebody else than subscribers wants results."""
        if self.publisher is not None and self.publisher.wants_results:
            return True
        if self.recorder is not None and self.recorder.wants_results:
            return True
        return self.tracking.object_events or self.boards.wanted or self.listeners.want(self.name)

    @property
    def status(self) -> Status:
        """Status for a new subscriber: whether pictures come."""
        if self.paused is not None:
            return Status(state="waiting", message=f"Waiting for the camera: {self.paused}.", reason=self.paused)
        if self.publisher is not None and not self.detect:
            return Status(state="waiting", message="Detection is switched off.", reason=SWITCHED_OFF)
        return CAMERA_LIVE if self.publisher is not None else NO_CAMERA

    @property
    def priority(self) -> int:
        """Streams of a higher priority come first where the model is short of time."""
        return self._limits.priority

    @property
    def max_fps(self) -> float | None:
        """Frames a second that are taken; more are dropped as ``rate``. None: as many as the server takes of any."""
        return self._limits.max_fps

    def limit(self, *, priority: int, max_fps: float | None) -> None:
        """Set ``priority`` and ``max_fps``."""
        self._limits = StreamLimits(priority, max_fps)

    def track(self, tracking: Tracking) -> None:
        """Follow objects in this way from now on. Other stages go on as they were."""
        self.tracking = tracking
        names = tracking.with_tracks(self._stages)
        more = tuple(name for name in ("zones", "rules") if name not in names)
        options = tracking.stage_options(self._ids) | self.boards.options
        before = self.pipeline
        self.pipeline = before.changed(dict.fromkeys((STEADY, *names, *more)), options)
        self.emit_ends(*before.finish("the stream's settings were changed", self.pipeline))

    # From the publisher's side

    def start(self, publisher: Publisher) -> None:
        """A publisher takes the stream."""
        self.finish("another camera took its place")
        self.pipeline = self.pipeline.renewed()
        self.publisher = publisher
        self.paused = self.ended_at = None
        self._tell(self.status)

    def put(self, frame: Frame) -> None:
        """Take a frame. An unread older one is dropped before it is decoded, and counted."""
        if not self._accepts(frame):
            return
        old, self._slot = self._slot, frame
        if old is None:
            self.model.worker.wake(self)
        else:
            self._drop(old, "replaced")

    def begin(self, frame: Frame) -> bool:
        """Take a frame that comes with its result: where this is true, ``deliver`` or ``fail`` has to follow."""
        if not self._accepts(frame):
            return False
        old, self._slot = self._slot, None
        if old is not None:
            self._drop(old, "replaced")
        self._hand_out(frame)
        return True

    def refuse(self, frame: Frame) -> None:
        """Count a frame that came faster than the server takes."""
        self.meters.received(frame)
        self._drop(frame, "rate")

    def turn_away(self, seq: int, error: BadImage | TooLarge) -> None:
        """Count a picture that can't be taken, and tell its publisher."""
        self.meters.lost("too_large" if isinstance(error, TooLarge) else "bad_image")
        if self.publisher is not None:
            self._fenced(self.publisher, partial(self.publisher.refuse, seq, error))

    def lose(self, reason: str, count: int) -> None:
        """Count pictures that came to the publisher and were left out on their way here."""
        self.meters.lost(reason, count)

    def pause(self, reason: str | None) -> None:
        """The publisher lost its camera and waits for it; with None it came back."""
        self.paused = reason
        self._tell(self.status)

    def switch(self, on: bool) -> None:
        """Infer its pictures from now on, or leave them alone until it is switched on again."""
        if on != self.detect:
            self.detect = on
            self._tell(self.status)

    def hide(self, publisher: Publisher, hidden: bool) -> None:
        """The publisher's page went into the background, or came back."""
        publisher.hidden = hidden
        self.pause(IN_BACKGROUND if hidden else None)

    def end(self) -> None:
        """The publisher is gone. What waits is dropped; what the worker has is still delivered."""
        frame, self._slot = self._slot, None
        if frame is not None:
            self._drop(frame, "closed")
        if self.publisher is None or not self.publisher.hidden:
            self.paused = None
        self.publisher = None
        self.adaptive.stop()
        self.ended_at = time.monotonic()
        self.meters.log_drops(now=True)
        if not self._in_worker:
            self._tell_end()

    def _accepts(self, frame: Frame) -> bool:
        """Count a frame; False where it is dropped at once."""
        self.meters.received(frame)
        if self.scene is not None:
            self.scene.offer(frame)
        if self.recorder is not None:
            self.recorder.offer(frame)
        if not self._limits.let_pass():
            self._drop(frame, "rate")
        elif not (self.detect and (self._wanted_besides or self._pace.due(self.subscriptions))):
            self._drop(frame, "unwatched")
        else:
            return True
        return False

    # From the worker's side

    def take(self) -> Request | None:
        """Hand the waiting frame to the worker."""
        frame, self._slot = self._slot, None
        if frame is None:
            return None
        self._hand_out(frame)
        return Request(frame, self.model.options, self.pipeline)

    def deliver(self, result: FrameResult) -> None:
        """Give a result to the publisher and into every subscriber's mailbox; each drops on its own."""
        publisher = self._in_worker.pop(result.frame)
        self.meters.delivered(result)
        if publisher is not None and publisher is self.publisher:
            self.adaptive.delivered(result)
            self._fenced(publisher, partial(publisher.answer, result))
        self._tell(result)
        self._settled(result.frame, result)
        self.listeners.deliver(result)
        self._after_worker(result.frame)

    def emit(self, *events: Event) -> None:
        """Give events to whoever listens for this stream's."""
        self.listeners.emit(*events)

    def _emit_seen(self, event: Event, frame: Frame) -> None:
        """Give an event to whoever listens that was seen in a frame, though no model may have looked at that."""
        nothing = Detections.empty()
        seen = FrameResult(frame, nothing, NO_MODEL, (), (), None, {}, 0.0, time.monotonic())
        self.listeners.emit(event, result=seen)

    def emit_ends(self, *ends: Event) -> None:
        """Give ends of events, found on the loop, to whoever listens: after the results that may have their starts."""
        if ends:
            self._held.append((set(self._in_worker), ends))
            self._emit_held()

    def watch_scene(self, executor: Executor | None, reason: str = "") -> None:
        """Tell from now on whether the camera was covered or moved. None: no more, for this reason."""
        if executor is None and self.scene is not None:
            self.scene.finish(reason)
            self.scene = None
        elif executor is not None and self.scene is None and self.publisher is not None:
            self.scene = SceneWatch(self.name, self._emit_seen, executor)

    def finish(self, reason: str, *, at_once: bool = False) -> None:
        """End what lasts in the stages and in the scene. Frames that still come to them pass as they are.

        ``at_once``: wait for no results of frames that are with the worker, as nobody will hear of them.
        """
        self.watch_scene(None, reason)
        self.emit_ends(*self.pipeline.finish(reason))
        if at_once:
            for waiting, _ in self._held:
                waiting.clear()
            self._emit_held()

    def rest(self) -> None:
        """End what lasts in the stages where no frame came for a while. A slow model is no such case."""
        if not self.in_flight:
            self.emit(*self.pipeline.rest())

    def fail(self, frame: Frame, message: str) -> None:
        """The worker could not make a result of a frame."""
        publisher = self._in_worker.pop(frame)
        self.meters.failed()
        if publisher is not None and publisher is self.publisher:
            self._fenced(publisher, partial(publisher.fail, frame, message))
        self._after_worker(frame, "failed")

    def give_back(self, frame: Frame) -> None:
        """The worker stops and returns a frame that it has not begun."""
        publisher = self._in_worker.pop(frame)
        self.meters.dropped("closed")
        if publisher is not None and publisher is self.publisher:
            self._fenced(publisher, partial(publisher.drop, frame, "closed"))
        self._after_worker(frame, "closed")

    def put_back(self, frame: Frame) -> bool:
        """Have a frame wait again whose place is out; False where a newer one waits, or its publisher left."""
        publisher = self._in_worker[frame]
        if self._slot is not None or publisher is None or publisher is not self.publisher:
            return False
        del self._in_worker[frame]
        self._slot = frame
        self.model.worker.wake(self)
        return True

    def _hand_out(self, frame: Frame) -> None:
        self._in_worker[frame] = self.publisher
        self.model.busy(True)

    def _after_worker(self, frame: Frame, dropped: str = "") -> None:
        if dropped:
            self._settled(frame, dropped=dropped)
        for waiting, _ in self._held:
            waiting.discard(frame)
        self._emit_held()
        if not self._in_worker:
            self.model.busy(False)
            if self.publisher is None:
                self._tell_end()
            elif self.status is not CAMERA_LIVE:  # the result came after the pause: without this it would look live
                self._tell(self.status)

    def _settled(self, frame: Frame, result: FrameResult | None = None, dropped: str = "") -> None:
        """Tell what records and what traces frames what became of one."""
        if self.recorder is not None:
            self.recorder.settle(frame, result, dropped)
        if self.listeners.trace is not None:
            self.listeners.trace(frame, result, dropped)

    def _emit_held(self) -> None:
        while self._held and not self._held[0][0]:
            self.emit(*self._held.pop(0)[1])

    def _tell_end(self) -> None:
        self.finish("the camera is gone")
        self._tell(CAMERA_GONE if self.paused is None else self.status)

    # To all peers

    def tell(self, status: Status) -> None:
        """Tell everybody on a live stream how the model stands."""
        if self.publisher is not None:
            self._fenced(self.publisher, partial(self.publisher.tell, status))
            self._tell(status)

    def _fenced(self, publisher: Publisher, call: Callable[[], None]) -> None:
        """Call the publisher back. If that raises, its session ends; the worker and the other streams go on."""
        try:
            call()
        except FAULTS as e:
            log.exception("stream %s: its camera could not be answered, so its session ends", self.name)
            with suppress(*FAULTS):  # what is broken may not even be able to end
                publisher.close(f"the answer could not be sent: {told(e)}")

    def _tell(self, item: FrameResult | Status) -> None:
        for subscription in self.subscriptions:
            subscription.mailbox.put(item)

    def _drop(self, frame: Frame, reason: DropReason) -> None:
        self.meters.dropped(reason)
        self._settled(frame, dropped=reason)
        if self.publisher is not None:
            self._fenced(self.publisher, partial(self.publisher.drop, frame, reason))
