"""The built-in model: a moving square is found where it is, noise and light are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sightline.core.predictions import Detections
from sightline.core.types import Image
from sightline.models import motion
from sightline.models.base import Options


def scene(size: tuple[int, int] = (640, 360), seed: int = 1) -> Image:
    """A still room: soft blotches of colour, width x height."""
    small = np.random.default_rng(seed).integers(60, 200, (6, 8, 3), np.uint8)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def square(room: Image, x: int, y: int, side: int = 80) -> Image:
    """The room with something bright in it."""
    picture = room.copy()
    picture[y : y + side, x : x + side] = (30, 240, 240)
    return picture


def look(model: motion.Motion, picture: Image, stream: str = "door") -> Detections:
    """What moves in the next picture of a stream."""
    (found,) = model.predict([picture], streams=[stream])
    assert isinstance(found, Detections)
    return found


def settled(room: Image, stream: str = "door") -> motion.Motion:
    """A model that knows the room."""
    model = motion.create()
    for _ in range(20):
        assert len(look(model, room, stream)) == 0
    return model


@pytest.mark.parametrize("size", [(640, 360), (320, 240), (1280, 720), (200, 400)])
def test_a_moving_square_is_found_where_it_is(size: tuple[int, int]) -> None:
    room = scene(size)
    model = settled(room)
    pixel = max(size) / motion.SIDE  # motion is looked for at this resolution
    for step in range(12):
        x, y = 20 + 4 * step, 30 + 2 * step
        found = look(model, square(room, x, y), "door")
        assert found.class_id.tolist() == [0]
        np.testing.assert_allclose(found.xyxy[0], [x, y, x + 80, y + 80], atol=2 + 2 * max(pixel, 1))
        assert found.confidence[0] > 0.8
        assert found.mask is not None
        mask = cv2.resize(found.mask, size, interpolation=cv2.INTER_NEAREST)
        assert (mask[y + 10 : y + 70, x + 10 : x + 70] == 1).all()
        assert abs(int((mask == 1).sum()) - 6400) < 1600
    assert str(found.xyxy.dtype) == "float32"


def test_two_things_are_two_rows_the_larger_first() -> None:
    room = scene()
    model = settled(room)
    found = look(model, square(square(room, 100, 100, 60), 400, 150, 120))
    np.testing.assert_allclose(found.xyxy, [[400, 150, 520, 270], [100, 100, 160, 160]], atol=6)
    assert found.mask is not None
    assert found.mask[105, 230] == 1
    assert found.mask[65, 65] == 2
    model.options = Options(max_detections=1)
    assert len(look(model, square(square(room, 110, 100, 60), 410, 150, 120))) == 1


def test_steady_noise_is_no_motion() -> None:
    room, random = scene().astype(np.int16), np.random.default_rng(7)
    model = motion.create()
    for _ in range(60):
        noise = random.normal(0, 8, room.shape).astype(np.int16)
        assert len(look(model, (room + noise).clip(0, 255).astype(np.uint8))) == 0


def test_a_shadow_is_no_motion() -> None:
    room = scene()
    model = settled(room)
    shaded = room.copy()
    shaded[100:250, 200:400] = (shaded[100:250, 200:400] * 0.7).astype(np.uint8)
    assert len(look(model, shaded)) == 0


@pytest.mark.parametrize("light", [0.4, 1.6])
def test_a_change_of_light_is_learnt_at_once(light: float) -> None:
    room = scene()
    model = settled(room)
    other = (room * light).clip(0, 255).astype(np.uint8)
    rows = [len(look(model, other)) for _ in range(motion.LEARNING + 2)]
    assert rows[0] == 0
    assert not any(rows[-2:])
    assert len(look(model, square(other, 200, 100))) == 1


def test_what_stands_still_becomes_background() -> None:
    room = scene()
    model = settled(room)
    changed = square(room, 200, 100)
    rows = [len(look(model, changed)) for _ in range(150)]
    assert rows[0] == 1
    assert rows[-1] == 0


def test_streams_do_not_mix_and_can_be_forgotten() -> None:
    room, other = scene(seed=1), scene(seed=2)
    model = settled(room, "a")
    for _ in range(20):
        assert len(look(model, other, "b")) == 0
    assert len(look(model, square(room, 200, 100), "a")) == 1
    assert len(look(model, other, "b")) == 0
    model.forget("a")
    model.forget("never seen")
    assert len(look(model, square(room, 200, 100), "a")) == 0  # it learns again
    assert len(look(model, square(other, 200, 100), "b")) == 1


def test_a_batch_of_several_streams() -> None:
    rooms = [scene(seed=1), scene((320, 240), seed=2)]
    model = motion.create()
    for _ in range(20):
        model.predict(rooms, streams=["a", "b"])
    first, second = model.predict([square(rooms[0], 200, 100), rooms[1]], streams=["a", "b"])
    assert isinstance(first, Detections)
    assert isinstance(second, Detections)
    assert (len(first), len(second)) == (1, 0)


def test_only_so_many_backgrounds_are_kept() -> None:
    room = scene((64, 48))
    model = settled(room, "first")
    for i in range(motion.MAX_STREAMS - 1):
        look(model, room, f"other-{i}")
    assert len(look(model, square(room, 10, 10, 20), "first")) == 1  # still known, and now the newest
    look(model, room, "one more")
    look(model, room, "and another")
    assert len(look(model, square(room, 30, 10, 20), "first")) == 1
    for i in range(motion.MAX_STREAMS):
        look(model, room, f"other-{i}")
    assert len(look(model, square(room, 10, 10, 20), "first")) == 0  # gone, learns again


def test_another_resolution_starts_over() -> None:
    model = settled(scene())
    narrow = scene((200, 400))
    for _ in range(motion.LEARNING):
        assert len(look(model, narrow)) == 0
    assert len(look(model, square(narrow, 50, 100))) == 1


def test_people_are_found_in_a_real_clip(assets: object) -> None:
    capture = cv2.VideoCapture(f"{assets}/videos/one-by-one-person-detection.mp4")
    model = motion.create()
    walking: list[Detections] = []
    for i in range(80):
        done, picture = capture.read()
        assert done
        found = look(model, picture)  # type: ignore[arg-type]
        if i < 60:
            assert len(found) == 0, f"nobody is there in frame {i}"
        elif i > 74:
            walking.append(found)
    capture.release()
    for found in walking:  # a woman at the table, somewhat right of the middle
        x1, y1, x2, y2 = found.xyxy[0]
        assert 340 < x1 < x2 < 580
        assert y2 - y1 > 250
