"""Options of a stream's model: one set of keys and checks for the API, the cameras' messages and the file.

Imports neither OpenCV nor numpy, as the settings import this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sightline.core.errors import BadSetting
from sightline.core.schedule import EXPECTED_SCHEDULE

STEADY = "steady"
"""The stage that keeps a person's edges steady: the first of every stream."""
TRACKS, OBJECTS = "tracks", "objects"
"""The stages that follow objects, and tell of each."""
MOST_CLASSES = 256
"""Maximum number of classes in one request; a larger selection is better left at all classes."""

EXPECTED = {
    "model": "the name of a model that GET /api/models calls usable",
    "engine": "auto or the name of an engine, such as onnx",
    "imgsz": "a whole number from 64 to 2048, a multiple of the model's stride",
    "confidence": "a number above 0 and below 1",
    "iou": "a number from 0.05 to 0.95",
    "max_detections": "a whole number from 1 to 300",
    "classes": f"null for all, or a list of at most {MOST_CLASSES} labels or ids of the model's classes",
    "preset": "lan, default, mobile, ultra or tunnel",
    "priority": "a whole number from -100 to 100",
    "max_fps": "a number from 0.1 to 240, or null for none",
    "detect": "true or false",
    "track": "true or false",
    "track_lost_s": "a number of seconds from 0.1 to 60",
    "track_confirm": "a whole number from 1 to 100",
    "object_events": "true or false",
    "name": "a text of at most 100 characters without control characters, or null for none",
    "paused": "true or false",
    "group": "a text of at most 100 characters without control characters, or null for none",
    "before": "the name of another stream, or null for the last place",
    "record": "off, events or always, or null for what the settings say",
    "record_schedule": f'{EXPECTED_SCHEDULE}, "" for all times, or null for what the settings say',
    "source": "a camera's address, such as rtsp://user:password@camera.lan/1, or null for one that sends by itself",
}
"""Expected values in words, by key; ``preset`` and what follows it occur only in the API."""


def _whole(value: object) -> object:
    """JSON has one kind of number: 50.0 is 50, and some libraries write no other."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)


class Choices(BaseModel):
    """Requested options. A key that is not given stays unchanged; null selects the server's own value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(strict=True, min_length=1, max_length=200)] | None = None
    engine: Annotated[str, Field(strict=True, pattern="^[a-z0-9_]{1,40}$")] | None = None
    imgsz: Annotated[int, Field(strict=True, ge=64, le=2048), Whole] | None = None
    confidence: Annotated[float, Field(strict=True, gt=0, lt=1)] | None = None
    iou: Annotated[float, Field(strict=True, ge=0.05, le=0.95)] | None = None
    max_detections: Annotated[int, Field(strict=True, ge=1, le=300), Whole] | None = None
    classes: (
        Annotated[
            list[
                Annotated[int, Field(strict=True, ge=0, le=254), Whole]
                | Annotated[str, Field(strict=True, max_length=200)]
            ],
            Field(max_length=MOST_CLASSES),
        ]
        | None
    ) = None

    def given(self) -> dict[str, Any]:
        """The given keys of this class, null or not."""
        return {key: getattr(self, key) for key in Choices.model_fields if key in self.model_fields_set}

    def chosen(self) -> dict[str, Any]:
        """The keys of this class that are not the server's own value."""
        return {key: value for key, value in self.given().items() if value is not None}


class Tracking(BaseModel):
    """Whether and how a stream's objects are followed from frame to frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track: Annotated[bool, Field(strict=True)] = True
    track_lost_s: Annotated[float, Field(strict=True, ge=0.1, le=60)] = 2.0
    """Seconds that an object may be unseen and keep its id."""
    track_confirm: Annotated[int, Field(strict=True, ge=1, le=100), Whole] = 2
    """Sightings after which an object has an id."""
    object_events: Annotated[bool, Field(strict=True)] = False
    """Whether each of them is an event."""

    def changed(self, given: Mapping[str, Any]) -> Tracking:
        """Return the same with what is given in place of it; None is the usual value."""
        usual = Tracking()
        return self.model_copy(update={k: getattr(usual, k) if v is None else v for k, v in given.items()})

    def with_tracks(self, named: Sequence[str]) -> tuple[str, ...]:
        """The stages of a stream for which these were named: tracks come first, unless they stand elsewhere.

        Events of objects come right after them.
        """
        names = [name for name in named if self.track or name != TRACKS]
        if self.track and TRACKS not in names:
            names.insert(0, TRACKS)
        if self.object_events and OBJECTS not in names:
            names.insert(names.index(TRACKS) + 1 if self.track else 0, OBJECTS)
        return tuple(names)

    def stage_options(self, ids: Iterator[int]) -> dict[str, dict[str, Any]]:
        """What the stages get. ``ids``: where new ids come from, each once."""
        return {
            TRACKS: {"lost_s": self.track_lost_s, "confirm": self.track_confirm, "ids": ids},
            OBJECTS: {"lost_s": self.track_lost_s, "tracking": (self.track, self.track_confirm)},
        }


UNTRACKED = Tracking(track=False)
"""For streams of which nobody asked for tracks."""


class AskedSettings(Choices):
    """Requested options of a stream's model, and of how its objects are followed."""

    track: Annotated[bool, Field(strict=True)] | None = None
    track_lost_s: Annotated[float, Field(strict=True, ge=0.1, le=60)] | None = None
    track_confirm: Annotated[int, Field(strict=True, ge=1, le=100), Whole] | None = None
    object_events: Annotated[bool, Field(strict=True)] | None = None

    def tracking(self) -> dict[str, Any]:
        """The given keys of how objects are followed, null or not."""
        return {key: getattr(self, key) for key in Tracking.model_fields if key in self.model_fields_set}


def check(given: Mapping[str, Any]) -> AskedSettings:
    """Validate the options that a peer sent. Raises BadSetting."""
    try:
        return AskedSettings.model_validate(dict(given))
    except ValidationError as e:
        raise bad_setting(e.errors()[0]) from None


def bad_setting(problem: Mapping[str, Any]) -> BadSetting:
    """Convert a pydantic error into a BadSetting in our words."""
    where = [part for part in problem["loc"] if part != "body"]
    key = str(where[0]) if where else ""
    expected = EXPECTED.get(key)
    if key == "source":  # what was got may have a password
        return BadSetting(f"source: expected {expected}", key, "", expected or "")
    if expected is None:
        return BadSetting.of(key[:40] or "body", problem.get("input"), f"one of the keys {', '.join(EXPECTED)}")
    return BadSetting.of(key, problem.get("input"), expected)


def merged(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge new options into old ones; null removes one. A new model resets the input size and the engine."""
    new = {**old, **given}
    if "model" in given and given["model"] != old.get("model"):
        new |= {key: None for key in ("imgsz", "engine") if key not in given}
    return {key: value for key, value in new.items() if value is not None}
