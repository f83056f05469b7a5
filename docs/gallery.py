"""Makes the pictures of gallery.md from one frame of a clip. Every mode, on what one model finds:

    python docs/gallery.py CLIP [--frame 150] [--model nano]

or what each of several models finds, names or ONNX files, each of another family:

    python docs/gallery.py CLIP --frame 1240 --families nano motion yolox_nano.onnx ...

Where the model gives boxes only, ``person`` cuts the people in them out, so that modes that need a mask have one;
pictures of families show what the model gives and nothing else.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from sightline.analytics.base import Pipeline
from sightline.core import registry
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Frame, Image
from sightline.renderers.base import draw
from sightline.zoo.loader import load_model

OUT = Path(__file__).parent / "images"
WIDTH, HEIGHT = 640, 360
BEFORE = 60
"""Frames that a model which remembers has seen before."""
FPS = 10
"""Of the clip."""


def main() -> None:
    """Draw the frame in every mode, or what every model finds in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip")
    parser.add_argument("--frame", type=int, default=150)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--families", nargs="*", default=[], metavar="MODEL")
    args = parser.parse_args()
    frames = frames_of(args.clip, args.frame)
    for spec in args.families:
        family(frames, spec)
    if not args.families:
        modes(frames, args.model)


def modes(frames: list[Image], spec: str) -> None:
    """The last of the frames in every mode; those before it give the tracks their trails."""
    model, tracks, image = load_model(spec), Pipeline.of(["tracks"]), frames[-1]
    for seq, shown in enumerate(frames):
        (prediction,) = model.predict([shown])
        tracked = tracks.apply(Frame("gallery", seq, seq / FPS, 0.0, shown), prediction, model.card).prediction
    if isinstance(prediction, Detections) and prediction.mask is None:
        prediction = replace(prediction, mask=cut_out(image, prediction))
        tracked = replace(tracked.objects, mask=prediction.mask)
    for mode in registry.names("renderers"):
        found = tracked if mode == "tracks" else prediction
        write(f"modes/{mode}", draw(image, found, model.card.labels, mode=mode))


def family(frames: list[Image], spec: str) -> None:
    """What a model finds in the last of the frames."""
    model = load_model(spec)
    for image in frames if model.remembers else frames[-1:]:
        (prediction,) = model.predict([image], streams=["gallery"])
    what = "-masks" if model.card.task == "segment" and isinstance(prediction, Detections) else ""
    write(f"families/{model.card.family}{what}", draw(frames[-1], prediction, model.card.labels))


def write(name: str, image: Image) -> None:
    """A picture of the page."""
    path = OUT / f"{name}.webp"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_WEBP_QUALITY, 70])
    print(f"{name}: {path.stat().st_size} bytes")


def frames_of(clip: str, number: int) -> list[Image]:
    """One frame, 640x360, after those before it."""
    capture = cv2.VideoCapture(clip)
    capture.set(cv2.CAP_PROP_POS_FRAMES, max(0, number - BEFORE))
    found: list[Image] = []
    for _ in range(min(number, BEFORE) + 1):
        done, image = capture.read()
        if not done:
            raise SystemExit(f"{clip}: no frame {number}")
        found.append(np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8))
    return found


def cut_out(image: Image, found: Detections) -> np.typing.NDArray[np.uint8]:
    """An instance map: inside each box what ``person`` takes for people; the surest row wins."""
    (areas,) = load_model("person").predict([image])
    assert isinstance(areas, Segmentation)
    mask = np.zeros(image.shape[:2], np.uint8)
    for row in reversed(range(min(len(found), 255))):
        left, top, right, bottom = (max(0, round(v)) for v in found.xyxy[row].tolist())
        mask[top:bottom, left:right][areas.class_map[top:bottom, left:right] > 0] = row + 1
    return mask


if __name__ == "__main__":
    main()
