"""A server's end of its process in a Ray cluster: one for all models. It keeps count of what was asked of replicas."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from subprocess import STDOUT
from typing import NamedTuple

from sightline.core.errors import FAULTS, ConfigError, ModelError, cancelled, told
from sightline.core.processes import Process, start_process
from sightline.inference.place import LostReplica
from sightline.inference.places.messages import LENGTH, MOST_BYTES
from sightline.inference.places.model_process import overhear
from sightline.inference.places.ray_connect import REFUSED, check_installed, words_for
from sightline.inference.places.ray_messages import (
    DrainMachine,
    FromRay,
    JoinCluster,
    Joined,
    Lost,
    Machine,
    Machines,
    RayRefused,
    ReplicaSaid,
    Started,
    StopReplica,
    ToRay,
    framed,
    from_ray,
)
from sightline.settings.environment import cluster_token, environment_for_ray
from sightline.settings.settings import Settings

log = logging.getLogger(__name__)

JOIN_S = 60.0
"""Time that it may take until this machine is a part of the cluster."""
MOST_GIVEN_UP = 4096
"""Questions whose late answers are told from those that nobody asked for."""
END_S = 2.0


@dataclass(slots=True)
class Mail:
    """What came of a replica besides its answers."""

    lost: Callable[[str], None]
    """Called with the reason when it is out."""
    late: int = 0
    """Answers that came after their deadline."""
    strange: int = 0
    """Answers to what it was never asked, or a second time, and those that are none."""


class Asked(NamedTuple):
    """Something that a replica was asked."""

    replica: int
    answer: asyncio.Future[ReplicaSaid | Started]


class RayLink:
    """Used on the event loop only. Its process is started when it is needed first, and again after its death."""

    def __init__(self, settings: Settings) -> None:
        self.machines: tuple[Machine, ...] = ()
        """The cluster's machines, as last told."""
        self.problem: str | None = "nothing was asked of the cluster yet"
        """Why this machine is no part of it; None while it is."""
        self._settings = settings
        self._numbers = itertools.count(1)
        self._replicas: dict[int, Mail] = {}
        self._questions: dict[int, Asked] = {}
        self._given_up: OrderedDict[int, int] = OrderedDict()
        self._joining = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._serving: asyncio.Task[None] | None = None

    def add(self, lost: Callable[[str], None]) -> tuple[int, Mail]:
        """Return the number of a replica to be, and its mail."""
        number, mail = next(self._numbers), Mail(lost)
        self._replicas[number] = mail
        return number, mail

    def remove(self, replica: int) -> None:
        """End a replica. What it still answers is nobody's."""
        self.abandon(replica, "it was ended")
        self._replicas.pop(replica, None)
        self._write(StopReplica(replica))

    def abandon(self, replica: int, why: str) -> None:
        """Wait for no more answers of a replica. Those that come nevertheless are late."""
        for number, question in list(self._questions.items()):
            if question.replica == replica:
                self._give_up(number)
                if not question.answer.done():
                    question.answer.set_exception(LostReplica(why))

    async def ask(self, replica: int, question: Callable[[int], ToRay]) -> ReplicaSaid | Started:
        """Return the answer. ``question`` gets its number. Raises LostReplica, ConfigError, or ModelError."""
        await self.join()
        number = next(self._numbers)
        answer: asyncio.Future[ReplicaSaid | Started] = asyncio.get_running_loop().create_future()
        self._questions[number] = Asked(replica, answer)
        try:
            self._write(question(number))
            return await answer
        finally:
            self._give_up(number)

    async def join(self) -> None:
        """Be a part of the cluster. Raises ConfigError in words for whoever set it up."""
        async with self._joining:
            if self.problem is None:
                return
            try:
                await self._start()
            except ConfigError as e:
                self.problem = e.message
                raise

    async def seen(self) -> tuple[Machine, ...]:
        """Return the cluster's machines once they are known. Raises ConfigError."""
        await self.join()
        while not self.machines:  # told within a second
            if self.problem is not None:
                raise ConfigError(self.problem)
            await asyncio.sleep(0.02)
        return self.machines

    async def drain(self, node: str, within_s: int) -> None:
        """Have a machine get no more replicas, and Ray end there later. Raises ConfigError."""
        await self.ask(0, lambda number: DrainMachine(number, 0, node, within_s))

    async def close(self) -> None:
        """End the process, and all replicas with it."""
        if self._writer is not None:
            self._writer.close()
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def _start(self) -> None:
        check_installed()
        await self.close()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=ours)
        env = await asyncio.to_thread(lambda: environment_for_ray(cluster_token(self._settings)))
        try:
            process = await start_process(
                *(sys.executable, "-m", "sightline.inference.places.ray_driver", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stderr=STDOUT,
                start_new_session=True,
                env=env,
            )
        except OSError as e:
            self._writer.close()
            raise ConfigError(f"the process for Ray can't be started: {e}") from None
        finally:
            theirs.close()
        joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve(process, reader, joined))
        level = logging.getLogger().getEffectiveLevel()
        self._writer.write(framed(JoinCluster(self._settings.cluster.address or "auto", level)))
        try:
            async with asyncio.timeout(JOIN_S):
                await joined
        except TimeoutError:
            process.kill()
            raise ConfigError(f"the Ray cluster can't be reached: no answer within {JOIN_S:g} s") from None

    async def _serve(self, process: Process, reader: asyncio.StreamReader, joined: asyncio.Future[None]) -> None:
        """Read what the process says until its end, and see to that."""
        assert process.stdout is not None
        understood = partial(self._understood, process, joined)
        printed = asyncio.create_task(overhear(process.stdout, "the process for Ray", understood))
        why = ""
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(LENGTH), "big")
                if size > MOST_BYTES:
                    raise ModelError(f"{size} bytes")
                self._heard(from_ray.decode(await reader.readexactly(size)), joined)
        except (asyncio.IncompleteReadError, ConnectionError):
            why = "the process for Ray ended"
        except FAULTS as e:
            if cancelled(e):
                raise
            why = f"the process for Ray can't be understood: {told(e)}"
        finally:
            await self._end(process, printed, why or "the server ends", joined)

    def _understood(self, process: Process, joined: asyncio.Future[None], printed: str) -> bool:
        """Whether Ray printed that the token is wrong: it would try for half a minute, and print it each second."""
        if REFUSED not in printed:
            return False
        if not joined.done():
            words = words_for(RuntimeError(printed), self._settings.cluster.address or "auto")
            joined.set_exception(ConfigError(words))
            process.kill()
        return True

    async def _end(
        self,
        process: Process,
        printed: asyncio.Task[None],
        why: str,
        joined: asyncio.Future[None],
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.wait([printed], timeout=0.1)
        printed.cancel()
        if not joined.done():
            joined.set_exception(ConfigError(why))
        refused = None if joined.cancelled() else joined.exception()
        why = refused.message if isinstance(refused, ConfigError) else why
        self.problem, self._writer, self.machines = why, None, ()
        for number, question in list(self._questions.items()):
            self._give_up(number)
            if not question.answer.done():
                question.answer.set_exception(LostReplica(why))
        for mail in list(self._replicas.values()):
            mail.lost(why)

    def _write(self, message: ToRay) -> None:
        if self._writer is not None:
            self._writer.write(framed(message))

    def _heard(self, message: FromRay, joined: asyncio.Future[None]) -> None:
        match message:
            case ReplicaSaid() | Started():
                self._answered(message)
            case Lost():
                self._lost(message)
            case Machines():
                self.machines = message.machines
            case Joined():
                self.problem = None
                log.info("this server uses a cluster of Ray %s", message.ray)
                if not joined.done():
                    joined.set_result(None)
            case RayRefused(number=0):
                if not joined.done():
                    joined.set_exception(ConfigError(message.why))
            case RayRefused():
                question = self._questions.get(message.number)
                if question is not None and not question.answer.done():
                    question.answer.set_exception(ConfigError(message.why))

    def _answered(self, message: ReplicaSaid | Started) -> None:
        question, mail = self._questions.get(message.number), self._replicas.get(message.replica)
        batch = message.number if isinstance(message, Started) else message.batch
        if question is not None and question.replica == message.replica and not question.answer.done():
            if batch == message.number:
                question.answer.set_result(message)
                return
            question.answer.set_exception(
                ModelError(f"the replica answers to batch {batch}: expected {message.number}")
            )
        elif self._given_up.pop(message.number, None) == message.replica and batch == message.number:
            if mail is not None:
                mail.late += 1
            return
        if mail is not None:
            mail.strange += 1

    def _lost(self, message: Lost) -> None:
        question, mail = self._questions.get(message.number), self._replicas.get(message.replica)
        if question is not None and question.replica == message.replica and not question.answer.done():
            question.answer.set_exception(LostReplica(message.why))
        if mail is not None:
            mail.lost(message.why)

    def _give_up(self, number: int) -> None:
        question = self._questions.pop(number, None)
        if question is not None and not (question.answer.done() and not question.answer.cancelled()):
            self._given_up[number] = question.replica
            if len(self._given_up) > MOST_GIVEN_UP:
                self._given_up.popitem(last=False)
