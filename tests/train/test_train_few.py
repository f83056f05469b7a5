"""A dozen photos are enough for a training that ends well, whatever they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch")

import torch

from sightline.cli.train import train as command
from sightline.train.cache import Photos
from sightline.train.records import kept_aside, read
from sightline.train.segment import SegmentTask
from support import made

app = typer.Typer()
app.command()(command)


def run(*arguments: object) -> str:
    options = ("--batch-size", 2, "--epochs", 0.2, "--device", "cpu")
    result = CliRunner().invoke(app, [str(a) for a in (*arguments, *options)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def strict(text: str) -> Any:
    """JSON without NaN, which is none."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))


def test_a_dozen_photos_of_which_chance_keeps_none_aside_are_enough(tmp_path: Path) -> None:
    data, out = made.coco_folder(tmp_path / "data", photos=12), tmp_path / "run"
    content = json.loads((data / "annotations.json").read_text())
    names = iter([name for name in map("mug-{}.png".format, range(100)) if not kept_aside(name)])
    for image in content["images"]:
        image["file_name"] = str((data / "images" / image["file_name"]).rename(data / "images" / next(names)).name)
    (data / "annotations.json").write_text(json.dumps(content))
    said = run("detect", "--data", data, "--out", out)
    assert "11 photos to learn from, 1 kept aside (few: the scores are rough), 2 classes" in said
    assert (out / "run.onnx").is_file()


def test_a_class_that_no_photo_kept_aside_has_gets_no_score(tmp_path: Path) -> None:
    data, out = made.coco_folder(tmp_path / "data", photos=12), tmp_path / "run"
    content = json.loads((data / "annotations.json").read_text())
    bars = [a for a in content["annotations"] if a["category_id"] == 11 and a["image_id"] < 4]
    assert bars
    (data / "annotations.json").rename(data / "train.json")
    (data / "val.json").write_text(json.dumps(content | {"images": content["images"][:4], "annotations": bars}))
    run("detect", "--data", data, "--out", out)
    assert "| mAP50 |" in (out / "report.md").read_text()
    assert "AP50 disc" not in strict((out / "history.json").read_text())[-1]


class Blind(torch.nn.Module):
    """A segmenter that finds the background everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor([1.0, 0, 0])[None, :, None, None])

    def forward(self, pixels: Any) -> Any:
        return self.logits.expand(len(pixels), -1, pixels.shape[2] // 4, pixels.shape[3] // 4)


@pytest.mark.parametrize(("there", "score"), [([0, 0], {}), ([0, 2], {"IoU all": 0.0})])
def test_masks_are_judged_by_the_classes_that_appear(tmp_path: Path, there: list[int], score: dict[str, float]) -> None:
    folder = made.mask_folder(tmp_path / "data", photos=2)
    for i, value in enumerate(there):
        cv2.imwrite(str(folder / "masks" / f"{i}.png"), np.full((128, 128), value, np.uint8))
    photos = Photos(read(folder, "segment"), tmp_path / "cache")
    assert SegmentTask(photos, photos).validate(Blind()) == score
