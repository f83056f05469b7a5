"""How often it is told rightly, and wrongly, that a camera was covered or moved.

python bench/scenes.py [--assets DIR] [--seeds 3] [--photos 0]

The made cases of tests/support/scenes.py, with numbers by chance, happen to cameras that see real clips (and, with
``--photos``, photos, as scenes in which nothing moves). One line a case: how often it was told as it should be.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from sightline.core.types import Image
from support.scenes import CHANGED, LEARNT, cases, clip, noisy, told


def photos(path: Path, count: int) -> Iterator[tuple[Image, ...]]:
    """Yield photos with a sensor's noise, as clips."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".webp")]
        for n in range(0, len(names), max(1, len(names) // max(1, count))):
            data = np.frombuffer(io.BytesIO(archive.read(names[n])).getvalue(), np.uint8)
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)
            if image is not None and image.shape[1] > image.shape[0]:
                large = np.asarray(cv2.resize(image, (768, 432), interpolation=cv2.INTER_CUBIC), np.uint8)
                random = np.random.default_rng(n)
                yield tuple(noisy(large, 2, random) for _ in range(5))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "assets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=0)
    given = parser.parse_args()
    bus = np.asarray(cv2.imread(str(given.assets / "images/bus.jpg")), np.uint8)[200:900]
    worlds = [clip(path) for path in sorted((given.assets / "videos").glob("*.mp4"))]
    if given.photos:
        worlds += list(photos(given.assets / "photos/photos-1.zip", given.photos))
    right, wrong, runs = Counter[str](), Counter[str](), Counter[str]()
    begun = time.process_time()
    for seed in range(given.seeds):
        for n, world in enumerate(worlds):
            for name, case in cases(seed * 1000 + n, bus).items():
                starts = [(second, change.what) for second, change in told(case, world) if change.phase == "start"]
                expected = [what for second, what in starts if what == case.becomes and LEARNT <= second <= CHANGED]
                runs[name] += 1
                right[name] += (len(expected) == 1) if case.becomes else not starts
                wrong[name] += len(starts) > len(expected)
    for name, case in cases(0, bus).items():
        print(f"{name:32}{case.becomes or '-':10}{right[name]:5} of {runs[name]:4} right, {wrong[name]:4} told wrongly")
    print(f"{sum(runs.values())} cases, {time.process_time() - begun:.0f} s of CPU time")


if __name__ == "__main__":
    main()
