"""Where a worker gets frames from, and where it hands over what becomes of them."""

from __future__ import annotations

from typing import Protocol

from sightline.core.types import Frame, FrameResult
from sightline.inference.place import Request


class Feed(Protocol):
    """A stream as the worker sees it. Every frame taken comes back by exactly one of the four last calls."""

    @property
    def name(self) -> str:
        """The stream's name."""
        ...

    @property
    def priority(self) -> int:
        """Feeds of a higher priority come first."""
        ...

    def take(self) -> Request | None:
        """Hand over the waiting frame; None if the publisher left with it."""
        ...

    def deliver(self, result: FrameResult) -> None:
        """A frame's result."""
        ...

    def fail(self, frame: Frame, message: str) -> None:
        """No result could be made of a frame."""
        ...

    def give_back(self, frame: Frame) -> None:
        """The worker stopped before it began the frame."""
        ...

    def put_back(self, frame: Frame) -> bool:
        """The frame's place is out: it waits again if no newer one does. Returns whether it waits."""
        ...
