"""A replica: one model in a process of a Ray cluster's machine. What goes in and comes out are the messages of a
model's process, as bytes.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from typing import NamedTuple

from sightline.core import allocator
from sightline.core.types import Encoded, Frame
from sightline.core.version import __version__
from sightline.inference.infer import Ask, infer
from sightline.inference.places.answering import answered, load
from sightline.inference.places.messages import (
    LENGTH,
    LoadRequest,
    PictureMessage,
    RefusedMessage,
    RunRequest,
    packed,
    to_process,
)
from sightline.inference.places.ray_weights import Wanted, bring, lacking, placed
from sightline.inference.static_scene import StaticScenes
from sightline.media import codecs
from sightline.models.base import Model

NUMBER = struct.Struct(">Q")
"""Before a batch: its number."""
BATCH = struct.Struct(">Qd")
"""Before its answer: the number of the batch, and the seconds that it took."""


class About(NamedTuple):
    """Where a replica is."""

    node: str
    host: str
    version: str
    """Sightline's."""
    time: float
    """Its clock: ``time.time()``."""


class Replica:
    """The class of Ray's actor. Its calls come one after the other."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._scenes: StaticScenes | None = None
        allocator.keep()
        codecs.work_alone()

    def about(self) -> About:
        """Say where this is."""
        import ray

        return About(ray.get_runtime_context().get_node_id(), socket.gethostname(), __version__, time.time())

    def lacks(self, wanted: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
        """Return the files of a model that are not on this machine."""
        return lacking(wanted)

    def bring(self, one: Wanted, data: bytes) -> None:
        """Put a file into this machine's cache. Raises ModelError or OSError."""
        bring(one, data)

    def load(self, request: bytes, wanted: tuple[Wanted, ...]) -> bytes:
        """Load the model. Returns a ``ReadyMessage`` or a ``RefusedMessage``, packed."""
        asked = to_process.decode(request[LENGTH:])
        if not isinstance(asked, LoadRequest):
            return packed(RefusedMessage("bad_message", "expected what is to be loaded"))
        logging.basicConfig(level=asked.log_level)
        self._model, said = load(placed(asked, wanted))
        self._scenes = StaticScenes() if asked.static_skip else None
        return packed(said)

    def run(self, body: bytes) -> bytes:
        """Answer a batch: after its number comes a ``RunRequest`` with its JPEGs, and what goes back is ``BATCH`` and
        an ``AnswersMessage``. Ray sends bytes as they are, and pickles all else."""
        begun = time.monotonic()
        assert self._model is not None, "it is loaded first"
        (number,) = NUMBER.unpack_from(body)
        start = NUMBER.size + LENGTH
        end = start + int.from_bytes(body[NUMBER.size : start], "big")
        request = to_process.decode(body[start:end])
        assert isinstance(request, RunRequest), "nothing else is run"
        asks = []
        for picture in request.pictures:
            assert picture.jpeg_bytes is not None, "pixels are sent as JPEG"
            asks.append(_ask(picture, body[end : end + picture.jpeg_bytes]))
            end += picture.jpeg_bytes
        answers = infer(self._model, asks, self._scenes, gone=frozenset(request.gone))
        return BATCH.pack(number, time.monotonic() - begun) + answered(answers)


def _ask(picture: PictureMessage, jpeg: bytes) -> Ask:
    image = Encoded(jpeg, picture.width, picture.height, picture.orientation, picture.damaged)
    frame = Frame(picture.stream, picture.seq, 0.0, picture.received_at, image)
    return Ask(frame, picture.options, picture.last)
