"""Maps of classes against the plain way: enlarge all logits, then take the largest."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.models import _class_map
from sightline.models._class_map import best_class, class_map


def plain(logits: NDArray[Any], width: int, height: int) -> NDArray[np.float32]:
    """classes x height x width."""
    return np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_LINEAR) for p in logits.astype("f4")])


def scene(classes: int, height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Logits of discs and bars of many classes with soft edges, as networks give them."""
    random = np.random.default_rng(seed)
    large = np.zeros((height * 4, width * 4), np.uint8)
    for class_id in range(1, min(classes, 12)):
        x, y = random.integers(0, width * 4), random.integers(0, height * 4)
        if class_id % 2:
            cv2.circle(large, (int(x), int(y)), int(random.integers(height // 2, height)), class_id, cv2.FILLED)
        else:
            cv2.line(large, (int(x), 0), (int(y), height * 4), class_id, height // 2)
    soft = [cv2.resize(cv2.blur(np.float32(large == c), (9, 9)), (width, height)) * 8 for c in range(classes)]  # type: ignore[call-overload]
    return np.asarray(soft, np.float32) + random.normal(0, 0.1, (classes, height, width)).astype(np.float32)


def turned(logits: NDArray[Any]) -> NDArray[Any]:
    """The same, with the classes last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(logits, 0, -1)), -1, 0)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.booleans())
def test_the_best_class_is_numpys(classes: int, height: int, width: int, seed: int, half: bool) -> None:
    values = np.random.default_rng(seed).integers(-3, 3, (height, width, classes)).astype("f2" if half else "f4")
    np.testing.assert_array_equal(best_class(np.moveaxis(values, -1, 0)), values.argmax(axis=-1))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_two_classes_are_enlarged_exactly(h: int, w: int, height: int, width: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 1, (2, h, w)).astype(np.float32)
    found = class_map(logits, width, height)
    if height * width < 2 * h * w or height < h or width < w:
        if found.shape == (h, w):
            np.testing.assert_array_equal(found, logits.argmax(axis=0))
        else:
            assert found.shape < (h, w), "fewer, where the picture has far fewer pixels"
        return
    wanted = plain(logits, width, height)
    clear = np.abs(wanted[1] - wanted[0]) > 1e-4
    np.testing.assert_array_equal(found[clear], wanted.argmax(axis=0)[clear])


@pytest.mark.parametrize("size", [(640, 360), (333, 500), (520, 520)])
@pytest.mark.parametrize(("classes", "side"), [(21, 65), (150, 128)])
def test_many_classes_are_enlarged_as_the_plain_way_does(classes: int, side: int, size: tuple[int, int]) -> None:
    logits = scene(classes, side, side)
    found, wanted = class_map(logits, *size), plain(logits, *size).argmax(axis=0)
    assert len(np.unique(found)) > 5
    assert (found == wanted).mean() > 0.998
    edges = (wanted != cv2.erode(wanted.astype(np.uint8), np.ones((3, 3)))).mean()
    assert edges > 0.01, "or nothing would be shown"
    np.testing.assert_array_equal(class_map(turned(logits), *size), found)


@pytest.mark.parametrize("classes", [3, 21, 150])
def test_a_second_best_that_wins_between_the_corners_is_found(classes: int) -> None:
    """As a net with random weights gives them: many classes, none far above the others, edges everywhere."""
    noise = np.random.default_rng(4).normal(0, 1, (classes, 64, 64)).astype(np.float32)
    logits = np.stack([cv2.GaussianBlur(plane, (0, 0), 1.5) for plane in noise]).astype(np.float32)
    found, wanted = class_map(logits, 640, 360), plain(logits, 640, 360).argmax(axis=0)
    corners = cv2.resize(best_class(logits), (640, 360), interpolation=cv2.INTER_NEAREST)
    assert (corners == wanted).mean() < 0.95, "or it would be easy"
    assert (found == wanted).mean() > 0.995
    np.testing.assert_array_equal(class_map(turned(logits), 640, 360), found)


def test_it_is_what_torch_says() -> None:
    torch = pytest.importorskip("torch")
    logits = scene(19, 90, 160)
    large = torch.nn.functional.interpolate(torch.from_numpy(logits[None]), size=(360, 640), mode="bilinear")
    assert (class_map(logits, 640, 360) == large[0].argmax(0).numpy()).mean() > 0.998


@pytest.mark.parametrize("kind", ["f2", "f4"])
def test_of_very_many_logits_not_all_are_looked_at(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yet whatever is as large as the step is found, with its edges to the pixel, inside a letterbox's border, too."""
    logits = scene(9, 121, 187).astype(kind)
    wanted = logits.argmax(axis=0)
    for step in (2, 3, 5):
        monkeypatch.setattr(_class_map, "SAMPLES", logits.size // step**2 + 1)
        for given_as in (logits, turned(logits)):
            found = class_map(given_as, 187, 121)
            assert found.shape == wanted.shape
            assert (found == wanted).mean() > 0.998
        inside = class_map(logits[:, 10:-10, 3:], 184, 101)
        assert (inside == wanted[10:-10, 3:]).mean() > 0.998


def test_a_map_is_no_larger_than_it_has_to_be() -> None:
    logits = scene(3, 40, 40)
    assert class_map(logits, 1920, 1080).shape == (360, 640)
    assert class_map(logits, 50, 50).shape == (40, 40)
    assert class_map(scene(3, 200, 200), 100, 100).shape == (100, 100)
    assert class_map(logits, 1, 1).shape == (1, 1)
    assert class_map(np.zeros((5, 1, 1), np.float32), 64, 48).tolist() == np.zeros((48, 64), int).tolist()
