"""A publisher that writes down its answers, and a hub with no server around it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from sightline.core.predictions import Detections
from sightline.core.types import Encoded, Frame, FrameResult, ModelCard
from sightline.inference.key import ModelKey
from sightline.inference.pool import ModelPool
from sightline.models.motion import create
from sightline.settings.settings import Settings
from sightline.streams.hub import Hub
from sightline.streams.publisher import DropReason, Publisher
from sightline.streams.stream import Stream
from sightline.wire.messages import Adapt, SettingsMessage, SettingsRefused, Status

CARD = ModelCard("m", "m", "detect", (), None, "-", "-")


class Recorder(Publisher):
    """A publisher that counts its answers by frame."""

    def __init__(self, *, wants_results: bool = True, session: str = "") -> None:
        self.wants_results, self.session = wants_results, session
        self.is_lost = False
        self.asked: list[Adapt] = []
        self.informed: list[SettingsMessage | SettingsRefused] = []
        self.answers: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.ended: str | None = None

    def answer(self, result: FrameResult) -> None:
        self.answers[result.frame.seq] += 1
        self.reasons["result"] += 1

    def drop(self, frame: Frame, reason: DropReason) -> None:
        self.answers[frame.seq] += 1
        self.reasons[reason] += 1

    def fail(self, frame: Frame, message: str) -> None:
        self.answers[frame.seq] += 1
        self.reasons["failed"] += 1

    def tell(self, status: Status) -> None:
        return

    def ask(self, message: Adapt) -> None:
        self.asked.append(message)

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        self.informed.append(message)

    def lost(self) -> bool:
        return self.is_lost

    def close(self, reason: str) -> None:
        self.ended = reason


def frame(seq: int, stream: str = "door") -> Frame:
    return Frame(stream, seq, 0.0, 0.0, Encoded(b"", 4, 4))


def result(of: Frame) -> FrameResult:
    return FrameResult(of, Detections.empty(), CARD, (), (), None, {}, 1.0, 0.0)


def make_hub(**settings: Any) -> Hub:
    given = Settings.model_validate(settings)
    key = ModelKey("motion", "motion", "auto", None)
    return Hub(given, ModelPool(given, key, lambda _: create()))


def balanced(stream: Stream) -> bool:
    return stream.meters.ledger.received == stream.meters.ledger.settled + stream.in_flight


def picture_of(seq: int, stream: str) -> Frame:

    made = frame(seq, stream)
    return Frame(stream, seq, made.captured_at, made.received_at, np.zeros((8, 8, 3), np.uint8))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if holds():
                return
            await asyncio.sleep(0.005)
