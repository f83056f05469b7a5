"""Makes small videos for tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from sightline.core.types import Image

CLOCK = Fraction(1, 1000)


def numbered(number: int, width: int = 64, height: int = 48) -> Image:
    """A picture of 8 upright bars, black or white, that spell its number (below 256): see ``number_of``."""
    bars = np.array([40 + 160 * (number >> bit & 1) for bit in range(8)], np.uint8)
    columns = bars[np.arange(width) * 8 // width]
    return np.ascontiguousarray(np.broadcast_to(columns[None, :, None], (height, width, 3)))


def number_of(image: Image) -> int:
    """The number of a ``numbered`` picture, also after lossy coding."""
    height, width = image.shape[:2]
    row = image[height // 2, :, :].mean(axis=1)
    return sum(int(row[(2 * bit + 1) * width // 16] > 120) << bit for bit in range(8))


def moving(number: int, width: int = 160, height: int = 120) -> Image:
    """A grey room in which a white square walks to the right."""
    image = np.full((height, width, 3), 60, np.uint8)
    x = number * 3 % (width - 40)
    cv2.rectangle(image, (x, 40), (x + 30, 80), (255, 255, 255), cv2.FILLED)
    return image


def write_clip(
    path: Path, images: Iterable[Image], *, times: Iterable[float] | None = None, fps: int = 25, key_every: int = 250
) -> Path:
    """Write an H.264 clip whose frames stand at ``times`` (seconds), or at ``fps``."""
    images = list(images)
    stamps = [i / fps for i in range(len(images))] if times is None else list(times)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "12", "preset": "ultrafast"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = CLOCK
        stream.codec_context.gop_size = key_every
        for image, at in zip(images, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round(at / CLOCK), CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_clip(path: Path) -> tuple[list[float], list[Image]]:
    """Times and pictures of a clip, every frame decoded."""
    with av.open(str(path)) as container:
        frames = [(float(frame.time or 0), frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    return [at for at, _ in frames], [np.asarray(image, np.uint8) for _, image in frames]


BOMBS = {
    "bomb.gif": ("gif", "rgb8", b"GIF89a", struct.pack("<HH", 15000, 15000)),
    "bomb.mov": ("png", "rgb24", b"IHDR", struct.pack(">II", 15000, 15000)),
    "bomb.ivf": ("libvpx", "yuv420p", b"\x9d\x01\x2a", struct.pack("<HH", 15000, 15000)),
}
"""Codec, pixels, what stands before a picture's size, and the size that it shall claim."""


def write_bomb(path: Path) -> Path:
    """A video whose pictures say that they are large. Its name is among ``BOMBS``."""
    codec, pixels, mark, size = BOMBS[path.name]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i in range(3):
            picture = av.VideoFrame.from_ndarray(numbered(i), format="bgr24").reformat(format=pixels)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(mark, at + 1)) >= 0:
        data[at + len(mark) : at + len(mark) + len(size)] = size
        if mark == b"IHDR":
            data[at + 17 : at + 21] = struct.pack(">I", zlib.crc32(data[at : at + 17]))
    path.write_bytes(data)
    return path
