"""The one error tree. Every message says what was got and what was expected.

Each error has a ``code``, the word that goes over the wire, an HTTP ``status`` and a WebSocket ``close_code``. One
handler turns any of them into an HTTP answer, another into a WebSocket ``error`` message.
"""

from __future__ import annotations

import asyncio
import errno
from typing import ClassVar

FAULTS = (BaseException,)
"""Whatever foreign code may raise when it is called back. What ``cancelled`` is true for has to be raised again."""


def cancelled(error: BaseException) -> bool:
    """Return True for what must go on: a person's Ctrl-C, and the cancellation of the current task.

    Any other cancellation is a fault.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # in a thread, where there is nothing to cancel
        return False
    return task is not None and task.cancelling() > 0


def told(error: BaseException) -> str:
    """Return an error as a sentence for a peer or the log, at most 300 characters."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error.message if isinstance(error, SightlineError) else f"{type(error).__name__}: {error}"[:300]


class SightlineError(Exception):
    """Base of all errors that are told to a person or a peer."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    close_code: ClassVar[int] = 1008

    @property
    def message(self) -> str:
        """The sentence for the peer."""
        return str(self)


class ProtocolError(SightlineError):
    """A peer sent something that is not in the protocol. Only that peer is closed."""

    code = "bad_message"
    status = 400


class BadImage(ProtocolError):
    """Bytes that are not a picture we accept."""

    code = "bad_image"


class TooLarge(ProtocolError):
    """A message or a picture is over a limit."""

    code = "too_large"
    status = 413
    close_code = 1009


class BadRequest(SightlineError):
    """A request that can't be understood: a stream's name, a query value."""

    code = "bad_request"
    status = 400


class BadSetting(SightlineError):
    """A choice that can't be taken over: which key, what was got, and what is allowed."""

    code = "bad_setting"
    status = 422

    def __init__(self, message: str, key: str = "", got: str = "", expected: str = "") -> None:
        super().__init__(message)
        self.key, self.got, self.expected = key, got, expected

    @classmethod
    def of(cls, key: str, got: object, expected: str) -> BadSetting:
        """``got``: any value."""
        shown = repr(got)[:80]
        return cls(f"{key}: got {shown}; expected {expected}", key, shown, expected)


class Superseded(SightlineError):
    """A newer change came while this one was under way."""

    code = "superseded"
    status = 409


class Changed(SightlineError):
    """Somebody else has changed it since it was read, so nothing was done."""

    code = "changed"
    status = 412


class Unauthorized(SightlineError):
    """Nobody we know: no token, or one that is wrong, expired or revoked."""

    code = "unauthorized"
    status = 401


class Forbidden(SightlineError):
    """A Host or an Origin that is not ours, or a right that this identity does not have."""

    code = "forbidden"
    status = 403


class NotFound(SightlineError):
    """Something that was asked for and is not here."""

    code = "not_found"
    status = 404


class StreamNotFound(NotFound):
    """No such stream is live."""

    code = "stream_not_found"


class StreamBusy(SightlineError):
    """The stream has a publisher already."""

    code = "stream_busy"
    status = 409
    close_code = 1013


class Moved(SightlineError):
    """Another hub of the cluster has the stream. ``url``: its address; empty where none is known for this transport."""

    code = "moved"
    status = 421
    close_code = 1012

    def __init__(self, message: str, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class InUse(SightlineError):
    """It can't be taken away: somebody uses it, or it is a part of the server."""

    code = "in_use"
    status = 409


class LimitReached(SightlineError):
    """A configured limit on streams, viewers or time is reached."""

    code = "limit_reached"
    status = 429
    close_code = 1013


class IdleTimeout(SightlineError):
    """A peer sent nothing for too long."""

    code = "idle_timeout"
    status = 408


class ShuttingDown(SightlineError):
    """The server is stopping."""

    code = "shutting_down"
    status = 503
    close_code = 1001


class Shortage(SightlineError):
    """This machine lacks something just now, which passes: it must be taken for nothing worse."""

    code = "shortage"
    status = 503
    close_code = 1013


SHORT = {
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "file descriptors"),
    **dict.fromkeys((errno.ENOMEM, errno.ENOBUFS), "memory"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "disk space"),
}
"""What is lacking, by the number of the system's error."""


NO_THREAD = "can't start new thread"
"""What Python says where the system has no thread to give."""


def shortage(error: BaseException) -> Shortage | None:
    """Return the shortage that an error of the system's is due to; None where there is none."""
    lacks = "memory" if isinstance(error, MemoryError) else None
    if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
        lacks = "memory or threads"
    if isinstance(error, OSError) and error.errno is not None:
        lacks = SHORT.get(error.errno)
    return None if lacks is None else Shortage(f"the server lacks {lacks} just now: expected another try in a second")


class ModelError(SightlineError):
    """A model can't be loaded, or failed while it ran."""

    code = "model_failed"
    status = 503


class RenderError(SightlineError):
    """A picture can't be drawn."""

    code = "render_failed"
    status = 500


class ConfigError(SightlineError):
    """A setting is wrong, or what was asked for isn't installed."""

    code = "bad_config"
    status = 400


class NoFolder(ConfigError, RuntimeError):
    """The user that the server runs as has no folder to keep anything in."""


class FolderInUse(ConfigError):
    """Another server has the folder."""


class SourceError(SightlineError):
    """A source can't be opened or read."""

    code = "bad_source"
    status = 400


class SourceRefused(SourceError):
    """A source refuses its user or password, or leads in a circle. Many lock out who asks often."""


class SinkError(SightlineError):
    """Results can't be written to where they should go."""

    code = "bad_sink"
    status = 500


class Unreachable(SightlineError):
    """The SDK can't reach the server, or lost it."""

    code = "unreachable"
    status = 503


class OwnFault(SightlineError):
    """What should not happen did: a fault of ours or of a plugin's. The log has it, the peer is told no more."""

    close_code = 1011

    def __init__(self) -> None:
        super().__init__("something failed on the server, whose log says what")


class StreamEnded(Exception):
    """Raised by a mailbox that was closed: the stream or the server ended. ``reason`` says why."""

    def __init__(self, reason: str = "closed") -> None:
        super().__init__(reason)
        self.reason = reason
