"""The part of the ``[cluster]`` table about machines that models run on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

PlaceName: TypeAlias = Literal["process", "thread", "ray"]
ADDRESS = r"^(auto|(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?)$"
PORT = 6379
"""Ray's own, where an address names none."""


class ClusterMachines(BaseModel):
    """How models run on the machines of a Ray cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[str, Field(pattern=ADDRESS)] | None = None
    """``auto``: the cluster that this machine has started or joined. Else its head: HOST or HOST:PORT."""
    token_file: Path | None = None
    """File with the cluster's token; None for the one that ``sightline cluster`` keeps in the data folder."""
    replicas_min: int = Field(1, ge=0, le=1024)
    """Replicas of a model at least; 0 lets it go from all machines while no stream has frames for it."""
    replicas_max: int = Field(4, ge=1, le=1024)
    """Replicas of a model at most."""
    cpus: float = Field(1, gt=0, le=1024)
    """Cores that Ray sets apart for a replica."""
    gpus: float = Field(0, ge=0, le=64)
    """Graphics cards that Ray sets apart for a replica; with any, models run on ``cuda:0`` there."""
    labels: dict[str, str] = Field({}, max_length=16)
    """Labels that a machine must have to get a replica."""
