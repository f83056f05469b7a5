"""A server's process in a Ray cluster: ``python -m sightline.inference.places.ray_driver SOCKET``.

Ray's library ends the process that it is in where the cluster's head is gone, takes its signals, and keeps its
interpreter busy for half a millisecond a call. So it has one of its own, and the server goes on whatever happens here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.core.errors import FAULTS, ConfigError, SightlineError, cancelled, told
from sightline.core.version import __version__
from sightline.inference.places.answering import die_with_parent
from sightline.inference.places.messages import LENGTH, LoadRequest, to_process
from sightline.inference.places.ray_connect import connect
from sightline.inference.places.ray_messages import (
    DrainMachine,
    FindReplica,
    FromRay,
    JoinCluster,
    Joined,
    Lost,
    Machine,
    Machines,
    Needs,
    RayRefused,
    ReplicaSaid,
    RunReplica,
    Started,
    StartReplica,
    StopReplica,
    framed,
    to_ray,
)
from sightline.inference.places.ray_replica import BATCH, NUMBER, About, Replica
from sightline.inference.places.ray_weights import Wanted, wanted_by

log = logging.getLogger(__name__)
LOOK_S = 1.0
"""Interval of looks at the cluster's machines."""


@dataclass(slots=True)
class _Alive:
    """An actor of Ray, and where it is."""

    actor: Any
    about: About | None = None


class Driver:
    """Does what the server asks for, each thing in a task of its own."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._replicas: dict[int, _Alive] = {}
        self._clocks: dict[str, float] = {}
        self._weights: dict[Wanted, Any] = {}
        """What was put into Ray's store, so that it is there once, and every machine fetches it once."""
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, message: object) -> None:
        """Begin what is asked for."""
        match message:
            case RunReplica():
                self._go(self._run(message))
            case StartReplica():
                self._go(self._start(message))
            case FindReplica():
                self._go(self._find(message))
            case DrainMachine():
                self._go(self._drain(message))
            case StopReplica():
                self._stop(message.replica)

    async def look(self) -> None:
        """Tell of all machines, again and again."""
        while True:
            with contextlib.suppress(Exception):  # the head is gone for the moment: what was told last stays
                self._say(Machines(await asyncio.to_thread(machines, dict(self._clocks))))
            await asyncio.sleep(LOOK_S)

    def _go(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say(self, message: FromRay) -> None:
        self._writer.write(framed(message))

    async def _run(self, call: RunReplica) -> None:
        try:
            actor = self._replicas[call.replica].actor
            said = await actor.run.remote(NUMBER.pack(call.number) + call.body)
            batch, took = BATCH.unpack_from(said)
            self._say(ReplicaSaid(call.number, call.replica, batch, took, said[BATCH.size :]))
        except FAULTS as e:
            self._lost(call.number, call.replica, e)

    async def _find(self, call: FindReplica) -> None:
        try:
            await self._replicas[call.replica].actor.about.remote()
            self._say(ReplicaSaid(call.number, call.replica, call.number, 0.0, b""))
        except FAULTS as e:
            self._lost(call.number, call.replica, e)

    async def _drain(self, call: DrainMachine) -> None:
        try:
            await asyncio.to_thread(drain, call.node, call.within_s)
            self._say(ReplicaSaid(call.number, 0, call.number, 0.0, b""))
        except FAULTS as e:
            if cancelled(e):
                raise
            self._say(RayRefused(call.number, told(e)))

    async def _start(self, call: StartReplica) -> None:
        try:
            about, body = await self._started(call)
            self._say(Started(call.number, call.replica, about.node, about.host, body))
        except SightlineError as e:
            self._stop(call.replica)
            self._say(RayRefused(call.number, e.message))
        except FAULTS as e:
            self._stop(call.replica)
            self._lost(call.number, call.replica, e)

    async def _started(self, call: StartReplica) -> tuple[About, bytes]:
        import ray

        request = to_process.decode(call.load[LENGTH:])
        assert isinstance(request, LoadRequest), "the server sends nothing else"
        wanted = await asyncio.to_thread(wanted_by, request)
        await asyncio.to_thread(check_room, call.needs)
        actor = (
            ray.remote(Replica)
            .options(
                num_cpus=call.needs.cpus,
                num_gpus=call.needs.gpus,
                label_selector=call.needs.labels or None,
                max_restarts=0,
                scheduling_strategy="SPREAD",
            )
            .remote()
        )
        alive = self._replicas[call.replica] = _Alive(actor)
        asked = time.time()
        try:
            async with asyncio.timeout(call.within_s):
                about = About(*await actor.about.remote())
        except TimeoutError:
            raise ConfigError(f"no machine of the cluster had room for a replica within {call.within_s:g} s") from None
        alive.about = about
        self._clocks[about.node] = _ahead(about.time, asked)
        if about.version != __version__:
            theirs = f"Sightline {about.version} runs on {about.host}, and {__version__} here"
            raise ConfigError(f"{theirs}: expected the same on all machines")
        for one in await actor.lacks.remote(wanted):
            one = Wanted(*one)
            log.info("%s (%.1f MB) goes to %s", Path(one.source).name, one.size / 1e6, about.host)
            await actor.bring.remote(one, await self._weights_of(one))
        return about, await actor.load.remote(call.load, wanted)

    async def _weights_of(self, one: Wanted) -> Any:
        import ray

        if one not in self._weights:
            self._weights[one] = ray.put(await asyncio.to_thread(Path(one.source).read_bytes))
        return self._weights[one]

    def _stop(self, replica: int) -> None:
        import ray

        alive = self._replicas.pop(replica, None)
        if alive is not None:
            with contextlib.suppress(Exception):
                ray.kill(alive.actor)

    def _lost(self, number: int, replica: int, error: BaseException) -> None:
        if cancelled(error):
            raise error
        import ray

        alive = self._replicas.get(replica)
        where = f" on {alive.about.host}" if alive is not None and alive.about is not None else ""
        dead = isinstance(error, ray.exceptions.ActorDiedError) or alive is None
        why = told(error).split("\n")[0]
        if isinstance(error, ray.exceptions.ActorDiedError):
            why = "it died"
        elif isinstance(error, ray.exceptions.ActorUnavailableError):
            why = "it can't be reached"
        self._say(Lost(number, replica, f"the replica{where} is out: {why}", dead))


def _ahead(theirs: float, asked: float) -> float:
    """Seconds by which a clock is ahead of ours, at least: its time was taken between the question and now."""
    now = time.time()
    return theirs - now if theirs > now else min(0.0, theirs - asked)


def check_room(needs: Needs) -> None:
    """Raise an error where no machine of the cluster could ever have such a replica."""
    found = machines({})
    for one in found:
        labelled = all(one.labels.get(name) == value for name, value in needs.labels.items())
        if one.cpus >= needs.cpus and one.gpus >= needs.gpus and labelled and not one.leaving:
            return
    there = ", ".join(f"{one.host} with {one.cpus:g} cores and {one.gpus:g} graphics cards" for one in found)
    labels = f" and the labels {needs.labels}" if needs.labels else ""
    raise ConfigError(
        f"no machine of the cluster has {needs.cpus:g} cores and {needs.gpus:g} graphics cards{labels} for a replica: "
        f"there is {there or 'none'}"
    )


def drain(node: str, within_s: int) -> None:
    """Ask the head to take a machine out: not for an event loop. Raises ConfigError where it won't."""
    import ray
    from ray.core.generated import autoscaler_pb2

    head = ray._raylet.GcsClient(address=ray.get_runtime_context().gcs_address)
    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    taken, why = head.drain_node(node, reason, "sightline cluster drain", time.time_ns() // 10**6 + within_s * 1000)
    if not taken:
        raise ConfigError(f"the machine can't be drained: {why}")


def machines(clocks: Mapping[str, float]) -> tuple[Machine, ...]:
    """Return the cluster's machines that are alive. Asks the head: not for an event loop."""
    import ray
    from ray._private import state

    free = state.available_resources_per_node()
    leaving = state.state.get_draining_nodes()
    return tuple(
        Machine(
            node=node["NodeID"],
            host=node["NodeManagerHostname"],
            address=node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0.0),
            cpus_free=free.get(node["NodeID"], {}).get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
            gpus_free=free.get(node["NodeID"], {}).get("GPU", 0.0),
            labels={k: v for k, v in (node.get("Labels") or {}).items() if not k.startswith("ray.io/")},
            leaving=node["NodeID"] in leaving,
            clock_s=clocks.get(node["NodeID"]),
        )
        for node in ray.nodes()
        if node["Alive"]
    )


async def serve(sock: socket.socket) -> None:
    """Join the cluster, then do what is asked for until the server closes the socket."""
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock)
    first = to_ray.decode(await _next(reader))
    assert isinstance(first, JoinCluster), "it comes first"
    logging.basicConfig(level=first.log_level)
    try:
        version = connect(first.address)
    except ConfigError as e:
        writer.write(framed(RayRefused(0, e.message)))
        await writer.drain()
        return
    writer.write(framed(Joined(version)))
    driver = Driver(writer)
    looking = asyncio.create_task(driver.look())
    try:
        while True:
            driver.heard(to_ray.decode(await _next(reader)))
            await writer.drain()
    finally:
        looking.cancel()


async def _next(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(LENGTH), "big"))


def main() -> None:
    """Serve whoever started this."""
    die_with_parent()
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the server is gone
        asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
