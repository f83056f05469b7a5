"""Pictures of events: of each happening the frame that shows it best, as it came. For the journal's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from msgspec import Struct, structs

from sightline.core.events import Event
from sightline.core.fence import Fence
from sightline.core.predictions import Detections
from sightline.core.records import Detection
from sightline.core.types import Encoded, Frame, FrameResult
from sightline.media import codecs
from sightline.renderers.base import draw

log = logging.getLogger(__name__)

BETTER = 1.25
"""A frame is better that shows the object this many times as large, or as certain, as the picture does."""
UPDATE_S = 5.0
"""Shortest time between two pictures of a happening, while it lasts."""
MOST = 1024
"""Happenings for which better frames are looked for at a time. Others have the picture of their start."""
MOST_KEPT = 64 << 20
"""Bytes of frames that are kept until they may be written."""
MARGIN = 0.25
"""What a crop shows around the object, on each side, in widths and heights of its box."""
LEAST, LONGEST = 160, 640
"""Pixels of a crop's side, where the picture has as many: at least, and at most."""
DAY_MS = 86_400_000


class EventPicture(Struct, frozen=True):
    """A happening's picture: its size in bytes, and the object in it."""

    size: int
    detection: Detection | None = None
    """None where the event is of no object that was found in this frame."""


@dataclass
class _Lasting:
    """A happening for which a better frame is looked for."""

    start: Event
    score: float
    """How well the picture shows it that was written."""
    written: float
    """When: ``time.monotonic()``."""
    better: tuple[FrameResult, Detection, bytes] | None = None
    """A better frame, which waits for its time or the happening's end."""


class EventPictures:
    """The files, a folder for each day, and what lasts."""

    def __init__(self, folder: Path | None) -> None:
        """``folder``: where they lie; None for no pictures."""
        self._folder = folder
        self._lasting: dict[str, dict[str, _Lasting]] = {}
        """By stream and id."""
        self._fence = Fence(log)
        self._jpeg: tuple[Frame, bytes] | None = None

    @property
    def failing(self) -> str | None:
        """Why pictures can't be written at the moment."""
        return self._fence.failing.get("pictures of events")

    @property
    def watched(self) -> frozenset[str]:
        """Streams in which something lasts that may be seen better."""
        return frozenset(self._lasting)

    def start(self, event: Event, result: FrameResult | None) -> EventPicture | None:
        """Write the picture of a happening that starts."""
        if result is None or self._folder is None or event.id in self._lasting.get(event.stream, {}):
            return None
        found = _object(result, event.track)
        shot = self._write(event, self._jpeg_of(result.frame), found)
        if shot is not None and event.track is not None and sum(map(len, self._lasting.values())) < MOST:
            lasting = _Lasting(event, _score(found), time.monotonic())
            self._lasting.setdefault(event.stream, {})[event.id] = lasting
        return shot

    def drop(self, stream: str, id: str, number: int) -> None:
        """Remove the picture of a happening, and look for no better one."""
        self._pop(stream, id)
        self.remove([number])

    def end(self, event: Event) -> EventPicture | None:
        """Write the best picture of a happening that ends, where it is not the one that it has."""
        lasting = self._pop(event.stream, event.id)
        if lasting is None or lasting.better is None:
            return None
        _, found, jpeg = lasting.better
        return self._write(lasting.start, jpeg, found)

    def _pop(self, stream: str, id: str) -> _Lasting | None:
        lasting = self._lasting.get(stream, {}).pop(id, None)
        if not self._lasting.get(stream, True):
            del self._lasting[stream]
        return lasting

    def look(self, results: Iterable[FrameResult]) -> Iterator[tuple[Event, EventPicture]]:
        """Look whether what lasts is seen better in these frames, and write what is due. Yields its updates."""
        for result in results:
            lasting = self._lasting.get(result.frame.stream, {})
            by_track = {row.tracker_id: row for row in result.detections if row.tracker_id is not None}
            for one in lasting.values():
                row = None if one.start.track is None else by_track.get(one.start.track)
                waiting = 0.0 if one.better is None else _score(one.better[1])
                if row is not None and _score(row) > max(BETTER * one.score, waiting):
                    self._keep(one, result, row)
                if one.better is not None and time.monotonic() - one.written > UPDATE_S:
                    yield from self._update(one)

    def _keep(self, one: _Lasting, result: FrameResult, row: Detection) -> None:
        kept = {id(other.better[2]): len(other.better[2]) for other in self._all() if other.better is not None}
        with self._fence.around("pictures of events"):
            jpeg = self._jpeg_of(result.frame)
            if id(jpeg) in kept or sum(kept.values()) + len(jpeg) <= MOST_KEPT:
                one.better = result, row, jpeg

    def _all(self) -> Iterator[_Lasting]:
        return (one for lasting in self._lasting.values() for one in lasting.values())

    def _update(self, one: _Lasting) -> Iterator[tuple[Event, EventPicture]]:
        assert one.better is not None
        result, row, jpeg = one.better
        one.better, one.written = None, time.monotonic()
        shot = self._write(one.start, jpeg, row)
        if shot is not None:
            one.score = _score(row)
            at, seq = result.frame.captured_at, result.frame.seq
            yield (
                structs.replace(one.start, phase="update", at=at, seq=seq, box=row.xyxy, class_name=row.class_name),
                shot,
            )

    def _jpeg_of(self, frame: Frame) -> bytes:
        """Return a frame as JPEG: the camera's own, or made once for all who want it now. Raises BadImage."""
        if isinstance(frame.image, Encoded):
            return codecs.whole(frame.image)
        if self._jpeg is None or self._jpeg[0] is not frame:
            self._jpeg = frame, codecs.encode_jpeg(frame.image, frame.quality)
        return self._jpeg[1]

    # Files

    def _write(self, start: Event, jpeg: bytes, found: Detection | None) -> EventPicture | None:
        path = self._path(start.number)
        if path is None:
            return None
        with self._fence.around("pictures of events"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_name("new")  # one at a time: whoever reads has the old one or the new one, whole
            new.write_bytes(jpeg)
            new.replace(path)
            return EventPicture(len(jpeg), found)
        return None

    def read(self, number: int) -> bytes | None:
        """Return the picture of the happening whose start has this number. For any thread."""
        path = self._path(number)
        if path is not None:
            with suppress(FileNotFoundError):
                return path.read_bytes()
        return None

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove the pictures of happenings."""
        for number in numbers:
            path = self._path(number)
            if path is not None:
                path.unlink(missing_ok=True)
                with suppress(OSError):  # others of that day are there
                    path.parent.rmdir()

    def _path(self, number: int) -> Path | None:
        return None if self._folder is None else self._folder / str(number // DAY_MS) / f"{number}.jpg"


def address(event: Event) -> str:
    """Return the path of an event's picture on the server."""
    return f"/api/events/{quote(event.id, safe='')}/picture.jpg"


def _object(result: FrameResult, track: int | None) -> Detection | None:
    return None if track is None else next((row for row in result.detections if row.tracker_id == track), None)


def _score(row: Detection | None) -> float:
    if row is None:
        return 0.0
    x1, y1, x2, y2 = row.xyxy
    return row.confidence * max(0.0, x2 - x1) * max(0.0, y2 - y1)


def crop(jpeg: bytes, shown: Detection | None, box: tuple[float, float, float, float] | None) -> bytes:
    """Cut the object out of a picture, with a margin, and draw its box and name. Without one, the whole, smaller.

    ``shown``: the object. ``box``: where it was, where ``shown`` is None. Raises BadImage. Touches pixels: not for the
    event loop.
    """
    image = codecs.decode(codecs.check_jpeg(jpeg, max_pixels=1 << 28))
    where = box if shown is None else shown.xyxy
    if where is None:
        return codecs.encode_jpeg(codecs.shrink(image, LONGEST))
    height, width = image.shape[:2]
    left, right = _sides(where[0], where[2], width)
    top, bottom = _sides(where[1], where[3], height)
    cut = np.ascontiguousarray(image[top:bottom, left:right])
    small = codecs.shrink(cut, LONGEST)
    if shown is not None:
        scale = small.shape[1] / cut.shape[1]
        xyxy = (np.array([shown.xyxy], np.float32) - np.array([left, top] * 2, np.float32)) * scale
        row = Detections(xyxy, np.array([shown.confidence], np.float32), np.array([shown.class_id], np.int32))
        small = draw(small, row, ("",) * shown.class_id + (shown.class_name,), mode="boxes")
    return codecs.encode_jpeg(small)


def _sides(low: float, high: float, most: int) -> tuple[int, int]:
    """Return where a crop begins and ends, inside a picture of so many pixels."""
    margin = max(MARGIN * (high - low), (LEAST - (high - low)) / 2)
    begin, end = round(low - margin), round(high + margin)
    begin = max(0, min(begin, most - LEAST))
    return begin, max(begin + 1, min(most, max(end, begin + LEAST)))
