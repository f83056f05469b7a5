"""What a segmenter is trained on."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from sightline.train.segment import MOST_REPEATS, repeats


def test_photos_of_a_small_group_are_seen_more_often() -> None:
    seen = repeats(["people"] * 18 + ["portraits"] * 8 + ["street"])
    assert set(seen[:18]) == {1.0}
    assert set(seen[18:26]) == {1.5}
    assert seen[26] == MOST_REPEATS
