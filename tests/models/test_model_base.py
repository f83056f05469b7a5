"""What all graph models share: batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.core.predictions import Detections
from sightline.engines import onnx
from sightline.models.base import BATCH
from sightline.models.yolox import YoloX
from sightline.zoo.loader import load_model


@pytest.mark.parametrize(("batch", "expected"), [(None, BATCH), (1, 1)])
def test_batches_form_where_the_device_and_the_graph_allow_it(
    make_graph: Callable[..., Path], batch: int | None, expected: int
) -> None:
    output = np.zeros((84, 8), np.float32)  # of a 64x64 input
    output[20] = [0.5, 0.5, 0, 0, 0.9, 1, 0, 0]  # an 8x8 box of stride 8 around 36, 20
    file = make_graph({"output": output}, batch=batch)
    alone = load_model(str(file), engine="onnx")
    assert isinstance(alone, YoloX)
    assert alone.max_batch == 1
    engine = onnx.open(file)
    engine.device = "cuda:0"  # an accelerator, as far as the model can tell
    model = YoloX(alone.card, alone.graph, engine)
    assert model.max_batch == expected

    images = [np.full((32 * (i % 3 + 1), 64, 3), i, np.uint8) for i in range(2 * BATCH + 3)]
    together = model.predict(images)
    assert len(together) == len(images)
    for image, found, (one,) in zip(images, together, ([*alone.predict([i])] for i in images), strict=True):
        assert isinstance(found, Detections)
        assert isinstance(one, Detections)
        assert len(found) == 1, image.shape
        np.testing.assert_array_equal(found.xyxy, one.xyxy)
    last = images[-3:] if expected > 1 else images[-1:]
    assert [int(slot[0, 0, 0]) for slot in model.tensor[: len(last)]] == [int(image[0, 0, 0]) for image in last]
