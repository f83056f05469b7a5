"""Output to a JSON Lines file that rotates by size. A thread writes it, as a disk may stall."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from pydantic import Field

from sightline.core.errors import ConfigError
from sightline.outputs.base import Item, Output, OutputSettings


class JsonlSettings(OutputSettings):
    """A file of JSON lines, the newest at its end; full ones become ``path.1``, ``path.2`` ..."""

    kind: Literal["jsonl"]
    path: Path
    max_bytes: int = Field(64 << 20, ge=1024)
    keep: int = Field(5, ge=0, le=1000)
    """Number of full files to keep."""


Settings = JsonlSettings


def check(settings: JsonlSettings) -> None:
    """Raise ConfigError if the file's folder does not exist."""
    if not settings.path.parent.is_dir():
        raise ConfigError(f"there is no folder {settings.path.parent}; make it first")


def open(settings: JsonlSettings) -> JsonlOutput:
    """Make the output. Its file is made with the first line."""
    return JsonlOutput(settings)


class JsonlOutput(Output):
    """Appends lines to the file. A line is never split over two files."""

    batch = 256
    every_s = 0.25
    retries: int | None = None

    def __init__(self, settings: JsonlSettings) -> None:
        self.name = f"jsonl {settings.path}"
        self._path = settings.path
        self._max_bytes = settings.max_bytes
        self._keep = settings.keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="output-jsonl")

    async def send(self, batch: Sequence[Item]) -> None:
        """Append all lines. Raises OSError, after which none of them is in the file."""
        lines = [item.body for item in batch]
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, lines)

    async def close(self) -> None:
        """Let the thread end, without waiting for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _write(self, lines: list[bytes]) -> None:
        data = b"\n".join(lines) + b"\n"
        size = self._path.stat().st_size if self._path.exists() else 0
        if size and size + len(data) > self._max_bytes:
            self._rotate()
            size = 0
        with self._path.open("ab", buffering=0) as file:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) or 0 :]
            except OSError:
                file.truncate(size)  # a full disk must not leave a partial line
                raise

    def _rotate(self) -> None:
        """Rename the full files, of which path.1 is the newest."""
        if not self._keep:
            self._path.unlink()
            return
        for n in range(self._keep - 1, 0, -1):
            older = self._numbered(n)
            if older.exists():
                older.replace(self._numbered(n + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, n: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{n}")
