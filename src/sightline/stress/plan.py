"""Plan of a run (streams, rate, duration) and the messages between the processes that carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct

from sightline.core.errors import ConfigError

MOST_STREAMS = 256
"""Maximum number of streams; each is a process."""
MOST_FPS = 240.0
"""Maximum rate that a server can be set to accept of one stream."""
MOST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class StressPlan:
    """One load: ``streams`` publishers that send ``fps`` frames a second each, for ``duration`` seconds."""

    streams: int
    fps: float
    duration: float
    viewers: int = 0
    """Number of viewers of all streams together; viewer i watches stream i modulo ``streams``."""

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("streams", self.streams, 1, MOST_STREAMS),
            ("fps", self.fps, 0.1, MOST_FPS),
            ("duration", self.duration, 1, MOST_SECONDS),
            ("viewers", self.viewers, 0, MOST_STREAMS),
        ):
            if not least <= value <= most:
                raise ConfigError(f"--{name} {value:g}: expected {least:g} to {most:g}")

    @property
    def frames(self) -> int:
        """Number of frames of each stream."""
        return max(1, round(self.fps * self.duration))

    @property
    def offered(self) -> float:
        """Frames per second of all streams together."""
        return self.streams * self.fps

    def schedule(self, index: int) -> Schedule:
        """Schedule of stream ``index``. Streams take turns, so together they are as even as one fast stream."""
        return Schedule(self.fps, self.frames, index / self.streams / self.fps)


class Schedule(Struct, frozen=True):
    """Absolute send times of one stream; a late frame does not move the later ones."""

    fps: float
    frames: int
    phase: float
    """Seconds from the start to the first frame."""

    def due(self, seq: int) -> float:
        """Seconds from the start to frame ``seq``."""
        return self.phase + seq / self.fps


# Messages from the parent


class PublishJob(Struct, tag=True):
    """Request to publish one stream."""

    url: str
    stream: str
    schedule: Schedule
    pictures: str
    """Path of the picture file that all publishers share."""
    ends: list[int]
    """Offset at which each picture in the file ends."""
    first: int
    """Index of the first picture to send."""
    token: str | None = None
    ca: str | None = None


class ViewJob(Struct, tag=True):
    """Request to watch one stream, pictures included."""

    url: str
    stream: str
    token: str | None = None
    ca: str | None = None


class Start(Struct, tag=True):
    """Request to begin at ``at``, in seconds of ``time.monotonic()``, which all processes of a machine share."""

    at: float


class Stop(Struct, tag=True):
    """Request to stop and report."""


Told: TypeAlias = PublishJob | ViewJob | Start | Stop


# Messages from a child. Lists have one entry for each event, in order; ``_s`` means seconds from the start.


class ServerReady(Struct, tag=True):
    """Notice that the child is connected."""


class Failed(Struct, tag=True):
    """Notice that the child could not begin."""

    code: str
    message: str


class Published(Struct, tag=True):
    """Report of a publisher. sent = results + dropped + refused + unanswered."""

    stream: str
    sent_s: list[float]
    late_ms: list[float]
    """Delay in ms of each sent frame, relative to the schedule."""
    result_s: list[float]
    latency_ms: list[float]
    """Time in ms from sending to the result, for each result."""
    server_ms: list[float]
    """The server's part of that latency: from arrival to result, in ms."""
    dropped_s: list[float]
    reused: int
    dropped: dict[str, int]
    refused: dict[str, int]
    """Frames that the server did not take into its ledger, by error."""
    unanswered: int
    twice: int
    """Answers to frames that had one already or were never sent."""
    cpu_s: float
    """CPU time of this process in seconds, counted from the start."""
    error: str = ""
    """Reason why the connection ended early."""


class Viewed(Struct, tag=True):
    """Report of a viewer."""

    stream: str
    seen: int
    skipped: int
    """Number of frames missed between the first and the last one received."""
    latency_ms: list[float]
    """Time in ms from the publisher's sending to the viewer."""
    cpu_s: float
    error: str = ""


Heard: TypeAlias = ServerReady | Failed | Published | Viewed
