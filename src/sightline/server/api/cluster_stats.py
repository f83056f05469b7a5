"""Figures of the machines of a cluster, and of the replicas that run there."""

from __future__ import annotations

from pydantic import BaseModel

from sightline.inference.instance import Instance
from sightline.inference.places.ray import RayPlace
from sightline.inference.pool import ModelPool, Pooled


class ReplicaStats(BaseModel):
    """A copy of a model on a machine of a cluster."""

    model: str
    machine: str
    """Name of the machine."""
    node: str
    """Ray's id of it."""
    streams: list[str]
    """Streams whose last frame it had."""
    load: float
    """Share of the time in which it worked of late, 0 to 1: the mean of all copies of the model."""
    late: int
    """Answers that came after their deadline."""
    strange: int
    """Answers to what it was never asked, or that are none."""
    restarts: int
    out: str
    """Why it gets no frames; empty while it does."""


class MachineStats(BaseModel):
    """A machine of the cluster."""

    node: str
    name: str
    address: str
    cpus: float
    cpus_free: float
    gpus: float
    gpus_free: float
    labels: dict[str, str]
    leaving: bool
    """Whether it is being drained."""
    clock_ahead_s: float | None
    """Seconds by which its clock is ahead of this one's. Results don't depend on it. Null before it had a replica."""


class ClusterStats(BaseModel):
    """The Ray cluster that models run on."""

    machines: list[MachineStats]
    replicas: list[ReplicaStats]
    problem: str
    """Why this server is no part of it; empty while it is."""


def cluster_stats(pool: ModelPool) -> ClusterStats | None:
    """Return the cluster's machines; None where no model runs on one."""
    if all(one.scale is None for one in pool.models):
        return None
    machines = [
        MachineStats(
            node=one.node,
            name=one.host,
            address=one.address,
            cpus=one.cpus,
            cpus_free=one.cpus_free,
            gpus=one.gpus,
            gpus_free=one.gpus_free,
            labels=one.labels,
            leaving=one.leaving,
            clock_ahead_s=None if one.clock_s is None else round(one.clock_s, 3),
        )
        for one in pool.link.machines
    ]
    replicas = [
        _replica(one, instance, streams)
        for one in pool.models
        if one.scale is not None
        for instance, streams in one.worker.replicas
    ]
    return ClusterStats(machines=machines, replicas=replicas, problem=pool.link.problem or "")


def _replica(one: Pooled, instance: Instance, streams: list[str]) -> ReplicaStats:
    place = instance.place
    assert isinstance(place, RayPlace), "a model with replicas has no other places"
    assert one.scale is not None, "it has replicas"
    return ReplicaStats(
        model=one.key.name,
        machine=place.host,
        node=place.node,
        streams=streams,
        load=round(min(1.0, one.scale.share), 3),
        late=place.late,
        strange=place.strange,
        restarts=instance.restarts,
        out=place.dead or "",
    )
