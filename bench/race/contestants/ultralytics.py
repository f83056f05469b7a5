"""Ultralytics: its LoadStreams reads the cameras, one batch of all of them at a time, and runs the same model."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ultralytics.data.loaders import LoadStreams

from race.contestants import _stamp
from race.contestants._yolox import Yolox


def cameras(job: dict[str, Any]) -> dict[str, Any]:
    """Run the model on network cameras."""
    model = Yolox(job["model"], threads=0)
    seen = _stamp.Seen(len(job["urls"]), job["seconds"])
    with TemporaryDirectory() as folder:
        listed = Path(folder, "cameras.streams")
        listed.write_text("\n".join(job["urls"]))
        streams = LoadStreams(str(listed), buffer=False)
    try:
        for _, images, _ in streams:
            for camera, image in enumerate(images):
                model(image)
                seen.note(camera, _stamp.read(image))
            if seen.over:
                break
    finally:
        streams.close()
    return seen.answer()


JOBS = {"cameras": cameras}
