"""What a picture shows, whatever its light: where its edges are, and which way they run. Knows no streams."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Grey: TypeAlias = "NDArray[np.uint8]"
Floats: TypeAlias = "NDArray[np.float32]"
Edges: TypeAlias = "NDArray[np.complex64]"

LONGEST = 64
"""Cells of the longer side: so many whatever the picture's size, as a camera may be asked for another."""
FINE, COARSE = 1.0, 4.0
"""Cells of the two blurs whose difference is looked at: what is smaller is noise, what is wider is light."""
AROUND = 3.0
"""Cells about each over which edges are made equally strong."""
NOISE = 0.3
"""Slope in grey levels a cell that is no edge: what is left of a sensor's noise."""
BLOCK = 8
"""Cells of a block's side."""
TELLING = 0.1
"""Mean square of a block's lasting edges from which it can tell whether the scene is the same."""
INTACT, SIMILAR = 0.8, 0.7
"""Fit from which a block shows what it showed, and from which it may. Of blocks of unrelated pictures about one in a
hundred fits by chance as well as the one, and one in ten as well as the other."""
FLAT, VEILED = 0.12, 0.05
"""Share of the usual energy below which little is left of a block, and next to nothing."""
MOST_SHIFT = 0.4
"""Largest shift that is looked for, in longer sides of the picture: beyond it too little is left to be compared."""


class Structure(NamedTuple):
    """A picture's edges."""

    edges: Edges
    """H x W. The angle is twice that of the edge, so that light on dark and dark on light are the same (infrared turns
    some of them round); the length is about 1 at an edge, in the dark as in the light."""
    energy: Floats
    """H x W: squares of the slopes in grey levels a cell."""
    detail: Floats
    """H x W: squares of what is no wider than a cell. What lies close to the lens, out of focus, has none."""
    light: float
    """Mean grey level."""


class Match(NamedTuple):
    """How well a picture fits what was there. All but the first are of the blocks in which that can be told."""

    telling: float
    """Share of the blocks in which there was something to be compared."""
    kept: float
    """Mean fit, from -1 to 1: 1 if all edges are where they were, about 0 if none is."""
    intact: float
    """Share that shows what it showed."""
    similar: float
    """Share that may."""
    flat: float
    """Share in which there is little detail."""
    veiled: float
    """Share in which there is next to nothing, though it is not dark."""


class Shift(NamedTuple):
    """Where in the picture the scene is now."""

    far: float
    """To a side or up or down, whichever is more, in longer sides of the picture."""
    fits: float
    """How well it fits there."""


def structure(picture: Grey, size: tuple[int, int]) -> Structure:
    """Return the edges of a picture of this width and height, of which one grey value for each 8 x 8 pixels is given.

    The last row and column may reach beyond it.
    """
    scale = LONGEST * 8 / max(size)
    rows, columns = (max(BLOCK, round(n * scale)) for n in picture.shape)
    ways = cv2.INTER_AREA if scale <= 1 else cv2.INTER_LINEAR
    grey = cv2.resize(picture.astype(np.float32), (columns, rows), interpolation=ways)
    grey = grey[: max(BLOCK, round(size[1] * scale / 8)), : max(BLOCK, round(size[0] * scale / 8))]
    wide = np.pad(grey, BLOCK, mode="reflect", reflect_type="odd")  # a slope of the light has no edge at the border
    wide = cv2.GaussianBlur(wide, (0, 0), FINE) - cv2.GaussianBlur(wide, (0, 0), COARSE)
    across, down = (
        cv2.Sobel(wide, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8)[BLOCK:-BLOCK, BLOCK:-BLOCK] for x in (1, 0)
    )
    energy = across * across + down * down
    usual = np.sqrt(cv2.GaussianBlur(energy, (0, 0), AROUND)) + NOISE
    doubled = (across + 1j * down) ** 2 / (np.sqrt(energy) + 1e-3)
    detail = (grey - cv2.GaussianBlur(grey, (0, 0), FINE)) ** 2
    return Structure((doubled / usual).astype(np.complex64), energy, detail, float(grey.mean()))


class Scene:
    """The mean structure of pictures: what moves averages out, what stays is the scene."""

    def __init__(self, first: Structure) -> None:
        self.pictures = 1
        self.mean = first

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells down and across."""
        return self.mean.edges.shape

    def add(self, seen: Structure, weight: float | None = None) -> None:
        """Take in another picture. ``weight``: its share of the mean; without it all have the same."""
        self.pictures += 1
        new = np.float32(1 / self.pictures if weight is None else weight)
        self.mean = Structure(
            self.mean.edges + new * (seen.edges - self.mean.edges),
            self.mean.energy + new * (seen.energy - self.mean.energy),
            self.mean.detail + new * (seen.detail - self.mean.detail),
            self.mean.light + float(new) * (seen.light - self.mean.light),
        )

    def match(self, seen: Structure) -> Match:
        """Compare a picture of the same shape."""
        common = _blocks((np.conj(self.mean.edges) * seen.edges).real)
        mine, its = _blocks(np.abs(self.mean.edges) ** 2), _blocks(np.abs(seen.edges) ** 2)
        telling = mine >= TELLING * _cells(*self.shape)
        if not telling.any():
            return Match(0.0, 1.0, 1.0, 1.0, 0.0, 0.0)
        fits = (common / np.sqrt(mine * its + 1e-9))[telling]
        flat = (_blocks(seen.detail) < FLAT * _blocks(self.mean.detail))[telling]
        veiled = (_blocks(seen.energy) < VEILED * _blocks(self.mean.energy))[telling]
        veiled &= seen.light > self.mean.light / 2
        shares = fits, fits >= INTACT, fits >= SIMILAR, flat, veiled
        return Match(float(telling.mean()), *(float(share.mean()) for share in shares))

    def shift(self, seen: Structure) -> Shift:
        """Return where in a picture of the same shape the scene is."""
        height, width = self.shape
        padded, longest = (2 * height, 2 * width), max(height, width)
        whole = np.fft.fft2(np.ones(self.shape), padded)
        mine, its = (np.fft.fft2(np.abs(one.edges) ** 2, padded) for one in (self.mean, seen))
        one, other = np.fft.fft2(self.mean.edges, padded), np.fft.fft2(seen.edges, padded)
        both = np.fft.ifft2(np.conj(mine) * whole).real * np.fft.ifft2(np.conj(whole) * its).real
        fits = np.fft.ifft2(np.conj(one) * other).real / np.sqrt(np.maximum(both, 1.0))
        down, across = np.fft.fftfreq(padded[0], 1 / padded[0]), np.fft.fftfreq(padded[1], 1 / padded[1])
        near = np.minimum(MOST_SHIFT * longest, np.array(self.shape) / 2)
        fits[np.abs(down) > near[0]] = -1
        fits[:, np.abs(across) > near[1]] = -1
        y, x = np.unravel_index(int(np.argmax(fits)), padded)
        return Shift(float(max(abs(across[x]), abs(down[y]))) / longest, float(fits[y, x]))


def _blocks(cells: NDArray[np.float32]) -> Floats:
    """Return the sums over blocks of about BLOCK x BLOCK cells."""
    down, across = map(_starts, cells.shape)
    return np.asarray(np.add.reduceat(np.add.reduceat(cells, down, 0), across, 1), np.float32)


@lru_cache
def _starts(length: int) -> NDArray[np.intp]:
    """Return where the blocks begin on a side of so many cells."""
    return np.linspace(0, length, max(1, round(length / BLOCK)) + 1).astype(np.intp)[:-1]


@lru_cache
def _cells(rows: int, columns: int) -> Floats:
    """Return how many cells each block has."""
    return _blocks(np.ones((rows, columns), np.float32))
