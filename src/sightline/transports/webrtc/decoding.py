"""Decoding of received video, in the decoder thread that aiortc makes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import av

from sightline.core.errors import FAULTS, told
from sightline.core.types import Image
from sightline.sources._packets import Awaited, upright
from sightline.transports.webrtc.hooks import EncodedQueue

log = logging.getLogger(__name__)

DECODERS = {"VP8": "vp8", "H264": "h264"}
UNTAKEN = 2
"""Maximum number of decoded pictures waiting for the loop. While it is busy the decoder waits, and the queue before it
gives up encoded pictures."""

Take: TypeAlias = Callable[[Image, int], None]
"""Function called on the loop with H x W x 3 BGR pixels and their RTP time."""


class PictureDecoder:
    """Decodes an EncodedQueue, as its ``run``, and hands the pictures over on the loop."""

    def __init__(self, take: Take, *, max_pixels: int) -> None:
        self._take = take
        self._max_pixels = max_pixels
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(UNTAKEN)
        self._closed = False

    def close(self) -> None:
        """Stop handing pictures over."""
        self._closed = True
        self._room.release()

    def run(self, queue: EncodedQueue) -> None:
        """Decode the queue until it ends. Runs in the thread."""
        name, decoder = "", None
        awaited = Awaited(queue.lose)
        while (item := queue.next()) is not None:
            codec, data, at = item
            if data:
                awaited.sent(at)
            try:
                if decoder is None or codec != name:
                    name, decoder = codec, _decoder(codec, self._max_pixels)
                packet = av.Packet(data)
                packet.pts = at
                pixel = decoder.sample_aspect_ratio
                pictures = [(upright(p, pixel), p.pts) for p in decoder.decode(packet)] if data else []
            except FAULTS as e:  # nobody would start this thread again
                log.debug("a %s picture of %d bytes could not be decoded: %s", codec, len(data), told(e))
                queue.failed()
                continue
            for image, pts in pictures:
                awaited.came(pts)
                self._hand_over(image, pts)
        awaited.end()

    def _hand_over(self, image: Image, at: int) -> None:
        self._room.acquire()
        if not self._closed:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._put, image, at)

    def _put(self, image: Image, at: int) -> None:
        self._room.release()
        if not self._closed:
            self._take(image, at)


def _decoder(codec: str, max_pixels: int) -> Any:
    decoder = av.CodecContext.create(DECODERS[codec.upper()], "r")
    decoder.options = {"max_pixels": str(max_pixels), "flags": "low_delay"}
    decoder.thread_type = "SLICE"  # frame threads would delay pictures
    return decoder
