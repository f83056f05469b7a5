"""Memory that a server and the process of a model both see. Pixels are put there, as they are too many to be sent."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Image


class SharedPixels:
    """Pixels of one batch. It has no name in the system, so nothing is left over, whoever dies."""

    def __init__(self, fd: int) -> None:
        """``fd``: from ``make``, or inherited from who made it. It is closed with ``close``."""
        self.fd = fd
        self._view: NDArray[np.uint8] = np.zeros(0, np.uint8)

    @classmethod
    def make(cls) -> SharedPixels:
        """Return new ones, empty."""
        if sys.platform == "linux":
            return cls(os.memfd_create("sightline-pixels"))
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def put(self, images: Sequence[Image]) -> list[int]:
        """Copy pictures in, in place of those before, and return where each begins. Not for the event loop."""
        ends = np.cumsum([image.nbytes for image in images]).tolist()
        if ends[-1] > len(self._view):
            os.ftruncate(self.fd, ends[-1])
            self._map(ends[-1])
        for image, end in zip(images, ends, strict=True):
            self._view[end - image.nbytes : end].reshape(image.shape)[:] = image
        return [end - image.nbytes for image, end in zip(images, ends, strict=True)]

    def at(self, offset: int, width: int, height: int) -> Image:
        """Return the picture that begins there. It is valid until the next ``put``."""
        end = offset + width * height * 3
        if end > len(self._view):
            self._map(os.fstat(self.fd).st_size)
        return self._view[offset:end].reshape(height, width, 3)

    def close(self) -> None:
        """Give the memory back once nothing looks at it any more. Safe to call twice."""
        self._view = self._view[:0].copy()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _map(self, size: int) -> None:
        self._view = np.frombuffer(mmap.mmap(self.fd, size), np.uint8)
