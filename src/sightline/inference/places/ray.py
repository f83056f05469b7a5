"""A model on a machine of a Ray cluster: a replica, which is an actor of Ray. This file knows no Ray.

JPEGs and options go there, predictions come back; stages and results are made here. The stream's slot stays the only
queue: a replica has two batches at most. This server's own deadline decides when a replica is out, as Ray itself takes
17 s to notice a machine that is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from functools import partial

import msgspec
from msgspec import structs

from sightline.core.errors import FAULTS, ModelError, SightlineError, cancelled, told
from sightline.core.types import Encoded, Frame
from sightline.inference.infer import Answer, Ask, Inferred, NotInferred
from sightline.inference.outcomes import Batch
from sightline.inference.place import LostReplica, ModelFacts, Outcome, Request
from sightline.inference.places.deadline import Deadline
from sightline.inference.places.messages import (
    LENGTH,
    AnswersMessage,
    LoadRequest,
    ReadyMessage,
    RefusedMessage,
    RunRequest,
    from_process,
    packed,
)
from sightline.inference.places.model_process import GRACE_S, answer_of, error_of, picture_of
from sightline.inference.places.ray_link import Mail, RayLink
from sightline.inference.places.ray_messages import FindReplica, Needs, ReplicaSaid, RunReplica, Started, StartReplica
from sightline.inference.places.work_thread import WorkThread
from sightline.inference.static_scene import LastResults
from sightline.media import codecs

log = logging.getLogger(__name__)

LEAST_S = 0.5
"""Time that a batch may take at least. It is short, as the frames of one that is late are tried elsewhere."""
AGAIN_S = 5.0
"""Time that a replica that was late has to answer before another one takes its place."""
ROOM_S = 30.0
"""Time in which Ray must find a machine for a replica and start its process."""
QUALITY = 95
"""JPEG quality of pixels that have to be sent."""


class RayPlace:
    """Loads and runs a model in a replica. After its death ``load`` starts another one, maybe elsewhere."""

    pid: int | None = None
    own_bytes = 0
    """It takes no memory of this machine."""

    def __init__(
        self, first: LoadRequest, last: LastResults | None, *, link: RayLink, needs: Needs, load_s: float, name: str
    ) -> None:
        """``first`` says what is loaded, within ``load_s`` seconds. ``last``: see ThreadPlace."""
        self.dead: str | None = "it is not loaded"
        self.on_death: Callable[[], None] | None = None
        self.node = ""
        """Ray's id of the machine; empty before it was loaded."""
        self.host = ""
        self.late = 0
        """Answers that came after the deadline."""
        self.strange = 0
        """Answers to what was never asked, or a second time, and those that are none."""
        self._first, self._last = first, last
        self._link, self._needs, self._load_s = link, needs, load_s
        self._info: ModelFacts | None = None
        self._replica: int | None = None
        self._mail: Mail | None = None
        self._reachable = False
        """Whether the replica may come back by itself."""
        self._under_way = 0
        """Batches that the replica has. It answers them in their order."""
        self._turn_began = 0.0
        """Since when it has the first of them for itself."""
        self._expiry: asyncio.TimerHandle | None = None
        self._deadline = Deadline(LEAST_S)
        self._thread = WorkThread(name)
        """Packs pixels, and makes results where a stage, a mask or many objects take time."""

    async def load(self, like: ModelFacts | None = None) -> ModelFacts:
        """Have a new replica."""
        if like is not None and like.engine is not None:
            options = replace(self._first.options, engine=like.engine.name)
            self._first = msgspec.structs.replace(self._first, options=options)
        self.forget()
        begun = time.monotonic()
        self._replica, self._mail = self._link.add(self._out)
        started = await self._within(
            self._load_s,
            lambda number, replica: StartReplica(number, replica, packed(self._first), self._needs, ROOM_S),
            f"the model did not load within {self._load_s:g} s",
        )
        said = self._read(started.body)
        if isinstance(said, RefusedMessage):
            raise error_of(said)
        if not isinstance(said, ReadyMessage) or not isinstance(started, Started):
            raise self._nonsense("it answers without having loaded")
        self._info, self.node, self.host = said.info, started.node, started.host
        self._deadline.loaded(time.monotonic() - begun)
        self._reachable, self.dead = True, None
        return self._info

    async def back(self) -> bool:
        """Whether a replica that was late answers again."""
        if not self._reachable or self._replica is None:
            return False
        try:
            await self._within(AGAIN_S, FindReplica, self.dead or "")
        except SightlineError:
            return False
        finally:
            self._count()
        self.dead = None
        return True

    async def run(self, requests: Sequence[Request], *, gone: Set[str] = frozenset()) -> list[Outcome]:
        """Have the replica answer a batch. Raises LostReplica where it is out."""
        if self._info is None or self.dead is not None:
            raise LostReplica(self.dead or "it is not loaded")
        batch = Batch(requests, self._info.card, self._last, gone)
        make = partial(_body, batch.asks, gone)
        raw = any(not isinstance(ask.frame.image, Encoded) for ask in batch.asks)
        body = await self._thread.submit(make) if raw else make()
        if self._replica is None or self.dead is not None:
            raise LostReplica(self.dead or "it is not loaded")
        said, took = await self._asked(self._replica, body)
        answers = self._answers(said, len(requests))
        assert isinstance(said, ReplicaSaid), "it was understood"
        began = time.monotonic() - min(took, max(0.0, said.took_s))
        timed = [_here(one, ask.frame, began) for one, ask in zip(answers, batch.asks, strict=True)]
        return await batch.settled(timed, self._thread)

    def close(self) -> None:
        """End the replica."""
        self.on_death = None
        self.forget()
        self._thread.close()

    async def closed(self) -> None:
        """Wait until the thread has ended. Ray ends the replica in its own time."""
        await self._thread.closed()

    def forget(self) -> None:
        """Let go of the replica."""
        self.dead = self.dead or "it is not loaded"
        if self._replica is not None:
            self._count()
            self._link.remove(self._replica)
            self._replica = self._mail = None
        self._reachable = False

    async def _asked(self, replica: int, body: bytes) -> tuple[ReplicaSaid | Started, float]:
        """The answer to a batch, and the seconds that it took. Raises LostReplica where the replica is out."""
        self._under_way += 1
        if self._under_way == 1:
            self._next_turn()
        try:
            said = await self._link.ask(replica, lambda number: RunReplica(number, replica, body))
            took = time.monotonic() - self._turn_began
            self._deadline.learn(took)
            return said, took
        finally:
            self._under_way -= 1
            self._next_turn()

    def _next_turn(self) -> None:
        """The time of the batch runs that the replica answers next."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._turn_began = time.monotonic()
        if self._under_way and self.dead is None:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(self._deadline.may_take, self._late)

    def _late(self) -> None:
        """The replica is late, unless its answer is on its way, as this process itself may have stood still."""
        words = f"the replica on {self.host} did not answer in {self._deadline.may_take:.1f} s"

        def expire() -> None:
            self._deadline.late()
            log.warning("%s", words)
            self._out(words)

        self._expiry = asyncio.get_running_loop().call_later(GRACE_S, expire)

    async def _within(self, seconds: float, question: Callable[[int, int], object], late: str) -> ReplicaSaid | Started:
        """The replica's answer. Raises LostReplica, and it is out, where that takes longer or it is dead."""
        replica = self._replica
        assert replica is not None, "it was added"
        try:
            async with asyncio.timeout(seconds):
                return await self._link.ask(replica, lambda number: question(number, replica))  # type: ignore[arg-type,return-value]
        except TimeoutError:
            self._out(late)
            raise LostReplica(late) from None

    def _answers(self, said: ReplicaSaid | Started, count: int) -> list[Answer]:
        message = self._read(said.body)
        right = isinstance(said, ReplicaSaid) and isinstance(message, AnswersMessage)
        if not isinstance(message, AnswersMessage) or not right or len(message.answers) != count:
            raise self._nonsense(f"it does not answer to {count} pictures")
        return [answer_of(one) for one in message.answers]

    def _read(self, body: bytes) -> object:
        try:
            return from_process.decode(body[LENGTH:])
        except FAULTS as e:
            if cancelled(e):
                raise
            raise self._nonsense(told(e)) from None

    def _nonsense(self, what: str) -> ModelError:
        """The replica does not keep to the protocol: another one is started."""
        if self._mail is not None:
            self._mail.strange += 1
        words = f"the replica on {self.host or 'a machine'} can't be understood: {what[:200]}"
        self._reachable = False
        self._out(words)
        return ModelError(words)

    def _out(self, why: str) -> None:
        self._count()
        if self.dead is not None or self._replica is None:
            return
        self.dead = why
        self._link.abandon(self._replica, why)
        if self.on_death is not None:
            self.on_death()

    def _count(self) -> None:
        """Take over what was counted of the replica."""
        if self._mail is not None:
            self.late += self._mail.late
            self.strange += self._mail.strange
            self._mail.late = self._mail.strange = 0


def _body(asks: Sequence[Ask], gone: Set[str]) -> bytes:
    """A batch as it is sent. Pixels become JPEGs."""
    frames = [_as_jpeg(ask) for ask in asks]
    request = RunRequest(tuple(picture_of(ask, iter(())) for ask in frames), tuple(gone), 0)
    return b"".join(
        [packed(request), *(ask.frame.image.data for ask in frames if isinstance(ask.frame.image, Encoded))]
    )


def _as_jpeg(ask: Ask) -> Ask:
    frame = ask.frame
    if isinstance(frame.image, Encoded):
        return ask
    width, height = frame.size
    encoded = Encoded(codecs.encode_jpeg(frame.image, QUALITY), width, height)
    return Ask(Frame(frame.stream, frame.seq, frame.captured_at, frame.received_at, encoded), ask.options, ask.last)


def _here(answer: Answer, frame: Frame, began: float) -> Answer:
    """An answer with its times on this machine's clock: the other one's says nothing here."""
    if isinstance(answer, NotInferred):
        return answer
    if not isinstance(answer, Inferred):
        return structs.replace(answer, started=began)
    return structs.replace(answer, started=began, stages=answer.stages | {"queue": (began - frame.received_at) * 1000})
