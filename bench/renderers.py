"""Milliseconds of drawing in each mode at 640x360: python bench/renderers.py.

The predictions are a class map of 21 classes, five instances with masks and one person with soft edges, in the sizes
that models produce. One thread. The least of many runs is the cost when nothing else runs; the median is the cost here
and now.
"""

from __future__ import annotations

import argparse
import statistics
import time

import cv2
import numpy as np

from sightline.core import registry
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.types import Image
from sightline.media.alpha import class_map_of

LABELS = ("background", *(f"class {i}" for i in range(1, 15)), "person", *(f"class {i}" for i in range(16, 21)))
PERSON = LABELS.index("person")


def main() -> None:
    """Measure and print one line per mode and kind of prediction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--runs", type=int, default=300)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (args.height // 8, args.width // 8, 3), np.uint8)
    image = np.asarray(cv2.resize(small, (args.width, args.height), interpolation=cv2.INTER_CUBIC), np.uint8)
    predictions: dict[str, tuple[Prediction, tuple[str, ...]]] = {
        "21 classes": (classes(), LABELS),
        "5 instances": (instances(args.width, args.height), LABELS),
        "soft": (soft(), ("background", "person")),
    }
    print(f"{args.width}x{args.height}, OpenCV {cv2.__version__}, milliseconds")
    print(f"{'mode':20} {'prediction':12} {'least':>7} {'median':>7}")
    for mode in registry.names("renderers"):
        for kind, (prediction, labels) in predictions.items():
            least, median = timed(mode, image, prediction, labels, args.runs)
            print(f"{mode:20} {kind:12} {least:7.3f} {median:7.3f}")


def classes() -> Segmentation:
    """A class map in patches."""
    patches = np.random.default_rng(2).integers(0, 21, (6, 10), np.uint8)
    return Segmentation(np.asarray(cv2.resize(patches, (320, 180), interpolation=cv2.INTER_NEAREST), np.uint8))


def instances(width: int, height: int) -> Detections:
    """Five people side by side, each an ellipse in its box."""
    mask = np.zeros((180, 320), np.uint8)
    for row in range(5):
        cv2.ellipse(mask, (40 + 60 * row, 90), (25, 70), 0, 0, 360, row + 1, cv2.FILLED)
    left = np.arange(5) * 60 + 15
    xyxy = np.stack([left / 320 * width, np.full(5, height / 9), (left + 50) / 320 * width, np.full(5, height * 0.89)])
    found = np.linspace(0.9, 0.5, 5)
    return Detections(xyxy.T.astype(np.float32), found.astype(np.float32), np.full(5, PERSON, np.int32), None, mask)


def soft() -> Segmentation:
    """One person with soft edges, as a model with two classes finds them."""
    alpha = np.zeros((144, 256), np.uint8)
    cv2.ellipse(alpha, (128, 80), (50, 60), 0, 0, 360, 255, cv2.FILLED)
    smooth = np.asarray(cv2.GaussianBlur(alpha, (7, 7), 0), np.uint8)
    return Segmentation(class_map_of(smooth, 640, 360), alpha=smooth)


def timed(mode: str, image: Image, prediction: Prediction, labels: tuple[str, ...], runs: int) -> tuple[float, float]:
    """Least and median milliseconds of many runs."""
    render = registry.load("renderers", mode).render
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        render(image, prediction, labels)
        times.append((time.perf_counter() - started) * 1000)
    return min(times), statistics.median(times)


if __name__ == "__main__":
    main()
