"""A YOLOX teacher shows a learner its maps, scores and boxes for every training picture."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.train.cache import Photos
from sightline.train.detect import DetectTask
from sightline.train.export import export
from sightline.train.guide import Guide, agreement
from sightline.train.loop import TrainOptions, train
from sightline.train.nets import STRIDES, GuidedNet
from sightline.train.records import read
from sightline.train.teacher import guided
from support import made
from support.made_graph import MakeGraph

LABELS = ("cup", "disc")


class Head(nn.Module):
    """One convolution of each kind for each grid, named as YOLOX names them."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_preds = grids(2)
        self.reg_preds = grids(4)
        self.obj_preds = grids(1)


class MadeYolox(nn.Module):
    """The smallest network with a YOLOX head: bright places are discs, 2 cells wide."""

    def __init__(self) -> None:
        super().__init__()
        self.stems = grids(4, 3)
        self.head = Head()
        for name, values in self.state_dict().items():
            if name.startswith("stems") and name.endswith("weight"):
                values[0, 0] = 1 / 255
            elif "cls_preds" in name and name.endswith("bias"):
                values.copy_(torch.tensor([-9.0, 9.0]))
            elif "reg_preds" in name and name.endswith("bias"):
                values.copy_(torch.tensor([0.5, 0.5, 0.6931, 0.6931]))
            elif "obj_preds" in name:
                values.view(-1)[0] = -6.0 if name.endswith("bias") else 12.0

    def forward(self, images: Tensor) -> Tensor:
        rows = []
        for i, stride in enumerate(STRIDES):
            x = self.stems[i](nn.functional.avg_pool2d(images, stride))
            objects, classes = self.head.obj_preds[i](x).sigmoid(), self.head.cls_preds[i](x).sigmoid()
            rows.append(torch.cat([self.head.reg_preds[i](x), objects, classes], 1).flatten(2))
        return torch.cat(rows, 2).transpose(1, 2)


def grids(outputs: int, inputs: int = 4) -> nn.ModuleList:
    convolutions = nn.ModuleList(nn.Conv2d(inputs, outputs, 1) for _ in STRIDES)
    for parameter in convolutions.parameters():
        nn.init.zeros_(parameter)
    return convolutions


@pytest.fixture(scope="module")
def yolox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("yolox") / "made_yolox.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            MadeYolox().eval(), (torch.zeros(1, 3, 64, 64),), str(path), dynamo=False, do_constant_folding=False,
            input_names=["images"], output_names=["output"],
        )  # fmt: skip
    return path


def lit(size: int) -> Tensor:
    """Two pictures: one black, one with a bright square of 32 pixels at 32, 0."""
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    pixels[1, :32, 32:64] = 255
    return pixels


@pytest.mark.parametrize("size", [64, 96])
def test_what_it_sees_is_told_for_each_cell_of_pictures_of_any_size(yolox: Path, size: int) -> None:
    guide = Guide.of(yolox, ["person", "disc"], LABELS)
    assert guide is not None
    assert guide.channels == 8
    assert guide.classes.tolist() == [1]  # a cup is nothing that the learner knows
    view = guide.look(lit(size))
    cells = [(size // stride) ** 2 for stride in STRIDES]
    assert view.scores.shape == (2, 1, sum(cells))
    assert view.boxes.shape == (2, sum(cells), 4)
    assert [tuple(m.shape) for m in view.maps] == [(2, 8, size // s, size // s) for s in STRIDES]
    assert view.scores[0].max() < 0.01
    coarse = sum(cells[:2]) + 1  # the second cell of the coarsest grid is the square
    assert view.scores[1, 0, coarse] > 0.98
    # The middle of that cell, and e^0.6931 = 2 strides of 32 pixels wide.
    assert view.boxes[1, coarse].tolist() == pytest.approx([16, -16, 80, 48], abs=0.1)


def test_a_file_with_other_heads_is_no_guide(make_graph: MakeGraph) -> None:
    outputs = {"boxes": np.zeros((1, 4), np.float32), "scores": np.array([[0.05], [0.8]], np.float32)}
    path = make_graph(outputs, metadata={"sightline": "detect", "names": "['cup', 'disc']"})
    assert guided(str(path), ["disc"]) is None


def test_maps_that_say_the_same_agree_whatever_their_scale() -> None:
    told = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert agreement(told * 7 - 3, told).item() == pytest.approx(1, abs=1e-3)
    assert agreement(-told, told).item() == pytest.approx(-1, abs=1e-3)


def test_a_learner_that_says_what_the_guide_sees_loses_nothing_more(yolox: Path) -> None:
    guide = Guide.of(yolox, LABELS, LABELS)
    assert guide is not None
    pixels = lit(64)
    view = guide.look(pixels)
    learner = GuidedNet(len(LABELS), guide.channels)
    maps = learner.maps(pixels.permute(0, 3, 1, 2))
    logits, sides = learner.heads(maps)
    naive = guide.losses(pixels, maps, logits, sides, learner.adapters)
    exact = guide.losses(pixels, maps, view.scores.clamp(1e-6, 1 - 1e-6).logit(), sides, learner.adapters)
    assert exact["taught scores"] < naive["taught scores"] * 0.2
    assert set(naive) == {"taught maps", "taught scores", "taught boxes"}


def test_a_guided_run_learns_and_is_exported_without_its_guide(yolox: Path, tmp_path: Path) -> None:
    data = read(made.coco_folder(tmp_path / "data", photos=12), "detect")
    photos = Photos(data.part(validation=False), tmp_path / "cache")
    kept = Photos(data.part(validation=True), tmp_path / "cache")
    guide = Guide.of(yolox, data.classes, LABELS)
    task = DetectTask(photos, kept, guide=guide)
    options = TrainOptions(epochs=2, batch_size=4, checks=1)
    net, history, finished = train(task, tmp_path / "run", options, photos=len(photos))
    assert finished
    assert {"loss taught maps", "loss taught scores", "loss taught boxes"} <= set(history[-1])
    export(net, "detect", data.classes, 64, tmp_path / "out.onnx", {}, [photos.image(0)[:64, :64]])
    assert b"adapters" not in (tmp_path / "out.onnx").read_bytes()
