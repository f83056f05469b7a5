"""Video encoded by the server: each picture of a stream is encoded once per codec, look and size, for all viewers."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import cv2
import numpy as np

from sightline.core.fence import Fence
from sightline.core.types import FrameResult, Image
from sightline.media import codecs
from sightline.renderers.base import draw
from sightline.streams.rendering import MOST_LOOKS, Look

if TYPE_CHECKING:
    from av import Packet

log = logging.getLogger(__name__)

T = TypeVar("T")
Size: TypeAlias = tuple[int, int]
"""Width and height."""

CLOCK = 90000
MAX_SIDE = 1280
"""Maximum longer side in pixels, the limit of H.264 level 3.1, which every viewer can decode."""
KEY_S = 0.3
"""Minimum interval in seconds between keyframes that viewers ask for."""
THREADS = 2
_numbers = itertools.count()


Pack: TypeAlias = "Callable[[Packet[Any]], T]"
"""Makes of a packet what is sent. It is called in the encoder's thread, with one packet after the other."""


@dataclass(frozen=True, slots=True)
class Picture(Generic[T]):
    """One encoded picture."""

    number: int
    key: bool
    data: T
    """What ``Pack`` made of it."""
    at: int
    """Its time in 1/90000 s, with any origin."""


class Encoders(Generic[T]):
    """The encoders in use, and the threads that run them. Used on the loop only."""

    def __init__(self, kbps: int, pack: Callable[[str], Pack[T]]) -> None:
        """``pack``: makes a new ``Pack`` for a codec."""
        self._kbps = kbps
        self._pack = pack
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="video")
        self._used: dict[tuple[str, Look | None, str, Size | None], tuple[Encoder[T], int]] = {}

    def has_room(self, stream: str, look: Look | None, codec: str, size: Size | None = None) -> bool:
        """Return True if the stream has this encoder already, or may have one more, which takes megabytes."""
        used = self._used.keys()
        return (stream, look, codec, size) in used or sum(key[0] == stream for key in used) < MOST_LOOKS

    def join(self, stream: str, look: Look | None, codec: str, size: Size | None = None) -> Encoder[T]:
        """Join the encoder of a stream's pictures, drawn by ``look`` or as they are. Call ``leave`` in the end.

        ``size``: even sides that all pictures get, whatever size they come in; None for their own.
        """
        key = (stream, look, codec, size)
        made = self._used.get(key) or (Encoder(codec, look, self._kbps, self._pool, self._pack(codec), size), 0)
        encoder, users = made
        self._used[key] = encoder, users + 1
        encoder.want_key()
        return encoder

    def leave(self, stream: str, look: Look | None, codec: str, size: Size | None = None) -> None:
        """Leave an encoder, which ends with its last user."""
        key = (stream, look, codec, size)
        encoder, users = self._used.pop(key)
        if users > 1:
            self._used[key] = encoder, users - 1

    def close(self) -> None:
        """End the threads, without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Encoder(Generic[T]):
    """Encoder of one stream with one codec, one look and one size."""

    def __init__(
        self,
        codec: str,
        look: Look | None,
        kbps: int,
        pool: ThreadPoolExecutor,
        pack: Pack[T],
        size: Size | None = None,
    ) -> None:
        self._codec, self._look, self._kbps, self._pool = codec, look, kbps, pool
        self._pack, self._size = pack, size
        self._key = "video", next(_numbers)
        self._video: Any = None
        self._wants_key = True
        self._key_at = 0.0
        self._turn: asyncio.Future[Picture[T] | None] | None = None
        self._number = 0
        self._at = -1
        self._received_at = 0.0
        self._fence = Fence(log)

    def want_key(self) -> None:
        """Make a keyframe as soon as KEY_S has passed since the last one."""
        self._wants_key = True

    async def encode(self, result: FrameResult) -> Picture[T] | None:
        """Encode the frame of a result. None if a newer one was encoded already, or if encoding failed."""
        made = result.once(self._key, partial(self._begin, result))
        if made is None:
            return None
        return await asyncio.shield(made)  # a viewer that leaves must not cancel the others' picture

    def _begin(self, result: FrameResult) -> asyncio.Future[Picture[T] | None] | None:
        if result.frame.received_at <= self._received_at:
            return None
        self._received_at = result.frame.received_at
        self._turn = asyncio.ensure_future(self._after(self._turn, result))
        return self._turn

    async def _after(self, turn: asyncio.Future[Picture[T] | None] | None, result: FrameResult) -> Picture[T] | None:
        """Encode after the earlier picture, on which this one builds."""
        if turn is not None:
            await asyncio.wait([turn])
        now = time.monotonic()
        key = self._wants_key and now - self._key_at >= KEY_S
        if key:
            self._wants_key, self._key_at = False, now
        picture = await asyncio.get_running_loop().run_in_executor(self._pool, self._whole, result, key)
        self._wants_key |= self._video is None
        return picture

    # In a thread

    def _whole(self, result: FrameResult, key: bool) -> Picture[T] | None:
        """Encode, or return None: the next picture then starts with a new encoder."""
        with self._fence.around(f"encoding as {self._codec}", f"stream {result.frame.stream}: "):
            return self._encode(result, key)
        self._video = None
        return None

    def _encode(self, result: FrameResult, key: bool) -> Picture[T] | None:
        import av

        image = codecs.decode(result.frame.image)
        if self._look is not None:
            opacity = None if self._look.opacity is None else self._look.opacity / 100
            image = draw(image, result.prediction, result.card.labels, mode=self._look.mode, opacity=opacity)
        if self._size is not None:
            image = fitted(image, self._size)
        frame = av.VideoFrame.from_ndarray(_planes(image), format="yuv420p")
        if self._video is None or (self._video.width, self._video.height) != (frame.width, frame.height):
            self._video = _video(self._codec, frame.width, frame.height, self._kbps)
            key = True
        self._at = max(self._at + 1, round(result.frame.received_at * CLOCK))
        frame.pts, frame.time_base = self._at, Fraction(1, CLOCK)
        if key:
            frame.pict_type = av.video.frame.PictureType.I
        packets = self._video.encode(frame)
        if not packets:
            return None
        (packet,) = packets
        self._number += 1
        return Picture(self._number, packet.is_keyframe, self._pack(packet), self._at)


def even_size(size: Size) -> Size:
    """Return the size in which a picture of this one is encoded: even sides of at most ``MAX_SIDE``."""
    width, height = size
    shrink = min(1.0, MAX_SIDE / max(width, height))
    return max(2, round(width * shrink) & ~1), max(2, round(height * shrink) & ~1)


def fitted(image: Image, size: Size) -> Image:
    """Return a picture in this size, with black beside it where it has another shape."""
    height, width = image.shape[:2]
    if (width, height) == size or even_size((width, height)) == size:
        return image
    scale = min(size[0] / width, size[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    whole[top : top + inner[1], left : left + inner[0]] = small
    return whole


def _planes(image: Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture as YUV 4:2:0 planes with even sides of at most ``MAX_SIDE``."""
    height, width = image.shape[:2]
    even = even_size((width, height))
    if max(width, height) > MAX_SIDE:
        image = cv2.resize(image, even, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    elif even != (width, height):
        image = np.ascontiguousarray(image[: even[1], : even[0]])
    return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)


def _video(codec: str, width: int, height: int, kbps: int) -> Any:
    import av

    video = av.CodecContext.create("libx264" if codec == "H264" else "libvpx", "w")
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.time_base, video.framerate = Fraction(1, CLOCK), Fraction(30, 1)
    video.gop_size = 3000  # keyframes are made when a viewer asks for one
    video.thread_count = 1
    rate = {"maxrate": f"{kbps}k", "bufsize": f"{kbps // 4}k"}
    if codec == "H264":
        # Constant quality takes fewer bits where less moves, and never more than the limit.
        fast = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "level": "31"}
        video.options = {**fast, **rate, "crf": "24"}
        video.profile = "Baseline"
    else:
        video.bit_rate = kbps * 1000
        video.qmin, video.qmax = 4, 56
        quick = {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0", "static-thresh": "1"}
        video.options = {**quick, "maxrate": f"{kbps}k", "bufsize": f"{kbps}k", "undershoot-pct": "100"}
    return video
