"""Made cases of what happens to a camera: light, weather, people, and hands, from real pictures of a scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.core.types import Encoded, Image
from sightline.media import codecs
from sightline.streams.scene.judge import Change, SceneJudge

SIZE = (480, 270)
LEARNT, CHANGED, OVER = 12, 40, 60
"""Seconds at which something happens, is over, and the camera goes."""
Floats = NDArray[np.float32]


@cache
def clip(path: Path) -> tuple[Image, ...]:
    """The pictures of a clip, one a second."""
    import av

    taken: list[Image] = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            if (frame.time or 0.0) >= len(taken):
                taken.append(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
            if len(taken) >= 90:
                break
    return tuple(taken)


def view(world: Image, across: float = 0.0, down: float = 0.0) -> Image:
    """What a camera sees of a larger picture. ``across``, ``down``: how far it is turned, in pictures of its own."""
    height, width = world.shape[:2]
    w, h = int(width * 0.7), int(height * 0.7)
    x = int(np.clip((width - w) * 0.1 + across * w, 0, width - w))
    y = int(np.clip((height - h) / 2 + down * h, 0, height - h))
    return np.asarray(cv2.resize(world[y : y + h, x : x + w], SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def noisy(image: Image | Floats, deviation: float, random: np.random.Generator) -> Image:
    """A picture with a sensor's noise."""
    noise = random.normal(0, deviation, image.shape)
    return np.clip(image.astype(np.float32) + noise, 0, 255).astype(np.uint8)


class Case(NamedTuple):
    """Something that happens to a camera."""

    becomes: Literal["", "covered", "moved"]
    """What is to be told of it."""
    shows: Callable[[Image, int], Image]
    """What the camera shows of its world in a second."""


def cases(seed: int, other: Image) -> dict[str, Case]:
    """All cases, with numbers by chance. ``other``: a picture of something else: a bus."""
    random = np.random.default_rng(seed)
    uniform = random.uniform
    dark, gamma, grey, share = uniform(0.02, 0.3), uniform(0.4, 2.5), uniform(10, 200), uniform(0.5, 0.72)
    turn = uniform(0.15, 0.3)
    palm = smooth(random.uniform(15, 90, (4, 6, 3)), cv2.INTER_CUBIC)
    tape = smooth(random.uniform(grey - 10, grey + 10, (3, 4, 3)), cv2.INTER_LINEAR)
    flake = palm.repeat(2, axis=1)

    def lit(world: Image, gain: float) -> Image:
        return noisy(view(world).astype(np.float32) * gain, 1.5, random)

    def infrared(world: Image, _: int) -> Image:
        blue, green, red = (view(world)[..., n].astype(np.float32) for n in range(3))
        seen = np.clip(1.6 * red + 0.6 * green - 1.1 * blue, 0, 255) * 0.8 + 20
        return noisy(np.repeat(seen[..., None], 3, axis=2).astype(np.float32), 6, random)

    def close(world: Image, second: int) -> Image:
        seen, x = view(world), int(SIZE[0] * (share + 0.03 * np.sin(second)))
        seen[14:, :x] = cv2.resize(other, (x, SIZE[1] - 14))
        return seen

    def bus(world: Image, second: int) -> Image:
        seen, side = view(world), cv2.resize(other, (3 * SIZE[0], SIZE[1] - 14))
        x = int(SIZE[0] * (1 - 0.5 * (second - LEARNT)))
        left, right = max(0, x), min(SIZE[0], x + side.shape[1])
        if right > left:
            seen[14:, left:right] = side[:, left - x : right - x]
        return seen

    def rain(world: Image, _: int) -> Image:
        seen = view(world).astype(np.float32)
        for x, y in zip(random.integers(0, SIZE[0], 300), random.integers(0, SIZE[1] - 14, 300), strict=True):
            seen[y : y + 14, x : x + 2] += 60
        return noisy(np.asarray(cv2.GaussianBlur(seen, (0, 0), 1.5), np.float32), 4, random)

    def smaller(world: Image, second: int) -> Image:
        size = [(320, 180), (240, 135), (480, 270)][second % 3]
        return np.asarray(cv2.resize(view(world), size, interpolation=cv2.INTER_AREA), np.uint8)

    def painted(world: Image, _: int) -> Image:
        seen = cv2.GaussianBlur(view(world), (0, 0), 19).astype(np.float32)
        return noisy(np.asarray(0.25 * seen + 0.75 * np.maximum(tape, 100), np.float32), 3, random)

    nothing = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
    return {
        "nothing happens": Case("", lambda world, _: view(world)),
        "the light goes off": Case("", lambda world, _: lit(world, dark)),
        "the light goes off, almost all": Case("", lambda world, _: lit(world, 0.02)),
        "it gets dark": Case("", lambda world, second: lit(world, max(0.02, 1 - 0.06 * (second - LEARNT)))),
        "the light goes on": Case("", lambda world, second: lit(world, 3.0 if second < LEARNT + 2 else 1.6)),
        "exposure": Case("", lambda world, second: lit(world, 1 + 0.7 * np.sin(second))),
        "contrast": Case("", lambda world, _: (255 * (view(world) / 255.0) ** gamma).astype(np.uint8)),
        "infrared": Case("", infrared),
        "somebody close": Case("", close),
        "a bus": Case("", bus),
        "rain": Case("", rain),
        "noise": Case("", lambda world, _: noisy(view(world), 25, random)),
        "other sizes": Case("", smaller),
        "wind": Case("", lambda world, _: view(world, *uniform(-0.02, 0.02, 2))),
        "a hand": Case("covered", lambda _, __: noisy(palm, 3, random)),
        "a hand that moves": Case(
            "covered", lambda _, second: noisy(np.roll(flake, 17 * second, axis=1)[:, : SIZE[0]], 3, random)
        ),
        "tape": Case("covered", lambda _, __: noisy(tape, 2, random)),
        "a cap": Case("covered", lambda _, __: noisy(nothing, 2, random)),
        "spray": Case("covered", painted),
        "turned by 20 %": Case("moved", lambda world, _: view(world, 0.2)),
        "turned": Case("moved", lambda world, _: view(world, turn)),
        "turned up": Case("moved", lambda world, _: view(world, 0.0, 0.2)),
        "turned away": Case("moved", lambda _, __: noisy(np.asarray(cv2.resize(other, SIZE), np.uint8), 2, random)),
    }


def smooth(rough: NDArray[np.float64], way: int) -> Floats:
    """A picture of a few patches that run into each other."""
    return np.asarray(cv2.resize(rough.astype(np.float32), SIZE, interpolation=way), np.float32)


def told(case: Case, worlds: Sequence[Image], quality: int = 70) -> list[tuple[int, Change]]:
    """What is told of a case, and in which second."""
    judge, changes = SceneJudge(), list[tuple[int, Change]]()
    for second in range(OVER):
        world = worlds[second % len(worlds)]
        shown = case.shows(world, second) if LEARNT <= second < CHANGED else view(world)
        jpeg = codecs.encode_jpeg(np.ascontiguousarray(shown), quality)
        height, width = shown.shape[:2]
        picture = codecs.thumbnail(Encoded(jpeg, width, height))
        changes += [(second, change) for change in judge.see(1000.0 + second, picture, (width, height))]
    return changes + [(OVER, change) for change in judge.finish("over")]
