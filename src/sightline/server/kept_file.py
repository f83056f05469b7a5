"""Files that may be deleted, or go on being written, while they are sent, and the right to them may end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any, BinaryIO

from fastapi.responses import FileResponse
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from sightline.core.errors import NotFound
from sightline.security.authentication import CONNECTION
from sightline.security.authorization import IDENTITY, Close, access_of


class KeptFile(FileResponse):
    """Sends what the file had when it was asked for: it is open until all is sent, and what is added is left out.

    Where the right to it ends meanwhile, so does the connection: a file may be hours long, and its reader slow.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises NotFound where it was deleted."""
        try:
            self._file: BinaryIO = await asyncio.to_thread(open, self.path, "rb")
        except FileNotFoundError:
            raise NotFound("it was deleted just now") from None
        with ExitStack() as stack:
            stack.callback(self._file.close)
            if (connection := scope.get("state", {}).get(CONNECTION)) is not None:
                stack.callback(self._watch(scope, lambda _: connection.close()))
            await self._opened()
            self.stat_result = os.fstat(self._file.fileno())
            self.set_stat_headers(self.stat_result)
            await super().__call__(scope, receive, send)

    def _watch(self, scope: Scope, close: Close) -> Callable[[], None]:
        """Have ``close`` called when the right to the file ends. Returns a function that cancels this."""
        identity = scope.get(IDENTITY)
        return access_of(HTTPConnection(scope)).watch(identity, close) if identity is not None else lambda: None

    async def _opened(self) -> None:
        """Do what can be done once it is open."""

    @asynccontextmanager
    async def _open_file(self) -> AsyncGenerator[Any]:
        assert self.stat_result is not None
        yield _Part(self._file, self.stat_result.st_size)


class _Part:
    """The first bytes of an open file, as Starlette reads them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._at = file, size, 0

    async def seek(self, at: int) -> None:
        self._at = at

    async def read(self, most: int) -> bytes:
        most = max(0, min(most, self._size - self._at))
        data = await asyncio.to_thread(os.pread, self._file.fileno(), most, self._at)
        self._at += len(data)
        return data
