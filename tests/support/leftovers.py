"""What a server holds of the system, and whether peers that are gone have left any of it."""

from __future__ import annotations

from typing import NamedTuple, Self

import psutil

from support.serving import Running

FEW = 5
"""Threads that may be new: a pool may not have been full yet. One of each peer would be more."""


class Held(NamedTuple):
    """What a server holds now."""

    descriptors: int
    threads: int

    @classmethod
    def by(cls, server: Running) -> Self:
        process = psutil.Process(server.process.pid)
        return cls(process.num_fds(), process.num_threads())

    def like(self, before: Held) -> bool:
        """True if no more is held than before."""
        return self.descriptors <= before.descriptors and self.threads < before.threads + FEW
