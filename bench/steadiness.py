"""How steady a person's edges are in video, before and after the stage ``steady``, and what that costs in lag and time.

Still people: portraits that ``person`` was not trained on and frames of a clip, each a film of 40 frames with noise of
the camera, shifts by fractions of a pixel, flickering light and JPEG between. What changes from frame to frame should
be nothing: it is told in % of the person's area, of the alpha and of the map of classes. People who move: the same
portraits, shifted by so many pixels a frame. The lag is what differs from the model's own alpha, over what that
changes in a frame: in frames. Time is the process's CPU time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common import CLIP, asset
from sightline.analytics.base import Pipeline
from sightline.core.predictions import Segmentation
from sightline.core.types import Frame, Image
from sightline.media import codecs
from sightline.models._alpha import segmentation_of
from sightline.models._class_map import class_map
from sightline.models.base import GraphModel, Model
from sightline.train.records import read
from sightline.zoo.loader import load_model

FRAMES = 40
SPEEDS = (2, 6, 12)
ROUGH: dict[str, float] = {"noise": 10, "light": 0.04, "quality": 50}
"""A poor camera; the usual one is in ``film``'s defaults."""


def portraits(count: int) -> list[Image]:
    """Photos of one person each, kept aside, at twice their size."""
    kept = read(asset("photos/photos-1.zip").parent, "segment").part(validation=True).records
    found = islice((r for r in kept if "/eg-" in r.name), 3, None, max(1, 137 // count))
    return [cv2.resize(pixels(r.image.read()), None, fx=2, fy=2) for r in islice(found, count)]  # type: ignore[misc]


def clip_frames(numbers: Sequence[int]) -> Iterator[Image]:
    """Frames of the clip of people indoors."""
    reader = cv2.VideoCapture(str(asset(CLIP)))
    for number in range(max(numbers) + 1):
        there, image = reader.read()
        if there and number in numbers:
            yield np.asarray(image, np.uint8)


def pixels(data: bytes) -> Image:
    """Decode a picture."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def film(
    image: Image, seed: int, *, speed: float = 0, noise: float = 5, light: float = 0.02, quality: float = 80
) -> Iterator[Image]:
    """Frames of a camera in front of a picture."""
    rng = np.random.default_rng(seed)
    height, width = image.shape[:2]
    x = y = 0.0
    for number in range(FRAMES):
        x, y = (0.8 * at + rng.normal(0, 0.18) for at in (x, y))
        shift = np.array([[1, 0, x + speed * number], [0, 1, y]], np.float32)
        moved = cv2.warpAffine(image, shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        seen = moved * (1 + light * rng.normal()) + rng.normal(0, noise, moved.shape)
        yield pixels(codecs.encode_jpeg(seen.clip(0, 255).astype(np.uint8), int(quality)))


def seen(model: Model, frames: Iterator[Image]) -> list[Segmentation]:
    """What the model says of each frame."""
    found = [model.predict([frame])[0] for frame in frames]
    return [one for one in found if isinstance(one, Segmentation)]


def steadied(model: Model, said: list[Segmentation], fps: float) -> list[Segmentation]:
    """The same after the stage, at so many frames a second."""
    pipeline = Pipeline.of(["steady"])
    found = [pipeline.apply(Frame("film", n, n / fps, 0.0, said_image), one, model.card) for n, one in enumerate(said)]
    return [one.prediction for one in found if isinstance(one.prediction, Segmentation)]


said_image: Image = np.zeros((1, 1, 3), np.uint8)
"""In the place of a frame's pixels, at which no stage looks."""


def alphas(said: list[Segmentation]) -> NDArray[np.float32]:
    """Frames x h x w, 0 to 1."""
    return np.array([one.alpha for one in said], np.float32) / np.float32(255)


def changes(said: list[Segmentation]) -> tuple[float, float]:
    """Mean change between frames in % of the person's area: of the alpha, of the map."""
    return tuple(
        float(100 * (np.abs(np.diff(v, axis=0)).sum((1, 2)) / v[1:].sum((1, 2)).clip(1)).mean())
        for v in (alphas(said)[5:], np.array([one.class_map for one in said], np.float32)[5:])
    )  # type: ignore[return-value]


def lag(own: list[Segmentation], steady: list[Segmentation]) -> float:
    """Frames by which what is shown stays behind."""
    raw = alphas(own)
    return float(np.abs(alphas(steady) - raw)[5:].sum() / np.abs(np.diff(raw, axis=0))[4:].sum())


def cost(model: GraphModel, image: Image, rounds: int) -> dict[str, float]:
    """CPU milliseconds a frame, the best of some turns: the stage, alpha and map from logits and the map alone as it
    was made before, the mask encoded with its alpha and without."""
    said = seen(model, film(image, 0))
    logits = model.engine.run(model.graph.feeds(model.preprocess(image)[0]))["logits"][0].copy()
    height, width = image.shape[:2]
    work: dict[str, Callable[[], object]] = {
        "stage": lambda: steadied(model, said, 25),
        "alpha and map": lambda: [segmentation_of(logits, width, height) for _ in said],
        "map before": lambda: [class_map(logits, width, height) for _ in said],
        "encode": lambda: [codecs.encode_mask(one.class_map, one.alpha) for one in said],
        "encode before": lambda: [codecs.encode_mask(one.class_map) for one in said],
    }
    best = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name, do in work.items():
            began = time.process_time()
            do()
            best[name] = min(best[name], (time.process_time() - began) * 1000 / len(said))
    return {name: round(ms, 3) for name, ms in best.items()}


def main() -> None:
    """Print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="person")
    parser.add_argument("--portraits", type=int, default=12)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    model = load_model(args.model, engine="onnx", threads=1)
    assert isinstance(model, GraphModel), "expected a segmenter"
    people = portraits(args.portraits)
    scenes: dict[str, list[Image]] = {"portrait": people, "indoors": list(clip_frames((120, 300, 420, 600)))}
    figures: dict[str, Any] = {"model": Path(args.model).stem, "portraits": len(people)}
    for place, images in scenes.items():
        for camera, more in (("usual", {}), ("poor", ROUGH)):
            films = [seen(model, film(image, seed, **more)) for seed, image in enumerate(images)]
            rows = {"before": films}
            rows |= {f"{fps} fps": [steadied(model, one, fps) for one in films] for fps in (25, 10, 5)}
            for row, made in rows.items():
                of_alpha, of_map = zip(*map(changes, made), strict=True)
                figures[f"{place}, {camera} camera, {row}"] = {
                    "alpha": round(float(np.mean(of_alpha)), 3),
                    "map": round(float(np.mean(of_map)), 3),
                    "worst": round(max(of_alpha + of_map), 3),
                }
    for speed in SPEEDS:
        moving = [seen(model, film(image, seed, speed=speed)) for seed, image in enumerate(people[:4])]
        figures[f"lag in frames at {speed} px a frame"] = round(
            float(np.mean([lag(one, steadied(model, one, 25)) for one in moving])), 2
        )
    for size in ((640, 640), (640, 360)):
        figures[f"ms, {size[0]}x{size[1]}"] = cost(model, np.asarray(cv2.resize(people[0], size), np.uint8), 20)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
