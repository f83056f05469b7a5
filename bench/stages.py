"""Milliseconds of every stage but inference, for each family: python bench/stages.py [FAMILY ...].

Alternatively, all stages of one model over a clip: python bench/stages.py --model MODEL --clip CLIP [--engine onnx].

For families the graph's outputs are synthetic (five objects, or a scene of areas with soft edges) and processed by our
real model class: preprocessing, postprocessing, the mask's PNG, and drawing with default settings. One thread and its
own CPU time, a picture of 640x360. The least is the cost when nothing else runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.registry import load
from sightline.core.types import Image, TensorSpec
from sightline.media import codecs
from sightline.models.base import Graph, GraphModel
from sightline.renderers.base import draw
from sightline.zoo.loader import load_model

WIDTH, HEIGHT = 640, 360
Arrays = dict[str, NDArray[Any]]
Result = TypeVar("Result")
random = np.random.default_rng(1)


class Fixed:
    """Engine that returns fixed outputs."""

    name, device, precision = "fixed", "cpu", "fp32"

    def __init__(self, outputs: Arrays, metadata: dict[str, str]) -> None:
        self.made = outputs
        self.inputs: dict[str, TensorSpec] = {}
        self.outputs = {key: TensorSpec(key, value.shape, str(value.dtype)) for key, value in outputs.items()}
        self.metadata = metadata

    def run(self, _feeds: Any) -> Arrays:
        """Return the fixed outputs."""
        return self.made

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def boxes(rows: int, columns: int, first: int, side: float, sure: float = 0.9) -> NDArray[np.float32]:
    """rows x columns with five certain objects of class 0, side by side; ``first`` is the column of the scores."""
    found = random.uniform(0, 0.02, (rows, columns)).astype(np.float32)
    for i in range(5):
        found[i, :4] = side * (i + 0.5) / 5, side / 2, side / 6, side / 2
        found[i, first : first + 2] = sure
    return found


def rows(count: int) -> NDArray[np.float32]:
    """count x (x1, y1, x2, y2, score, class) with five certain objects."""
    found = boxes(count, 6, 4, 640)
    found[:, :2], found[:, 2:4] = found[:, :2] - found[:, 2:4] / 2, found[:, :2] + found[:, 2:4] / 2
    found[:, 5] = 0
    return found


def masks(count: int, side: int) -> NDArray[np.float32]:
    """Smooth random fields, count x side x side."""
    noise = random.normal(0, 1, (count, side, side)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(plane, (0, 0), side / 20) * 20 for plane in noise]).astype(np.float32)


def scene(classes: int, height: int, width: int, detail: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """classes x height x width logits of eight areas with soft edges, computed at ``detail`` and enlarged."""
    down, across = detail or (height, width)
    areas = np.zeros((down * 4, across * 4), np.uint8)
    for class_id in range(1, 8):
        x, y = (int(random.integers(0, side)) for side in (across * 4, down * 4))
        cv2.ellipse(areas, (x, y), (across // 2, down), 30.0 * class_id, 0, 360, class_id % classes, cv2.FILLED)
    found = np.empty((classes, height, width), np.float32)
    for class_id in range(classes):
        soft = cv2.resize(cv2.blur((areas == class_id).astype(np.float32), (9, 9)), (across, down)) * 9
        plane = soft + random.normal(0, 0.1, (down, across)) - (class_id > 20) * 3
        found[class_id] = cv2.resize(plane.astype(np.float32), (width, height))
    return found


def last(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits with the classes last."""
    return np.ascontiguousarray(np.moveaxis(logits, 0, -1))


def yolo(columns: int) -> NDArray[np.float32]:
    """YOLOv8's output for 640 x 640."""
    return boxes(8400, columns, 4, 640).T.copy()


NAMED = {"names": str([f"class {i}" for i in range(80)]), "stride": "32"}
CASES: dict[str, list[tuple[str, int | tuple[int, int], Callable[[], Arrays], dict[str, str]]]] = {
    "yolox": [("80 classes", 416, lambda: {"output": boxes(3549, 85, 4, 0, 1.0)}, {})],
    "ultralytics": [
        ("v8, 80 classes", 640, lambda: {"output0": yolo(84)}, NAMED),
        ("v8, 5 masks", 640, lambda: {"output0": yolo(116), "output1": masks(32, 160)}, NAMED),
    ],
    "endtoend": [("300 rows", 640, lambda: {"output0": rows(300)}, NAMED)],
    "rtdetr": [
        ("300 x 80", 640, lambda: {"pred_boxes": boxes(300, 4, 0, 1)[:, :4], "logits": boxes(300, 80, 7, 1, 9) - 5},
         {"model_type": "rt_detr"}),
    ],
    "rfdetr": [
        ("200 x 91", 576, lambda: {"dets": boxes(200, 4, 0, 1)[:, :4], "labels": boxes(200, 91, 7, 1, 9) - 5}, {}),
        ("the same, 5 masks", 432, lambda: {"dets": boxes(200, 4, 0, 1)[:, :4], "labels": boxes(200, 91, 7, 1, 9) - 5,
                                            "masks": masks(200, 108)}, {}),
    ],
    "detector": [
        ("80 classes", 416, lambda: {"boxes": rows(3549)[:, :4] * 0.65, "scores": boxes(3549, 80, 4, 0).T.copy()},
         {"sightline": "detect"}),
    ],
    "segmenter": [("3 classes", 256, lambda: {"logits": scene(3, 256, 256)}, {"sightline": "segment"})],
    "semantic": [
        ("21 x 65 x 65", 520, lambda: {"out": scene(21, 65, 65)}, {}),
        ("21 x 65 x 65, from bytes", 520, lambda: {"out": scene(21, 65, 65)}, {}),
        ("21 x 520 x 520", 520, lambda: {"out": scene(21, 520, 520, (65, 65))}, {}),
        ("21 x 360 x 640", (640, 360), lambda: {"out": scene(21, 360, 640, (45, 80))}, {}),
        ("360 x 640 x 21", (640, 360), lambda: {"out": last(scene(21, 360, 640, (45, 80)))}, {}),
        ("21 x 360 x 640, full detail", (640, 360), lambda: {"out": scene(21, 360, 640)}, {}),
        ("150 x 128 x 128", 512, lambda: {"logits": scene(150, 128, 128)}, {}),
        ("128 x 128 x 150", 512, lambda: {"logits": last(scene(150, 128, 128))}, {}),
        ("150 x 512 x 512", 512, lambda: {"logits": scene(150, 512, 512, (128, 128))}, {}),
        ("ids 360 x 640", (640, 360), lambda: {"map": scene(21, 360, 640).argmax(0)}, {}),
    ],
}  # fmt: skip


def families(wanted: list[str], runs: int) -> None:
    """Print a line for each case."""
    print(f"{WIDTH}x{HEIGHT}, OpenCV {cv2.__version__}, one thread's milliseconds: least / median")
    columns = ("preprocess", "postprocess", "both", "PNG", "draw")
    print(f"{'family':12} {'output':28} {'input':8}" + "".join(f"{name:>15}" for name in columns))
    noise = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    picture = np.asarray(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.onnx"
        file.touch()
        for family in wanted or CASES:
            for title, size, made, metadata in CASES[family]:
                width, height = (size, size) if isinstance(size, int) else size
                engine = Fixed({key: value[None] for key, value in made().items()}, metadata)
                taken = TensorSpec("images", (1, 3, height, width), "uint8" if "bytes" in title else "float32")
                graph = Graph(file, taken, engine.outputs, metadata, (width, height))
                times = measured(load("models", family).build(graph, engine), engine.made, picture, runs)
                cells = "".join(f"{times.get(name, ''):>15}" for name in columns)
                print(f"{family:12} {title:28} {f'{width}x{height}':8}{cells}")


def measured(model: GraphModel, outputs: Arrays, picture: Image, runs: int) -> dict[str, str]:
    """Least and median milliseconds of each stage."""
    times: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[..., Result], *args: Any) -> Result:
        started = time.thread_time()
        result = work(*args)
        times.setdefault(name, []).append((time.thread_time() - started) * 1000)
        return result

    for _ in range(runs):
        _, place = timed("preprocess", model.preprocess, picture)
        found = timed("postprocess", model.postprocess, outputs, place, model.options)
        raster = found.raster()
        if raster is not None:
            timed("PNG", codecs.encode_mask, raster.values)
        timed("draw", draw, picture, found, model.card.labels)
    times["both"] = [one + other for one, other in zip(times["preprocess"], times["postprocess"], strict=True)]
    return {name: f"{min(ms):.2f} / {statistics.median(ms):.2f}" for name, ms in times.items()}


def one_model(spec: str, clip: str, engine: str, threads: int | None, frames: int) -> None:
    """Print a line for each stage of a model over a clip."""
    model = load_model(spec, engine=engine, threads=threads)
    capture = cv2.VideoCapture(clip)
    times: dict[str, list[float]] = {}
    rows = 0
    for _ in range(frames):
        done, image = capture.read()
        if not done:
            break
        stages: dict[str, float] = {}
        (found,) = model.predict([cv2.resize(image, (WIDTH, HEIGHT))], stages=stages)  # type: ignore[list-item]
        rows += len(getattr(found, "xyxy", ()))
        for name, ms in stages.items():
            times.setdefault(name, []).append(ms)
    count = len(times["infer"])
    print(f"{model.card.name}: {count} pictures, {rows / count:.1f} rows each")
    for name, all_ms in times.items():
        print(f"  {name:12} least {min(all_ms):7.3f} ms, median {statistics.median(all_ms):7.3f} ms")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", choices=[[], *CASES], metavar="FAMILY")
    parser.add_argument("--model")
    parser.add_argument("--clip")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=int, default=200)
    args = parser.parse_args()
    if args.model is not None:
        if args.clip is None:
            parser.error("--model needs a --clip")
        one_model(args.model, args.clip, args.engine, args.threads, args.runs)
        return
    cv2.setNumThreads(1)
    families(args.families, args.runs)


if __name__ == "__main__":
    main()
