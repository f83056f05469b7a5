"""Which hub has a stream. All hubs come to the same answer without asking each other."""

from __future__ import annotations

import hashlib
from collections.abc import Collection


def weight(hub: str, stream: str) -> int:
    """Return how well a stream suits a hub. Neither another hub nor another stream changes that."""
    return int.from_bytes(hashlib.blake2b(f"{hub}\n{stream}".encode(), digest_size=8).digest(), "big")


def owner(stream: str, hubs: Collection[str]) -> str:
    """Return the hub that a stream suits best (rendezvous hashing, Thaler and Ravishankar 1998).

    Where a hub goes only its own streams move, and where one comes only those that move to it.
    """
    return max(hubs, key=lambda hub: (weight(hub, stream), hub))
