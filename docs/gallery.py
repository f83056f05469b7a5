"""Makes the pictures of gallery.md from one frame of a clip: python docs/gallery.py CLIP [--frame 150] [--model nano].

Where the model gives boxes only, GrabCut cuts out what is in them, so that modes that need a mask have one.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from sightline import registry
from sightline.loader import load_model
from sightline.renderers.base import draw
from sightline.types import Detections, Image

OUT = Path(__file__).parent / "images" / "modes"
WIDTH, HEIGHT = 640, 360


def main() -> None:
    """Draw the frame in every mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip")
    parser.add_argument("--frame", type=int, default=150)
    parser.add_argument("--model", default="nano")
    args = parser.parse_args()
    image = frame_of(args.clip, args.frame)
    model = load_model(args.model)
    (prediction,) = model.predict([image])
    if isinstance(prediction, Detections) and prediction.mask is None:
        prediction = replace(prediction, mask=cut_out(image, prediction))
    OUT.mkdir(parents=True, exist_ok=True)
    for mode in registry.names("renderers"):
        drawn = draw(image, prediction, model.card.labels, mode=mode)
        path = OUT / f"{mode}.webp"
        cv2.imwrite(str(path), drawn, [cv2.IMWRITE_WEBP_QUALITY, 70])
        print(f"{path.name}: {path.stat().st_size} bytes")


def frame_of(clip: str, number: int) -> Image:
    """One frame, 640x360."""
    capture = cv2.VideoCapture(clip)
    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    done, image = capture.read()
    if not done:
        raise SystemExit(f"{clip}: no frame {number}")
    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def cut_out(image: Image, found: Detections) -> np.typing.NDArray[np.uint8]:
    """An instance map: inside each box, what differs from its surroundings; the surest row wins."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for row in reversed(range(min(len(found), 255))):
        left, top, right, bottom = (round(v) for v in found.xyxy[row].tolist())
        parts = np.zeros(image.shape[:2], np.uint8)
        memory = np.zeros((2, 1, 65), np.float64)
        cv2.grabCut(
            image, parts, (left, top, right - left, bottom - top), memory[0], memory[1], 8, cv2.GC_INIT_WITH_RECT
        )
        mask[(parts == cv2.GC_FGD) | (parts == cv2.GC_PR_FGD)] = row + 1
    return mask


if __name__ == "__main__":
    main()
