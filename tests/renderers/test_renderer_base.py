"""Which renderer draws, and with what opacity."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sightline.core import registry
from sightline.core.errors import ConfigError
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Image
from sightline.renderers import base, boxes, filled, side_by_side

ALL = registry.names("renderers")
IMAGE: Image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
MASK = np.array([[0, 1], [1, 1]], np.uint8)
CLASSES = Segmentation(MASK)
LABELS = ("background", "person")


def found(mask: bool) -> Detections:
    return Detections(
        np.array([[5, 5, 40, 40]], np.float32),
        np.array([0.9], np.float32),
        np.array([1], np.int32),
        None,
        MASK if mask else None,
    )


def test_the_modes_are_those_of_the_golden_file() -> None:
    """The browser's modes are held to the same file, so a new mode here is a new one there."""
    golden = json.loads((Path(__file__).parents[1] / "golden" / "modes.json").read_text())
    ours = {}
    for mode in ALL:
        module = registry.load("renderers", mode)
        needs, across = getattr(module, "NEEDS", "nothing"), getattr(module, "ACROSS", 1)
        ours[mode] = {"needs": needs, "opacity": round(base.default_opacity(mode) * 100), "across": across}
    assert ours == golden


@pytest.mark.parametrize("mode", ALL)
def test_a_mode_that_suits_is_the_one_that_draws(mode: str) -> None:
    assert base.choose(mode, CLASSES, LABELS) == (mode, None)
    assert base.choose(mode, found(mask=True), LABELS) == (mode, None)


def test_nobody_chose() -> None:
    assert base.choose("auto", CLASSES, LABELS) == ("filled", None)
    assert base.choose("auto", found(mask=False), LABELS) == ("boxes", None)


@pytest.mark.parametrize("mode", sorted({*ALL} - {"boxes", "side_by_side", "tracks"}))
def test_without_a_mask_boxes_are_drawn_and_the_reason_told(mode: str) -> None:
    name, why = base.choose(mode, found(mask=False), LABELS)
    assert name == "boxes"
    assert why is not None
    assert re.match(rf"{mode} needs masks", why)
    drawn = base.draw(IMAGE, found(mask=False), LABELS, mode=mode, opacity=0.5)
    assert (drawn == boxes.render(IMAGE, found(mask=False), LABELS, opacity=0.5)).all()


@pytest.mark.parametrize("mode", ["blur_background", "replace_background"])
def test_a_model_that_knows_no_people_has_no_background(mode: str) -> None:
    name, why = base.choose(mode, CLASSES, ("background", "bottle"))
    assert name == "filled"
    assert why is not None
    assert "'person'" in why
    drawn = base.draw(IMAGE, CLASSES, ("background", "bottle"), mode=mode, opacity=0.3)
    assert (drawn == filled.render(IMAGE, CLASSES, ("background", "bottle"), opacity=0.3)).all()


def test_an_unknown_mode_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'sepia'.*blend.*side_by_side"):
        base.draw(IMAGE, CLASSES, LABELS, mode="sepia")


def test_each_mode_has_its_own_opacity_where_none_is_given() -> None:
    for mode in ALL:
        own = base.draw(IMAGE, CLASSES, LABELS, mode=mode, opacity=base.default_opacity(mode))
        assert (base.draw(IMAGE, CLASSES, LABELS, mode=mode) == own).all()
    assert base.default_opacity("contours") > base.default_opacity("filled")


@pytest.mark.parametrize("mode", sorted({*ALL} - {"side_by_side"}))
@pytest.mark.parametrize("prediction", [CLASSES, found(mask=True)], ids=["classes", "instances"])
def test_no_opacity_is_the_picture(mode: str, prediction: Detections | Segmentation) -> None:
    assert (base.draw(IMAGE, prediction, LABELS, mode=mode, opacity=0) == IMAGE).all()


def test_side_by_side_is_the_picture_and_what_is_seen_in_it() -> None:
    drawn = side_by_side.render(IMAGE, found(mask=True), LABELS, opacity=0.6)
    assert (drawn[:, :64] == IMAGE).all()
    assert (drawn[:, 64:] == boxes.render(IMAGE, found(mask=True), LABELS, opacity=0.6)).all()
