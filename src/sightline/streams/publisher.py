"""A stream's publisher, and the limits of what is taken of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from sightline.core.errors import BadImage, TooLarge
from sightline.core.metrics import TokenBucket
from sightline.core.types import Frame, FrameResult
from sightline.wire.messages import Adapt, SettingsMessage, SettingsRefused, Status

DropReason: TypeAlias = Literal["replaced", "unwatched", "rate", "closed"]
"""replaced: a newer frame came first. unwatched: nobody wants results. rate: above max_fps. closed: the end came.
The ledger knows more, of pictures that never became frames. late: skipped, as this machine could not keep up.
adapted: fewer were asked for. undecodable: lost in decoding. bad_image: no JPEG that is read. too_large: over a limit.
"""


class Publisher:
    """A peer that feeds a stream, as the stream sees it. This base does nothing with what it is told.

    Each picture is answered by exactly one call of ``answer``, ``drop``, ``fail`` and ``refuse``. All calls come on the
    event loop.
    """

    wants_results = False
    """True if the peer itself wants results, so that the stream is inferred though nobody watches."""
    session = ""
    """A secret of the peer's, by which it takes its stream over from its own last connection."""
    hidden = False
    """True while its page is in the background. It sends nothing there, and may be cut off before it comes back."""
    pulled = False
    """True if the server itself reads the source, so that nobody else can be the stream's camera."""

    def answer(self, result: FrameResult) -> None:
        """The frame's result."""

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """The frame was dropped."""

    def refuse(self, seq: int, error: BadImage | TooLarge) -> None:
        """The picture with that number could not be taken. The session goes on."""

    def fail(self, frame: Frame, message: str) -> None:
        """Decoding or the model failed on the frame."""

    def tell(self, status: Status) -> None:
        """The model became ready, or no longer is."""

    def ask(self, message: Adapt) -> None:
        """Send other pictures from now on."""

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """Say what the frames are processed with from now on, or why that did not change."""

    def lost(self) -> bool:
        """True if the peer seems to be gone, though nothing has said so: then it gives way to any other."""
        return False

    def close(self, reason: str) -> None:
        """End the session and tell the peer why."""


class StreamLimits:
    """Limits of what a stream takes of the server."""

    def __init__(self, priority: int = 0, max_fps: float | None = None) -> None:
        self.priority, self.max_fps = priority, max_fps
        self._bucket = None if max_fps is None else TokenBucket(max_fps)

    def let_pass(self) -> bool:
        """Count a frame; False where it is one too many."""
        return self._bucket is None or self._bucket.take()
