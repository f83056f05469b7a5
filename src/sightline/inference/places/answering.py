"""What any process with a model does, whoever asks it: load what is asked for, and put answers into messages."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

from sightline.core.errors import FAULTS, LimitReached, ModelError, SightlineError, told
from sightline.inference.infer import Answer, Inferred, NotInferred, Same
from sightline.inference.place import ModelFacts
from sightline.inference.places.messages import (
    AnswerMessage,
    AnswersMessage,
    FailedMessage,
    InferredMessage,
    LoadRequest,
    ReadyMessage,
    RefusedMessage,
    SameMessage,
    kind_of,
    packed,
)
from sightline.models.base import Model
from sightline.zoo import loader
from sightline.zoo.foreign import check_foreign

PR_SET_PDEATHSIG = 1
"""From ``linux/prctl.h``."""
MB = 1 << 20


def load(request: LoadRequest) -> tuple[Model | None, ReadyMessage | RefusedMessage]:
    """Return the model and what is to be said of it; None in its place where it can't be loaded."""
    try:
        if request.foreign:
            check_foreign(Path(request.spec))
        model = loader.load_model(request.spec, request.options)
        model.card = replace(model.card, name=request.name)
        if request.memory_bytes is not None and (peak := peak_bytes()) > request.memory_bytes:
            raise LimitReached(f"it takes {peak / MB:.0f} MB: expected no more than {request.memory_bytes / MB:.0f}")
        return model, ReadyMessage(ModelFacts.of(model), peak_bytes())
    except SightlineError as e:
        return None, RefusedMessage(e.code, e.message)
    except FAULTS as e:
        return None, RefusedMessage(ModelError.code, f"{type(e).__name__}: {e}")


def answered(answers: Sequence[Answer]) -> bytes:
    """Return the answers as they are sent. A prediction that can't be sent fails alone."""
    try:
        return packed(AnswersMessage(tuple(map(_message, answers)), peak_bytes()))
    except TypeError:
        tried = tuple(_sendable(_message(answer)) for answer in answers)
        return packed(AnswersMessage(tried, peak_bytes()))


def peak_bytes() -> int:
    """Return the most memory that this process ever had; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def die_with_parent() -> None:
    """Whatever becomes of the server, this process does not outlive it, not even in native code that hangs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a person's Ctrl-C is for the server
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _message(answer: Answer) -> AnswerMessage:
    if isinstance(answer, Same):
        return SameMessage(answer.started, answer.took_ms)
    if isinstance(answer, NotInferred):
        return FailedMessage(answer.message)
    return _inferred(answer)


def _inferred(answer: Inferred) -> AnswerMessage:
    said = answer.prediction
    if not is_dataclass(said):
        return FailedMessage(f"a prediction of type {type(said).__name__}: expected a dataclass")
    values = {field.name: getattr(said, field.name) for field in fields(said)}
    return InferredMessage(kind_of(type(said)), values, answer.stages, answer.started)


def _sendable(message: AnswerMessage) -> AnswerMessage:
    try:
        packed(AnswersMessage((message,), 0))
    except TypeError as e:
        return FailedMessage(told(e))
    return message
