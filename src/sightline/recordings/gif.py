"""Animated GIF: small, and with colours of its own for each picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sightline.core.types import Image
from sightline.media import codecs

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer
    from av.filter import Graph
    from av.video.stream import VideoStream

LARGEST = 480
"""Pixels of the longer side."""
RATE = 10
"""Pictures a second, at most."""
MOST_S = 30.0
"""Longest one."""
CLOCK = Fraction(1, 100)
"""Unit in which a GIF tells times."""
COLOURS = "stats_mode=single"
DITHER = "new=1:dither=bayer:bayer_scale=4"


class Gif:
    """A GIF file that is being written. It holds one picture at a time."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._container: OutputContainer | None = None
        self._begun = 0.0
        self._last = -1

    def add(self, picture: Image, at: float) -> None:
        """Add a picture at its time; the first sets the size. Raises OSError or av.FFmpegError."""
        import av

        small = codecs.shrink(picture, LARGEST)
        container = self._container or self._begin(small, at)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(small), format="bgr24")
        frame = frame.reformat(width=self._stream.width, height=self._stream.height, format="rgb24")
        frame.pts = self._last = max(round((at - self._begun) / CLOCK), self._last + 1)
        frame.time_base = CLOCK
        self._graph.push(frame)
        self._take(container)

    def close(self) -> None:
        """Complete the file. Raises as ``add`` does."""
        if self._container is None:
            return
        container, self._container = self._container, None
        with container:
            self._graph.push(None)
            self._take(container)
            for packet in self._stream.encode(None):
                container.mux(packet)

    def _begin(self, picture: Image, at: float) -> OutputContainer:
        import av
        from av.filter import Graph
        from av.video.stream import VideoStream

        height, width = picture.shape[:2]
        self._begun = at
        container = self._container = av.open(str(self._target), "w", format="gif")
        stream = container.add_stream("gif", rate=100)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
        self._stream: VideoStream = stream
        self._graph: Graph = Graph()
        came = self._graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=CLOCK)
        split, palette = self._graph.add("split"), self._graph.add("palettegen", COLOURS)
        paint, out = self._graph.add("paletteuse", DITHER), self._graph.add("buffersink")
        came.link_to(split)
        split.link_to(paint, 0, 0)
        split.link_to(palette, 1, 0)
        palette.link_to(paint, 0, 1)
        paint.link_to(out)
        self._graph.configure()
        return container

    def _take(self, container: OutputContainer) -> None:
        """Write what the filters gave."""
        import av

        while True:
            try:
                frame: VideoFrame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            for packet in self._stream.encode(frame):
                container.mux(packet)
