"""Events as tests make them."""

from __future__ import annotations

import itertools
import os

from msgspec.structs import replace

from sightline.core.events import Event, Phase

_numbers = itertools.count()


def event(id: str = "", phase: Phase = "start", stream: str = "door", **more: object) -> Event:
    """An event with an id that no other has, unless one is given."""
    made = Event(id=id or f"e{os.getpid()}-{next(_numbers)}", stream=stream, phase=phase, kind="zone", at=1000.0, seq=1)
    return replace(made, **more)
