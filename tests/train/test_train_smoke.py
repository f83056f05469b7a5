"""A whole training by the command line on made data: it must improve, stop, go on, and give a model that works.

Takes about two minutes: asked for by ``make train-smoke``, not by every test run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from support import made

pytest.importorskip("torch")

from sightline.cli.evaluate import evaluate
from sightline.cli.train import train
from sightline.train.weights import load_checkpoint
from sightline.zoo.loader import load_model

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.smoke,
]

app = typer.Typer()
app.command()(train)
app.command()(evaluate)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.mark.parametrize(("kind", "figure", "least"), [("detect", "mAP50", 0.3), ("segment", "IoU all", 0.5)])
def test_training_on_made_data_improves_and_the_model_serves(
    tmp_path: Path, kind: str, figure: str, least: float
) -> None:
    make = made.coco_folder if kind == "detect" else made.mask_folder
    data, out = make(tmp_path / "data", photos=120), tmp_path / "shapes"
    run("train", kind, "--data", data, "--out", out, "--epochs", 16, "--batch-size", 16)
    history = json.loads((out / "history.json").read_text())
    print(kind, [round(row[figure], 3) for row in history])  # noqa: T201 - read with -s
    assert history[-1][figure] > least
    assert history[-1][figure] > history[0][figure]
    for name in ("shapes.onnx", "report.md", "losses.png", "scores.png", "samples.jpg", "checkpoint.pt"):
        assert (out / name).stat().st_size > 100, name

    text = run("evaluate", out / "shapes.onnx", "--data", data, "--out", tmp_path / "judged")
    assert re.search(r"disc", text)
    judged = json.loads((tmp_path / "judged" / "evaluation.json").read_text())["figures"]
    own = judged["mAP50"] if kind == "detect" else (judged["IoU disc, all"] + judged["IoU bar, all"]) / 2
    assert own == pytest.approx(history[-1][figure], abs=0.1)  # 8-bit weights and another runtime change little

    model = load_model(str(out / "shapes.onnx"))
    assert set(made.CLASSES) <= set(model.card.labels)
    photo = cv2.imread(str(data / "images" / "0.png"))
    assert photo is not None
    model.predict([np.asarray(photo, np.uint8)])
    model.close()


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    data, out = made.coco_folder(tmp_path / "data"), tmp_path / "run"
    run("train", "detect", "--data", data, "--out", out, "--epochs", 2, "--batch-size", 8)
    before = load_checkpoint(out / "checkpoint.pt")["step"]
    run("train", "detect", "--data", data, "--out", out, "--epochs", 4, "--batch-size", 8, "--resume")
    after = load_checkpoint(out / "checkpoint.pt")
    assert after["step"] == pytest.approx(2 * before, abs=1)
    assert after["history"][0]["step"] <= before


def test_two_processes_learn_together(tmp_path: Path) -> None:
    data, out = made.mask_folder(tmp_path / "data"), tmp_path / "run"
    run("train", "segment", "--data", data, "--out", out, "--epochs", 6, "--batch-size", 8, "--processes", 2)
    history = json.loads((out / "history.json").read_text())
    assert history[-1]["loss entropy"] < history[0]["loss entropy"]
