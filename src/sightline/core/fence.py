"""A fence around code that is not ours: what it raises stays there, and is said once."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from types import TracebackType

from sightline.core.errors import FAULTS, cancelled, told


class Fence:
    """Keeps faults where they arise. Each part has a name, and is said to fail when it begins to, not every time."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._failing: dict[str, str] = {}

    @property
    def failing(self) -> dict[str, str]:
        """The reason of each part that failed the last time, by the part's name."""
        return dict(self._failing)

    @property
    def any(self) -> bool:
        """True while a part fails."""
        return bool(self._failing)

    def around(self, part: str, where: str = "") -> AbstractContextManager[None]:
        """Run a block in which that part is called. Whatever it raises ends the block, and no more than that.

        ``where``: words for the log before the part's name.
        """
        return _Fenced(self, part, where)

    def failed(self, part: str, error: BaseException, where: str = "") -> None:
        """Note, and say the first time, that the part fails."""
        if part not in self._failing:
            self._log.error("%s%s failed; said once until it works again", where, part, exc_info=error)
        self._failing[part] = told(error)

    def works(self, part: str, where: str = "") -> None:
        """Note that the part works."""
        if self._failing and self._failing.pop(part, None) is not None:
            self._log.info("%s%s works again", where, part)


class _Fenced(AbstractContextManager[None]):
    """A block inside a fence. A generator would take four times as long, and there are several for each frame."""

    __slots__ = ("_fence", "_part", "_where")

    def __init__(self, fence: Fence, part: str, where: str) -> None:
        self._fence, self._part, self._where = fence, part, where

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            self._fence.works(self._part, self._where)
            return False
        if not isinstance(error, FAULTS) or cancelled(error):
            return False
        self._fence.failed(self._part, error, self._where)
        return True
