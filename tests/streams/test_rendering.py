"""Pictures with everything drawn in are made once, however many ask and in however many words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from sightline.core.errors import BadRequest
from sightline.core.types import FrameResult
from sightline.renderers.base import modes
from sightline.streams.rendering import Drawing, Look
from support.clips import moving
from support.results import entry, two_found
from support.serving import pixels

MASK = np.array([[0, 1, 2]], np.uint8)


@pytest.fixture
def drawing() -> Iterator[Drawing]:
    drawing = Drawing(quality=80)
    yield drawing
    drawing.close()


def result(*, mask: bool = True) -> FrameResult:
    return entry(moving(5), prediction=two_found(MASK if mask else None)).result


async def test_all_who_want_the_same_get_the_same_picture(drawing: Drawing) -> None:
    made = result()
    looks = [Look(), Look("boxes"), Look("auto", 50), Look("boxes", 50)]
    pictures = await asyncio.gather(*(drawing.jpeg(made, look) for look in looks))
    assert len({id(picture) for picture in pictures}) == 1
    assert len(made._made) == 1
    assert await drawing.jpeg(made, Look("filled")) != pictures[0]


async def test_what_falls_back_is_drawn_with_the_others(drawing: Drawing) -> None:
    made = result(mask=False)
    pictures = [await drawing.jpeg(made, Look(mode, 60)) for mode in modes() if mode not in ("side_by_side", "tracks")]
    assert len({id(picture) for picture in pictures}) == 1


async def test_there_are_few_pictures_whatever_is_asked_for(drawing: Drawing) -> None:
    made = result()
    for percent in range(1001):
        await drawing.jpeg(made, Look.of("contours", str(percent / 10)))
    assert len(made._made) == 21


async def test_side_by_side_is_twice_as_wide(drawing: Drawing) -> None:
    height, width = moving(5).shape[:2]
    assert pixels(await drawing.jpeg(result(), Look("side_by_side"))).shape == (height, 2 * width, 3)


@pytest.mark.parametrize(
    ("mode", "opacity", "look"),
    [(None, None, Look("auto", None)), ("blend", "12", Look("blend", 10)), (None, "97.6", Look("auto", 100))],
)
def test_a_query_is_a_look(mode: str | None, opacity: str | None, look: Look) -> None:
    assert Look.of(mode, opacity) == look


@pytest.mark.parametrize("opacity", ["", "-1", "100.1", "nan", "inf", "50%", "1" * 5000])
def test_a_bad_opacity_is_told_with_what_is_expected(opacity: str) -> None:
    with pytest.raises(BadRequest, match="0 to 100") as error:
        Look.of(None, opacity)
    assert len(error.value.message) < 200
