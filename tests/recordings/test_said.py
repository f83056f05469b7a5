"""What recorded lines say is drawn as it was live."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from msgspec import Raw

from sightline.core.predictions import Segmentation
from sightline.media import codecs
from sightline.recordings.lines import FrameLine
from sightline.recordings.said import labels_of, prediction_of, said_of
from sightline.renderers.base import draw

IMAGE = np.full((40, 60, 3), 90, np.uint8)
IDS, ALPHA = np.array([[0, 1]], np.uint8), np.array([[0, 85, 170, 255]], np.uint8)
SEGMENTS = [{"class_id": n, "class_name": name, "share": 0.5} for n, name in enumerate(("background", "person"))]


@pytest.mark.parametrize("alpha", [ALPHA, None], ids=["with its alpha", "of an older version"])
def test_a_person_has_the_same_edges_in_what_was_recorded(alpha: np.typing.NDArray[np.uint8] | None) -> None:
    """Fault 28, in clips and exports."""
    result = {"width": 60, "height": 40, "segments": SEGMENTS, "mask_kind": "classes"}
    png = base64.b64encode(codecs.encode_mask(IDS, alpha)).decode()
    line = FrameLine(pts=0, at=0.0, result=Raw(json.dumps(result).encode()), mask=png)
    said = said_of(line)
    assert said is not None
    found = prediction_of(said, line, IMAGE)
    live = Segmentation(IDS, alpha=alpha)
    for mode in ("filled", "replace_background"):
        drawn = draw(IMAGE, found, labels_of(said), mode=mode)
        np.testing.assert_array_equal(drawn, draw(IMAGE, live, ("background", "person"), mode=mode))
