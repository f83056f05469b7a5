"""Figures of the machines of a cluster, and of the replicas that run there."""

from __future__ import annotations

from pydantic import BaseModel

from sightline.inference.instance import Instance
from sightline.inference.places.ray import RayPlace
from sightline.inference.pool import ModelPool, Pooled
from sightline.inference.replicas import Scale


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


class ScaleStats(BaseModel):
    """How many copies a model has in the cluster."""

    model: str
    replicas: int
    coming: int
    """Copies that are being started. With none before, frames wait for them, the newest of each stream."""
    least: int
    """Copies at least; 0 where it goes from all machines while nobody needs it."""
    most: int
    trouble: str
    """Why more could not be started, where they are needed; empty otherwise."""


class ClusterStats(BaseModel):
    """The Ray cluster that models run on."""

    models: list[ScaleStats]
    machines: list[MachineStats]
    replicas: list[ReplicaStats]
    problem: str
    """Why this server is no part of it; empty while it is."""


def cluster_stats(pool: ModelPool) -> ClusterStats | None:
    """Return the cluster's machines; None where no model runs on one."""
    models = [_scaled(one, one.scale) for one in pool.models if one.scale is not None]
    if not models:
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
        if one.scale is not None and one.worker.model is not None
        for instance, streams in one.worker.replicas
    ]
    return ClusterStats(models=models, machines=machines, replicas=replicas, problem=pool.link.problem or "")


def _scaled(one: Pooled, scale: Scale) -> ScaleStats:
    worker = one.worker
    loading = worker.model is None and worker.error is None
    return ScaleStats(
        model=one.key.name,
        replicas=0 if worker.model is None else worker.instances,
        coming=worker.instances if loading else scale.coming,
        least=scale.least,
        most=scale.most,
        trouble=worker.failure or scale.trouble,
    )


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
