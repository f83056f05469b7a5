"""What is asked of a camera and of its model, and what a picture's bytes grow with."""

from __future__ import annotations

from dataclasses import dataclass

WIDTHS = (320, 480, 640, 960, 1280)
SIZE_BY_WIDTH = 1.4
"""Power of the width as which a JPEG's bytes grow (``bench/pictures.py``: clips 1.3 to 1.4, photos 1.5)."""
SIZE_BY_QUALITY = 1.25
"""A JPEG's bytes are about inverse to this less its quality (0.3 to 0.8: 0.77, 0.89, 1, 1.12, 1.3, 1.6 times those
at 0.5)."""

SIDES = (320, 416, 512, 640, 800, 960, 1280)
"""Sides of a model's input. Its time grows about as the square."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """Settings that are asked of a camera, and of its model."""

    fps: float
    quality: float
    """JPEG quality, 0 to 1."""
    width: int
    """Pixels of the longer side."""
    imgsz: int | None = None
    """Side of the model's input in pixels; None where it is not the controller's to choose."""
    confidence: float | None = None
    """Confidence threshold; None where it is not the controller's to choose."""

    @property
    def camera(self) -> Knobs:
        """The part that is asked of the camera."""
        return Knobs(self.fps, self.quality, self.width)

    def bytes_to(self, other: Knobs) -> float:
        """Ratio of a picture's bytes with the other knobs to those with these, about."""
        by_quality = (SIZE_BY_QUALITY - self.quality) / (SIZE_BY_QUALITY - other.quality)
        return by_quality * float((other.width / self.width) ** SIZE_BY_WIDTH)


LEAST = Knobs(fps=5, quality=0.3, width=WIDTHS[0], imgsz=SIDES[0])
"""Bounds where nobody sets others."""
