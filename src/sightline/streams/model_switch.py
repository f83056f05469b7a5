"""Changes what a stream asks of its model, and which model it has, between two frames.

All that is asked for in one go takes force together, or not at all. A model that has to be loaded first leaves the old
one serving meanwhile; where it can't be loaded the old one stays, and who asked is told.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sightline.core.errors import BadSetting, ConfigError, ModelError, SightlineError, Superseded
from sightline.core.predictions import NOTHING
from sightline.core.types import ModelCard
from sightline.inference.key import ModelKey
from sightline.inference.offers import Offers
from sightline.inference.place import InferenceOptions
from sightline.inference.pool import ModelPool, Pooled
from sightline.models.base import Options
from sightline.settings.settings import Settings
from sightline.settings.stream import Tracking, merged
from sightline.streams.model_state import FailedSwitch, PendingSwitch
from sightline.streams.stream import Stream
from sightline.wire.messages import SettingsMessage

log = logging.getLogger(__name__)

NEEDS_MODEL = frozenset({"model", "engine", "imgsz"})
"""Choices that may need another model to be loaded."""
NOT_GIVEN: Mapping[str, Any] = {}
FOLDERS = re.compile(r"(?<![\w./\\-])(?:[A-Za-z]:)?[\\/](?:[^\s:;,'\"\\/]+[\\/])+")
"""Folders before a file's name. They concern nobody but the operator."""


class ModelSwitch:
    """Makes the changes. Used on the event loop only."""

    def __init__(self, settings: Settings, pool: ModelPool) -> None:
        self.offers = Offers(settings)
        self._of_streams = settings.streams
        self._pool = pool
        self._defaults = Options(confidence=settings.conf)
        self.defaults = InferenceOptions(self._defaults)
        """Options of a stream for which nothing was chosen."""
        self._adapts_conf = settings.adaptive_conf is not None and "conf" not in settings.model_fields_set
        self._sizes: dict[str, tuple[int, int]] = {}
        """Width and height of each model's input where nobody has chosen any."""
        self._refused: dict[str, set[int]] = {}
        """Sides that a model could not be loaded at when the controller asked, by its name."""

    async def change(self, stream: Stream, given: Mapping[str, Any], tracking: Mapping[str, Any] = NOT_GIVEN) -> None:
        """Take over what is given (see ``settings.stream.Wish``); returns when it is in force.

        Raises BadSetting, Superseded, LimitReached or ModelError; then nothing has changed.
        """
        if not self.change_now(stream, given, tracking):
            await self._load_and_change(stream, given, tracking)

    async def adapt(self, stream: Stream, adapted: dict[str, Any]) -> None:
        """Apply what the controller chooses, where nobody else has. Raises as ``change`` does."""
        self._note_size(self._pool.of(stream.model.next_worker))
        before, stream.model.adapted = stream.model.adapted, adapted
        try:
            if not self.change_now(stream, {}, anew=True):
                await self._load_and_change(stream, {})
        except SightlineError as e:
            stream.model.adapted = before
            if isinstance(e, BadSetting | ModelError) and "imgsz" in adapted:
                self._refused.setdefault(self._key(stream, stream.model.chosen, {}).name, set()).add(adapted["imgsz"])
            raise

    def has(self, stream: Stream, name: str) -> bool:
        """Return True if a stream has a model, or waits for it."""
        pending = stream.model.pending
        return self._pool.of(stream.model.next_worker).key.name == name or (
            pending is not None and pending.key.name == name
        )

    def refused_sides(self, stream: Stream) -> frozenset[int]:
        """Sides that the stream's model could not be loaded at, so that the controller tries them no more."""
        return frozenset(self._refused.get(self._pool.of(stream.model.next_worker).key.name, ()))

    def adaptable(self, stream: Stream) -> tuple[int | None, float | None]:
        """Input size and confidence of a stream where the controller does nothing; None for what is not its to choose.

        What a person has chosen for the stream, or the operator for all, is left alone.
        """
        one = self._pool.of(stream.model.next_worker)
        model, last = one.worker.model, stream.meters.last_result
        if model is None:
            return None, None
        imgsz = confidence = None
        fixed = "imgsz" in stream.model.chosen or (one.key.name == self.offers.own.name and self.offers.own.imgsz)
        if not fixed and model.stride is not None:
            self._note_size(one)
            size = self._sizes.get(one.key.name)
            imgsz = None if size is None else max(size)
        finds = last is not None and last.prediction.scored
        if finds and self._adapts_conf and "confidence" not in stream.model.chosen:
            confidence = self._defaults.confidence
        return imgsz, confidence

    def unadapted(self, stream: Stream) -> tuple[tuple[int, int] | None, InferenceOptions]:
        """Return size of the input and options of a stream for which the controller saves nothing.

        So a page has them that runs the model itself. The size is None where it is that of the stream's model.
        """
        chosen, shown = stream.model.chosen, stream.model.next_options.shown
        saved = "imgsz" in stream.model.adapted and "imgsz" not in chosen
        size = self._sizes.get(self._pool.of(stream.model.next_worker).key.name) if saved else None
        return size, InferenceOptions(self._options(chosen), shown)

    def _note_size(self, one: Pooled) -> None:
        """Remember what size a model has by itself."""
        if one.key.imgsz is None and one.worker.model is not None and one.worker.model.input_size is not None:
            self._sizes[one.key.name] = one.worker.model.input_size

    def change_now(
        self, stream: Stream, given: Mapping[str, Any], tracking: Mapping[str, Any] = NOT_GIVEN, *, anew: bool = False
    ) -> bool:
        """Take over what is given if it needs no model that is still to be loaded; else False. Raises BadSetting.

        ``anew``: look for the model again, whatever is given.
        """
        if tracking and not given and not anew:  # which concerns no model
            self._track(stream, tracking)
            self._inform(stream)
            return True
        choices = merged(stream.model.chosen, given)
        one: Pooled | None = self._pool.of(stream.model.next_worker)
        if anew or given.keys() & NEEDS_MODEL:
            key = self._key(stream, choices, given)
            if one is None or not self._pool.fits(one, key):
                one = self._pool.find(key)
                if one is None:
                    self._check_side(key)
        if one is None or one.worker.model is None:
            return False
        self._take_force(stream, one, choices, given)
        self._track(stream, tracking)
        self._inform(stream)
        return True

    async def _load_and_change(
        self, stream: Stream, given: Mapping[str, Any], tracking: Mapping[str, Any] = NOT_GIVEN
    ) -> None:
        key = self._key(stream, merged(stream.model.chosen, given), given)
        stream.model.give_up()
        pending = stream.model.pending = PendingSwitch(key, time.time())
        log.info("stream %s: model %s is loaded for it", stream.name, key)
        try:
            async with self._pool.holding(key, pending.over) as one:
                if pending.over.is_set():
                    raise Superseded(f"model {key}: a newer change of the stream came first")
                self._take_force(stream, one, merged(stream.model.chosen, given), given)
                self._track(stream, tracking)
                self._inform(stream)
        except ConfigError as e:  # the loader's word for a choice that does not fit the file
            wrong, got = ("model", key.name) if key.imgsz is None else ("imgsz", key.imgsz)
            raise BadSetting.of(wrong, got, self._failed(stream, pending, e)) from None
        except ModelError as e:
            raise ModelError(self._failed(stream, pending, e)) from None
        finally:
            if stream.model.pending is pending:
                stream.model.pending = None

    def _key(self, stream: Stream, choices: Mapping[str, Any], given: Mapping[str, Any]) -> ModelKey:
        """Return the key of the model that is meant. Another model begins without what was adapted to the old one."""
        return self.offers.key(choices if "model" in given else {**stream.model.adapted, **choices})

    def _failed(self, stream: Stream, pending: PendingSwitch, error: SightlineError) -> str:
        """Return why a change failed, without the operator's folders, and note it."""
        message = FOLDERS.sub("", error.message.replace(pending.key.spec, pending.key.name))
        if stream.model.pending is pending:
            stream.model.failed = FailedSwitch(pending.key, message, time.time())
        return message

    def _take_force(self, stream: Stream, one: Pooled, choices: dict[str, Any], given: Mapping[str, Any]) -> None:
        assert one.worker.model is not None
        card = one.worker.model.card
        shown = None
        if "classes" in choices:
            shown = class_ids(choices["classes"], card, strict="classes" in given)
            choices = {k: v for k, v in choices.items() if k != "classes"}
            if shown is not None:
                choices["classes"] = [card.label(class_id) for class_id in sorted(shown)]
        if given.keys() & NEEDS_MODEL:
            stream.model.give_up()
            stream.model.failed = None
        if one.worker is not stream.model.next_worker:
            log.info("stream %s: has the model %s now", stream.name, one.key)
        if "model" in given:
            stream.model.adapted = {}
        stream.model.chosen = choices
        wanted = {**stream.model.adapted, **choices}
        stream.model.move(one.worker, InferenceOptions(self._options(wanted), shown))

    @staticmethod
    def _track(stream: Stream, tracking: Mapping[str, Any]) -> None:
        if tracking:
            stream.track(stream.tracking.changed(tracking))

    def _inform(self, stream: Stream) -> None:
        """Tell the camera what is in force."""
        if stream.publisher is not None:
            stream.publisher.inform(self.in_force(stream))

    def _options(self, wanted: Mapping[str, Any]) -> Options:
        return Options(**{k: wanted.get(k, getattr(self._defaults, k)) for k in Options.__slots__})

    def _check_side(self, key: ModelKey) -> None:
        """Ask a model that is loaded at another size whether it can have this one. Raises BadSetting."""
        known = (one.worker.model for one in self._pool.models if one.key.name == key.name)
        model = next((model for model in known if model is not None), None)
        if key.imgsz is None or model is None:
            return
        if model.stride is None:
            size = "no input size" if model.input_size is None else f"{model.input_size[0]}x{model.input_size[1]}"
            raise BadSetting.of("imgsz", key.imgsz, f"null, as the model {key.name} has {size} and can have no other")
        if key.imgsz % model.stride:
            raise BadSetting.of("imgsz", key.imgsz, f"a multiple of {model.stride} from 64 to 2048")

    # What is in force

    def asked(self, name: str, stream: Stream | None) -> tuple[ModelKey, InferenceOptions]:
        """Return the model that a stream has, and what it asks of it; for one that is not live, what it begins with."""
        if stream is not None:
            return self._pool.of(stream.model.next_worker).key, stream.model.next_options
        given = self._of_streams.get(name)
        chosen = {} if given is None else given.chosen()
        return self.offers.key(chosen), InferenceOptions(self._options(chosen))

    def at_the_start(self, name: str) -> SettingsMessage:
        """Return the settings that a stream of this name begins with, as far as they are known before it does."""
        given = self._of_streams.get(name)
        chosen = {} if given is None else given.chosen()
        own, options = self.offers.own, self.defaults.options
        return SettingsMessage(
            stream=name,
            model=chosen.get("model", own.name),
            engine=chosen.get("engine", own.engine),
            device="",
            imgsz=chosen.get("imgsz", own.imgsz),
            confidence=chosen.get("confidence", options.confidence),
            iou=chosen.get("iou", options.iou),
            max_detections=chosen.get("max_detections", options.max_detections),
            classes=chosen.get("classes"),
            **_told(Tracking() if given is None else given),
        )

    def in_force(self, stream: Stream) -> SettingsMessage:
        """Return the settings that the next frame is processed with."""
        worker = stream.model.next_worker
        model = worker.model
        engine = None if model is None else model.engine
        size = None if model is None else model.input_size
        asked = stream.model.next_options
        return SettingsMessage(
            stream=stream.name,
            model=self._pool.of(worker).key.name,
            engine="" if engine is None else engine.name,
            device="" if engine is None else engine.device,
            imgsz=None if size is None else max(size),
            confidence=asked.options.confidence,
            iou=asked.options.iou,
            max_detections=asked.options.max_detections,
            classes=stream.model.chosen.get("classes"),
            **_told(stream.tracking),
        )


def _told(tracking: Tracking) -> dict[str, Any]:
    return {key: getattr(tracking, key) for key in Tracking.model_fields}


def class_ids(classes: Sequence[int | str], card: ModelCard, *, strict: bool) -> frozenset[int] | None:
    """The ids of these labels and ids; None for all. Raises BadSetting for one that the model doesn't have.

    Not ``strict`` is for another model than they were chosen for: those that it lacks fall away, and where none of
    them is left all are shown.
    """
    found = {one: _class_id(one, card) for one in classes}
    if strict and None in found.values():
        missing = next(one for one, class_id in found.items() if class_id is None)
        some = ", ".join(card.labels[:8]) + (", ..." if len(card.labels) > 8 else "")
        raise BadSetting.of("classes", missing, f"labels or ids of the model {card.name}: {some or '0 to 254'}")
    ids = frozenset(class_id for class_id in found.values() if class_id is not None)
    return None if classes and not ids else ids


def _class_id(one: int | str, card: ModelCard) -> int | None:
    if isinstance(one, int):
        return one if one < (len(card.labels) or NOTHING) else None
    if one in card.labels:
        return card.labels.index(one)
    numbered = re.fullmatch(r"class (\d{1,3})", one)  # what the card calls a class without a label
    if numbered is None or not len(card.labels) <= int(numbered[1]) < NOTHING:
        return None
    return int(numbered[1])
