"""Bytes of a picture by width, quality and noise, to check the presets and the controller's assumptions.

The pictures are real clips, scaled down, without and with the noise of small sensors in a lit room (2 of 255 levels),
in the evening (5) and in the dark (10), before the camera's own processing.
"""

from __future__ import annotations

import argparse
import itertools
import zipfile
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common import asset, save
from sightline.settings.presets import PRESETS
from sightline.streams.adaptive.knobs import SIZE_BY_WIDTH, WIDTHS

CLIPS = ("bottle-detection", "one-by-one-person-detection", "crowd")
PHOTOS = "photos/photos-1.zip"
NOISE = (0, 2, 5, 10)
Picture = NDArray[np.uint8]


def frames(clip: str, count: int = 24) -> list[Picture]:
    """Frames from all over a clip."""
    reader = cv2.VideoCapture(str(asset(f"videos/{clip}.mp4")))
    total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    found = []
    for at in np.linspace(0, total - 2, count).astype(int):
        reader.set(cv2.CAP_PROP_POS_FRAMES, int(at))
        there, image = reader.read()
        if there:
            found.append(np.asarray(image, np.uint8))
    return found


def photos(count: int = 300) -> list[Picture]:
    """Photos of 320 px."""
    found: list[Picture] = []
    with zipfile.ZipFile(asset(PHOTOS)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".webp")]
        for name in names[:: max(1, len(names) // count)]:
            image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            if image is not None and max(image.shape[:2]) >= 320:
                found.append(np.asarray(image, np.uint8))
    return found


def shrunk(image: Picture, width: int) -> Picture:
    """The picture with a longer side of ``width`` pixels."""
    scale = width / max(image.shape[:2])
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def noisy(image: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    """The picture with noise of this standard deviation, in levels of 255."""
    if not sigma:
        return image
    return np.clip(image + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


def kilobytes(images: list[Picture], width: int, quality: float, sigma: float) -> float:
    """Size of the median picture in KB."""
    rng = np.random.default_rng(1)
    settings = [cv2.IMWRITE_JPEG_QUALITY, round(quality * 100)]
    made = (noisy(shrunk(image, width), sigma, rng) for image in images)
    return median(len(cv2.imencode(".jpg", one, settings)[1]) for one in made) / 1000


def growth(images: list[Picture], widths: tuple[int, ...], quality: float) -> float:
    """Exponent with which bytes grow with the width."""
    sizes = [kilobytes(images, width, quality, 0) for width in widths]
    return float(np.polyfit(np.log(widths), np.log(sizes), 1)[0])


def main() -> None:
    """Measure, print, write bench/results/pictures.json."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    clips = {clip: frames(clip) for clip in CLIPS}
    small = photos()
    presets: list[dict[str, Any]] = []
    print("| preset | noise | " + " | ".join(CLIPS) + " | MB/s at most |\n|" + "---|" * (len(CLIPS) + 3))
    for name, sigma in itertools.product(("mobile", "default"), NOISE):  # the clips are no larger
        preset = PRESETS[name]  # type: ignore[index]
        sizes = [kilobytes(found, preset.width, preset.quality, sigma) for found in clips.values()]
        presets.append({"preset": name, "noise": sigma, "kilobytes": sizes})
        told = " | ".join(f"{size:.0f} KB" for size in sizes)
        print(f"| {name} | {sigma} | {told} | {max(sizes) * preset.fps / 1000:.2f} |", flush=True)
    powers = {clip: growth(found, tuple(w for w in WIDTHS if w <= 640), 0.5) for clip, found in clips.items()}
    powers[f"{len(small)} photos, 160 to 320"] = growth(small, (160, 240, 320), 0.5)
    print("\nbytes grow with the width to the power: " + ", ".join(f"{k} {v:.2f}" for k, v in powers.items()), end="")
    print(f"; assumed {SIZE_BY_WIDTH}")
    print(f"photos at 320, quality 0.5: {kilobytes(small, 320, 0.5, 0):.1f} KB")
    everything = [image for found in clips.values() for image in found]
    base = kilobytes(everything, 640, 0.5, 0)
    by_quality = {q: kilobytes(everything, 640, q, 0) / base for q in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)}
    print("bytes at a quality, of those at 0.5: " + ", ".join(f"{q:g}: {v:.2f}" for q, v in by_quality.items()))
    save("pictures", {"presets": presets, "powers": powers, "by_quality": by_quality})


if __name__ == "__main__":
    main()
