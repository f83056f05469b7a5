"""The words of the project as types. Pixels are BGR, coordinates are pixels of the frame, times are seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from sightline.core.errors import BadRequest
from sightline.core.events import Event
from sightline.core.predictions import Prediction, label_of
from sightline.core.records import Detection as Detection
from sightline.core.records import Segment as Segment

T = TypeVar("T")

Image: TypeAlias = NDArray[np.uint8]
"""H x W x 3, BGR, uint8."""

STREAM_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
STREAM_OR_ALL = rf"^(\*|{STREAM_NAME.pattern})$"
"""What a field may be that has a stream's name, or ``*`` for all streams."""


def check_stream_name(name: str) -> str:
    """Return ``name`` if it can name a stream; raise BadRequest otherwise."""
    if not STREAM_NAME.fullmatch(name):
        raise BadRequest(f"stream name {name[:80]!r}: expected 1 to 64 letters, digits, '_' or '-'")
    return name


class Encoded(Struct, frozen=True, eq=False):
    """A JPEG that is still to be decoded. Width and height, from its header, are those of the upright picture."""

    data: bytes
    width: int
    height: int
    orientation: int = 1
    """How to turn what is stored, as EXIF numbers it: see ``media.orientation``."""
    damaged: bool = False
    """True if its end is missing. It is decoded as browsers do, with grey in place of what did not come."""


class Frame(Struct, frozen=True, eq=False):
    """One picture of a stream. (A frozen dataclass takes 1.1 us to make, this 0.06.)"""

    stream: str
    seq: int
    """The publisher's number."""
    captured_at: float
    """Seconds, on the publisher's clock."""
    received_at: float
    """Seconds, ``time.monotonic()`` here."""
    image: Encoded | Image
    captured_here: float | None = None
    """``captured_at`` on this machine's clock (``time.time()``), where the publisher measured the difference."""
    quality: int = 80
    """Quality of the JPEG that viewers get, where the picture came as pixels."""
    damaged: bool = False
    """True if a part of the picture is missing or wrong, as its decoder or its missing end says."""
    pts: int | None = None
    """Time of the packet from which it was decoded, where those of the camera are copied into recordings."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        if isinstance(self.image, Encoded):
            return self.image.width, self.image.height
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a graph. None in ``shape`` is a dynamic dimension."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    """A numpy dtype's name: float32, float16, uint8, int64."""

    def __str__(self) -> str:
        dims = "x".join("?" if d is None else str(d) for d in self.shape)
        return f"{self.name}: {self.dtype}[{dims}]"


class Engine(Protocol):
    """A graph, loaded and ready to run: tensors in, tensors out. It knows no images. One thread at a time."""

    name: str
    """The file in ``sightline/engines/``."""
    device: str
    """``cpu`` or ``cuda:0``."""
    precision: str
    """Number format that it computes in: fp32, bf16 or fp16."""
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    metadata: Mapping[str, str]
    """The file's own key-value pairs."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, valid until the next ``run``. Raises ModelError if the graph fails."""
        ...

    def close(self) -> None:
        """Give the memory back. Safe to call twice."""
        ...


Task: TypeAlias = Literal["detect", "segment"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Facts about a model, apart from its runtime."""

    name: str
    family: str
    """The file in ``sightline/models/`` that knows its pre- and postprocessing."""
    task: Task
    labels: tuple[str, ...]
    input_size: tuple[int, int] | None
    """Width and height of the model's input; None where it takes any."""
    licence: str
    source: str
    """Origin of the weights."""
    path: str | None = None
    size_bytes: int = 0
    description: str = ""

    def label(self, class_id: int) -> str:
        """The name of a class; ``class 7`` where the card has none."""
        return label_of(class_id, self.labels)


class FrameResult(Struct, frozen=True, eq=False):
    """A frame and what the model said of it. Made in the worker's thread, so that the loop only passes it on."""

    frame: Frame
    prediction: Prediction
    card: ModelCard
    detections: tuple[Detection, ...]
    segments: tuple[Segment, ...]
    mask_png: bytes | None
    """An 8-bit greyscale PNG of the prediction's raster; None where there is none, or nobody asked for it."""
    stages: Mapping[str, float]
    """Milliseconds by stage, on one clock: queue, decode, preprocess, infer, postprocess, encode."""
    processing_time_ms: float
    """From the start of decoding to the end of postprocessing."""
    finished_at: float
    """Seconds, ``time.monotonic()``."""
    seen: Mapping[int, float] = {}
    """By class, those that are not shown too: rows of a detector, or the share of the frame."""
    reused: Frame | None = None
    """Earlier frame that looked the same and was inferred; None where this frame was inferred itself."""
    browser: str = ""
    """Runtime in the camera's own browser that inferred it, such as ``wasm, 2 threads``; empty for the server."""
    mask_kind: str | None = None
    """Meaning of the mask's values, as the prediction's raster says; None without a raster."""
    extras: Mapping[str, Struct] = {}
    """Data of the stages after the model, by the stage's name. They go out on every wire as they are."""
    events: tuple[Event, ...] = ()
    """Events that the stages found in this frame."""
    _made: dict[Hashable, Any] = {}

    def changed(self, **values: Any) -> FrameResult:
        """Return the same with other values, of which nothing has been made yet."""
        return structs.replace(self, **values, _made={})

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made of this result under ``key``; the first who asks has it made. For the event loop only.

        So pictures and messages are made once and shared by all who want the same.
        """
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made
