"""Milliseconds of a model's stages, one picture at a time: python bench/stages.py MODEL CLIP [--engine onnx].

For each stage the least and the median over the clip's pictures, scaled to 640x360; the least is what the work takes
when nothing else runs.
"""

from __future__ import annotations

import argparse
import statistics

import cv2

from sightline.loader import load_model


def main() -> None:
    """Measure and print one line per stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("clip")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--frames", type=int, default=200)
    args = parser.parse_args()
    model = load_model(args.model, engine=args.engine, threads=args.threads)
    capture = cv2.VideoCapture(args.clip)
    times: dict[str, list[float]] = {}
    rows = 0
    for _ in range(args.frames):
        done, image = capture.read()
        if not done:
            break
        stages: dict[str, float] = {}
        (found,) = model.predict([cv2.resize(image, (640, 360))], stages=stages)  # type: ignore[list-item]
        rows += len(getattr(found, "xyxy", ()))
        for name, ms in stages.items():
            times.setdefault(name, []).append(ms)
    frames = len(times["infer"])
    print(f"{model.card.name}: {frames} pictures, {rows / frames:.1f} rows each")
    for name, all_ms in times.items():
        print(f"  {name:12} least {min(all_ms):7.3f} ms, median {statistics.median(all_ms):7.3f} ms")


if __name__ == "__main__":
    main()
