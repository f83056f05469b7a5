"""Roboflow inference: its InferencePipeline reads the cameras, and runs the same model as custom logic."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

import torch

from race.contestants import _stamp
from race.contestants._yolox import Yolox


def _complete_torchvision() -> object:
    """Declare what torchvision's build for CUDA lacks beside PyTorch's for CPUs; nothing here needs those operators."""
    operators: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    while True:
        try:
            importlib.import_module("torchvision")
        except RuntimeError as e:
            if "operator torchvision::" not in str(e):
                raise
            operators.define(f"{str(e).split('::')[1].split()[0]}(Tensor x) -> Tensor")
            for name in [name for name in sys.modules if name.startswith("torchvision")]:
                del sys.modules[name]
        else:
            return operators


OPERATORS = _complete_torchvision()  # before the import that needs it
InferencePipeline = importlib.import_module("inference").InferencePipeline


def cameras(job: dict[str, Any]) -> dict[str, Any]:
    """Run the model on network cameras."""
    model = Yolox(job["model"], threads=0)  # the pipeline has one thread for the model: it gets all cores
    seen = _stamp.Seen(len(job["urls"]), job["seconds"])

    def infer(frames: list[Any]) -> list[Any]:
        return [model(frame.image) for frame in frames]

    def take(_: Any, frames: Any) -> None:
        for frame in frames if isinstance(frames, list) else [frames]:
            if frame is not None:
                seen.note(frame.source_id or 0, _stamp.read(frame.image))

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=job["urls"], on_video_frame=infer, on_prediction=take
    )
    pipeline.start(use_main_thread=False)
    while not seen.over:
        time.sleep(0.02)
    answer = seen.answer()
    pipeline.terminate()
    pipeline.join()
    return answer


JOBS = {"cameras": cameras}
