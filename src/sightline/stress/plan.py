"""What is to be done: how many streams, how fast, how long; and what goes between the processes that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct

from sightline.core.errors import ConfigError

MOST_STREAMS = 256
"""Each is a process."""
MOST_FPS = 240.0
"""What a server can be told to take of one stream."""
MOST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One load: ``streams`` publishers of ``fps`` frames a second each, for ``duration`` seconds."""

    streams: int
    fps: float
    duration: float
    viewers: int = 0
    """Of all streams together: viewer i looks at stream i modulo ``streams``."""

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
        """Of each stream."""
        return max(1, round(self.fps * self.duration))

    @property
    def offered(self) -> float:
        """Frames a second of all streams."""
        return self.streams * self.fps

    def schedule(self, index: int) -> Schedule:
        """When stream ``index`` sends. Streams take turns: together they are as even as one fast one."""
        return Schedule(self.fps, self.frames, index / self.streams / self.fps)


class Schedule(Struct, frozen=True):
    """Absolute times, so that a late frame does not move the later ones."""

    fps: float
    frames: int
    phase: float
    """Seconds from the start to the first frame."""

    def due(self, seq: int) -> float:
        """Seconds from the start to frame ``seq``."""
        return self.phase + seq / self.fps


# What the parent tells


class PublishJob(Struct, tag=True):
    """Publish one stream."""

    url: str
    stream: str
    schedule: Schedule
    pictures: str
    """The path of the file that all publishers share."""
    ends: list[int]
    """Where each picture in it ends."""
    first: int
    """The picture to begin with."""
    token: str | None = None
    ca: str | None = None


class ViewJob(Struct, tag=True):
    """Look at one stream, pictures included."""

    url: str
    stream: str
    token: str | None = None
    ca: str | None = None


class Start(Struct, tag=True):
    """Begin at ``at``, seconds of ``time.monotonic()``, which all processes of a machine share."""

    at: float


class Stop(Struct, tag=True):
    """Tell what you have seen."""


Told: TypeAlias = PublishJob | ViewJob | Start | Stop


# What a child tells. Lists have one entry an event, in the order of the events; ``_s`` is seconds from the start.


class Ready(Struct, tag=True):
    """Connected."""


class Failed(Struct, tag=True):
    """Could not begin."""

    code: str
    message: str


class Published(Struct, tag=True):
    """What a publisher saw. sent = results + dropped + refused + unanswered."""

    stream: str
    sent_s: list[float]
    late_ms: list[float]
    """How much later than planned each frame was sent."""
    result_s: list[float]
    latency_ms: list[float]
    """From sending to the result, of each result."""
    server_ms: list[float]
    """The server's part of it: from arrival to result."""
    dropped_s: list[float]
    reused: int
    dropped: dict[str, int]
    refused: dict[str, int]
    """Frames that the server did not take into its ledger, by error."""
    unanswered: int
    twice: int
    """Answers to frames that had one already, or were never sent."""
    cpu_s: float
    """CPU time of this process, from the start on."""
    error: str = ""
    """Why the connection ended early."""


class Viewed(Struct, tag=True):
    """What a viewer saw."""

    stream: str
    seen: int
    skipped: int
    """Frames between the first and the last that it did not get."""
    latency_ms: list[float]
    """From the publisher's sending to here."""
    cpu_s: float
    error: str = ""


Heard: TypeAlias = Ready | Failed | Published | Viewed
