"""A frame on its way into a file, with what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import UNSET, Raw, UnsetType

from sightline.core.types import Encoded, Frame, FrameResult, Image
from sightline.media import codecs
from sightline.recordings import lines
from sightline.recordings.mp4 import Copied

NOTHING: tuple[Raw | UnsetType, str] = UNSET, ""


@dataclass(slots=True, eq=False)
class Take:
    """A frame, or a packet, or both where the frame was decoded from it."""

    at: float
    """Seconds since 1970."""
    image: Encoded | Image | None = None
    packet: Copied | None = None
    seq: int | None = None
    result: FrameResult | None = None
    dropped: str = ""
    """Why it has no result."""
    settled: bool = False
    """It is known what became of it."""
    keep: bool = False
    """It is to be recorded; else it waits in memory for something to happen."""
    event: bool = False
    """Something happens while it comes."""
    frame: Frame | None = None
    """The frame whose fate is awaited."""
    came: float = 0.0
    """``time.monotonic()``."""
    said: tuple[Raw | UnsetType, str] = NOTHING
    """Message of the result, and the mask, once ``compact`` has made them."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many of each class were found."""

    def say(self) -> None:
        """Put what is written of the result in place of it. For a thread."""
        result, self.result = self.result, None
        if result is not None:
            self.said = lines.said(result)
            self.counts = Counter(one.class_name for one in result.detections or result.segments)

    def shrink(self) -> None:
        """Hold no pixels: they would fill the memory in which frames wait. For a thread."""
        if self.packet is not None:
            self.image = None
        elif self.image is not None and not isinstance(self.image, Encoded):
            height, width = self.image.shape[:2]
            self.image = Encoded(codecs.encode_jpeg(self.image, 90), width, height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        if self.packet is not None:
            return self.packet.origin.width, self.packet.origin.height
        assert self.image is not None
        if isinstance(self.image, Encoded):
            return self.image.width, self.image.height
        return self.image.shape[1], self.image.shape[0]

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        picture = 0 if self.packet is None else len(self.packet.data)
        if self.image is None:
            return picture
        return picture + (len(self.image.data) if isinstance(self.image, Encoded) else self.image.nbytes)
