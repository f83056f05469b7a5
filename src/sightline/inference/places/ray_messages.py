"""What a server and its process in a Ray cluster say to each other: msgpack, four bytes of length before each message.

Both ends are ours and on one machine. What comes from replicas goes through as bytes, for ``from_process`` to read.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Struct

from sightline.inference.places.messages import LENGTH


class Needs(Struct, frozen=True):
    """What a machine must have for a replica."""

    cpus: float
    gpus: float
    labels: dict[str, str]


class JoinCluster(Struct, frozen=True, tag="join"):
    """The first message: which cluster. The answer is ``Joined`` or ``RayRefused``."""

    address: str
    log_level: int


class StartReplica(Struct, frozen=True, tag="start"):
    """Have a replica somewhere, with its model loaded. The answer is ``Started``, ``RayRefused`` or ``Lost``."""

    number: int
    replica: int
    load: bytes
    """A ``LoadRequest``, packed."""
    needs: Needs
    within_s: float
    """Seconds in which a machine must be found; loading has its own time."""


class RunReplica(Struct, frozen=True, tag="run"):
    """A batch for a replica. The answer is ``ReplicaSaid`` or ``Lost``."""

    number: int
    replica: int
    body: bytes
    """A ``RunRequest``, packed, and its JPEGs."""


class FindReplica(Struct, frozen=True, tag="find"):
    """Whether a replica still answers. The answer is ``ReplicaSaid`` or ``Lost``."""

    number: int
    replica: int


class DrainMachine(Struct, frozen=True, tag="drain"):
    """Take a machine out. The answer is ``ReplicaSaid`` or ``RayRefused``."""

    number: int
    replica: int
    """None of them: 0."""
    node: str
    within_s: int
    """Seconds after which Ray ends there."""


class StopReplica(Struct, frozen=True, tag="stop"):
    """End a replica. There is no answer."""

    replica: int


class Machine(Struct, frozen=True):
    """A machine of the cluster."""

    node: str
    """Ray's id of it."""
    host: str
    address: str
    cpus: float
    cpus_free: float
    gpus: float
    gpus_free: float
    labels: dict[str, str]
    leaving: bool
    """Whether it was asked to be drained."""
    clock_s: float | None = None
    """Seconds by which its clock is ahead of this one's; None where no replica told."""


class Joined(Struct, frozen=True, tag="joined"):
    """This machine is a part of the cluster."""

    ray: str
    """Ray's version."""


class Started(Struct, frozen=True, tag="started"):
    """A replica has loaded its model."""

    number: int
    replica: int
    node: str
    host: str
    body: bytes
    """A ``ReadyMessage`` or a ``RefusedMessage``, packed."""


class ReplicaSaid(Struct, frozen=True, tag="said"):
    """What a replica answered."""

    number: int
    replica: int
    batch: int
    """The number that the replica answers to."""
    took_s: float
    body: bytes


class RayRefused(Struct, frozen=True, tag="refused"):
    """It can't be done, and why. ``number`` is 0 for joining."""

    number: int
    why: str


class Lost(Struct, frozen=True, tag="lost"):
    """A replica is dead or out of reach. ``dead``: Ray is sure."""

    number: int
    replica: int
    why: str
    dead: bool


class Machines(Struct, frozen=True, tag="machines"):
    """All machines, told once a second."""

    machines: tuple[Machine, ...]


ToRay: TypeAlias = JoinCluster | StartReplica | RunReplica | FindReplica | DrainMachine | StopReplica
FromRay: TypeAlias = Joined | Started | ReplicaSaid | RayRefused | Lost | Machines
to_ray = msgspec.msgpack.Decoder(ToRay)
from_ray = msgspec.msgpack.Decoder(FromRay)
_encoder = msgspec.msgpack.Encoder()


def framed(message: ToRay | FromRay) -> bytes:
    """Return a message as it is sent."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH, "big") + body
