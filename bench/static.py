"""Cost of a scene in which nothing moves, with and without the static test, and cost of the test for a moving scene.

The still scene is one picture of the clip with fresh sensor noise in every frame. The moving one is the clip itself,
played forwards and backwards. A camera sends 30 frames a second as JPEGs of quality 50; CPU time is the server's own.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import cv2
import numpy as np

from common import MODEL, asset, child, family_cpu, save, serving
from peers import camera
from sightline.core.types import Encoded, Frame
from sightline.inference.static_scene import difference, thumbnail

FPS = 30.0
QUALITY = 50
NOISE = 4.0
CLIPS = ("one-by-one-person-detection.mp4", "bottle-detection.mp4", "crowd.mp4")


def pictures(clip: str, count: int) -> list[Any]:
    """The clip's frames from number 60 on."""
    reader = cv2.VideoCapture(str(asset(f"videos/{clip}")))
    return [reader.read()[1] for _ in range(count + 60)][60:]


def jpeg(image: Any, rng: np.random.Generator, noise: float) -> bytes:
    """A picture as sent by a camera with that noise (standard deviation in grey levels)."""
    noisy = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def largest_differences(clip: str) -> dict[str, list[int]]:
    """Median and maximum of the largest cell difference between one still picture and 20 copies, by noise."""
    rng = np.random.default_rng(0)
    image = pictures(clip, 1)[0]
    height, width = image.shape[:2]
    told: dict[str, list[int]] = {}
    for noise in (0, 3, 6, 10):
        grey = [thumbnail(Frame("", 0, 0, 0, Encoded(jpeg(image, rng, noise), width, height))) for _ in range(21)]
        found = [difference(grey[0], other) for other in grey[1:]]
        told[str(noise)] = [int(np.median(found)), max(found)]
    return told


def main() -> None:
    """Measure, print, write bench/results/static.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    noise = {clip: largest_differences(clip) for clip in CLIPS}
    print("largest difference of a cell in a still picture (median, worst of 20), by sensor noise")
    for clip, told in noise.items():
        print(f"  {clip}: " + ", ".join(f"noise {n}: {m}, {w}" for n, (m, w) in told.items()))
    rng = np.random.default_rng(1)
    moving = pictures(CLIPS[0], 75)
    scenes = {
        "still": [jpeg(moving[0], rng, NOISE) for _ in range(60)],
        "moving": [jpeg(image, rng, NOISE) for image in (*moving, *moving[::-1])],
    }
    rows: list[dict[str, Any]] = []
    print("\n| scene | static test | CPU ms a frame | reused | frames |")
    print("|---|---|---|---|---|")
    for scene, jpegs in scenes.items():
        for skip in ("--static-skip", "--no-static-skip"):
            with serving("--model", str(asset(MODEL)), skip) as server, child(camera, server.ws, "bench", FPS, jpegs):
                server.until(lambda stats: stats["processed_frames"] >= 30)
                begun, cpu = server.get()["streams"]["bench"], family_cpu(server.process)
                time.sleep(args.seconds)
                cpu = family_cpu(server.process) - cpu
                done = server.get()["streams"]["bench"]
            frames, reused = (done[key] - begun[key] for key in ("delivered", "reused"))
            rows.append(
                {"scene": scene, "test": skip == "--static-skip", "cpu_ms": round(cpu * 1000 / frames, 2)}
                | {"reused": reused, "frames": frames}
            )
            row = rows[-1]
            print(f"| {scene} | {'on' if row['test'] else 'off'} | {row['cpu_ms']} | {reused} | {frames} |", flush=True)
    save("static", {"differences": noise, "rows": rows})


if __name__ == "__main__":
    main()
