"""Frames per second on an NVIDIA card: python bench/gpu.py [--device cuda:0] [--engine torch].

The model is DeepLabV3-MobileNetV3-Large with random weights (speed does not depend on them), loaded as profile
``fast``, in the engine's own precision: fp16 on a card. One stream: pictures of 640x360 one after the other, with pre-
and postprocessing. Batched: pictures of eight streams at once, against the same eight one by one.

Goals: 200 frames/s for one stream (five times what earlier demos publish), and at least 3 times the frames in batches.
Without a card the script says why and measures nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from common import asset, save
from sightline.core.errors import SightlineError
from sightline.core.registry import load
from sightline.core.types import Image
from sightline.models.base import Model
from sightline.zoo.loader import load_model

STREAMS = 8
WARM = 20
CLIP = "videos/bottle-detection.mp4"


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    missing = load("engines", args.engine).available(args.device)
    if missing is not None:
        print(f"no figures: {missing}")
        return
    pictures = clip(STREAMS)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = load_model("fast", engine=args.engine, device=args.device, weights=weights(Path(folder)))
        except SightlineError as e:
            sys.exit(f"no figures: {e.message}")
        alone = frames_per_second(model, [pictures[:1]], args.seconds)
        one_by_one = frames_per_second(model, [[picture] for picture in pictures], args.seconds)
        together = frames_per_second(model, [pictures], args.seconds)
        assert model.engine is not None
        found = {
            "device": card(args.device),
            "engine": model.engine.name,
            "precision": model.engine.precision,
            "one_stream_fps": round(alone, 1),
            "eight_one_by_one_fps": round(one_by_one, 1),
            "eight_batched_fps": round(together, 1),
            "batching": round(together / one_by_one, 2),
        }
        model.close()
    for name, value in found.items():
        print(f"{name:22} {value}")
    if args.device != "cpu":
        print(save("gpu", found))


def clip(count: int) -> list[Image]:
    """Pictures of a clip, scaled to 640x360."""
    reader = cv2.VideoCapture(str(asset(CLIP)))
    return [np.asarray(cv2.resize(reader.read()[1], (640, 360)), np.uint8) for _ in range(count)]


def weights(folder: Path) -> Path:
    """File of random network weights in torchvision's format."""
    import torch
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    torch.manual_seed(0)
    network = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    torch.save(network.state_dict(), folder / "random.pth")
    return folder / "random.pth"


def frames_per_second(model: Model, batches: list[list[Image]], seconds: float) -> float:
    """Frames per second over ``seconds`` of repeated batches, after a warm-up that doesn't count."""
    for _ in range(WARM if model.max_batch > 1 else 1):
        for batch in batches:
            model.predict(batch)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for batch in batches:
            model.predict(batch)
            done += len(batch)
    return done / (time.perf_counter() - started)


def card(device: str) -> str:
    """Name and driver version of the card."""
    if device == "cpu":
        return "the processor"
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", f"--id={device[5:]}"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
