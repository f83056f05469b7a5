"""Data-parallel training: each process makes its own batches, and their gradients are averaged.

On a CPU, one single-threaded process per core beats one process with many threads: convolutions' backward passes spin
while they wait for each other's threads, and wait long when another program takes a core (45 against 200 pictures a
second on two cores of which one was taken).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

PATIENCE = timedelta(hours=2)
"""Time without a message after which a member gives up; a member may be paused or validating for a while."""


@dataclass(frozen=True, slots=True)
class Team:
    """One process's rank in the team. Member 0 decides, validates and saves."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this member decides."""
        return self.rank == 0

    def decide(self, *values: float) -> list[float]:
        """Broadcast member 0's values to everybody."""
        if self.size == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(told, 0)
        return [float(v) for v in told]

    def agree(self, net: nn.Module) -> None:
        """Average the gradients over all members."""
        if self.size == 1:
            return
        grads = [p.grad for p in net.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        flat /= self.size
        for grad, part in zip(grads, torch.split(flat, [g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def copy(self, tensors: list[Tensor]) -> None:
        """Give every member the tensors of member 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)


@contextmanager
def gathered(size: int, work: Callable[..., Any], *arguments: Any) -> Iterator[Team]:
    """Yield member 0 of a team of ``size``; the others run ``work(team, *arguments)`` in processes of their own."""
    if size == 1:
        yield Team()
        return
    context = torch.multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        others = [
            context.Process(target=_member, args=(meeting, rank, size, work, arguments), daemon=True)
            for rank in range(1, size)
        ]
        for process in others:
            process.start()
        _join(meeting, 0, size)
        try:
            yield Team(0, size)
            for process in others:
                process.join()
        finally:
            dist.destroy_process_group()
            for process in others:
                process.terminate()


def _member(meeting: Path, rank: int, size: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _join(meeting, rank, size)
    work(Team(rank, size), *arguments)
    dist.destroy_process_group()


def _join(meeting: Path, rank: int, size: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=size, timeout=PATIENCE)
