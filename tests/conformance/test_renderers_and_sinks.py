"""What every renderer and every sink owes, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.core.errors import SinkError
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.registry import load, names
from sightline.core.types import Image
from support.clips import moving
from support.results import DETECTOR, SEGMENTER, entry, two_found

MASK = np.zeros((12, 16), np.uint8)
MASK[2:8, 2:6] = 1
MASK[6:10, 8:14] = 2

PREDICTIONS = [
    pytest.param(Detections.empty(), id="nothing"),
    pytest.param(two_found(), id="boxes"),
    pytest.param(two_found(MASK), id="instances"),
    pytest.param(Segmentation(MASK), id="classes"),
    pytest.param(Segmentation(np.full((240, 320), 255, np.uint8)), id="classes at full size"),
]


@pytest.fixture(params=names("renderers"))
def renderer(request: pytest.FixtureRequest) -> Any:
    return load("renderers", request.param)


@pytest.fixture(params=names("sinks"))
def sinks(request: pytest.FixtureRequest) -> Any:
    return load("sinks", request.param)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("size", [(320, 240), (65, 49), (1, 1)])
def test_a_renderer_gives_a_new_picture_of_the_same_height_and_the_width_it_says(
    renderer: Any, prediction: Prediction, size: tuple[int, int]
) -> None:
    image = moving(5, max(size[0], 80), max(size[1], 60))[: size[1], : size[0]]
    before = image.copy()
    columns = [np.copy(value) for value in columns_of(prediction)]
    drawn = renderer.render(image, prediction, DETECTOR.labels)
    assert drawn.shape == (size[1], size[0] * getattr(renderer, "ACROSS", 1), 3)
    assert drawn.dtype == np.uint8
    assert not np.shares_memory(drawn, image)
    assert (image == before).all()
    assert all(np.array_equal(a, b) for a, b in zip(columns, columns_of(prediction), strict=True))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_renderer_says_the_same_each_time(renderer: Any, prediction: Prediction) -> None:
    first, second = (renderer.render(moving(5), prediction, (), opacity=0.4) for _ in range(2))
    assert (first == second).all()


def test_nothing_found_leaves_the_picture_as_it_is(renderer: Any) -> None:
    drawn = renderer.render(moving(5), Detections.empty(), DETECTOR.labels)
    assert (drawn == np.tile(moving(5), (1, getattr(renderer, "ACROSS", 1), 1))).all()


def test_a_mask_shows_and_opacity_counts(renderer: Any) -> None:
    image = grainy()
    faint, strong = (
        renderer.render(image, Segmentation(MASK), SEGMENTER.labels, opacity=opacity).astype(int)[:, -160:] - image
        for opacity in (0.1, 0.9)
    )
    assert 0 < np.abs(faint).sum() < np.abs(strong).sum()


def test_a_sink_takes_what_comes_and_leaves_something(sinks: Any, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    sink = sinks.open(str(target))
    assert sink.target == str(target)
    assert isinstance(sink.wants_drawn, bool)
    for seq in range(3):
        sink.write(entry(moving(seq), seq=seq, at=seq / 25, prediction=two_found(MASK)))
    sink.write(entry(moving(3), seq=3, at=1.0, prediction=Segmentation(MASK)))
    sink.close()
    sink.close()
    files = [target] if target.is_file() else list(target.iterdir())
    assert files
    assert all(file.stat().st_size > 0 for file in files)


def test_a_sink_that_gets_nothing_closes_without_complaint(sinks: Any, tmp_path: Path) -> None:
    sinks.open(str(tmp_path / "out.mp4")).close()


def test_a_sink_without_a_place_says_so_before_anything_runs(sinks: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"file.*out\.mp4"):
        sinks.open(str(tmp_path / "file" / "out.mp4"))


def grainy() -> Image:
    """A picture in which a blur shows, too."""
    return np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)


def columns_of(prediction: Prediction) -> list[Any]:
    found, raster = prediction.objects, prediction.raster()
    return [found.xyxy, found.confidence, found.class_id, *([] if raster is None else [raster.values])]
