"""A file of JSON lines that rotates by size. Written in a thread: a disk may stall."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sightline.settings.outputs import JsonlSink


class JsonlOutlet:
    """Appends. A line is never split over two files."""

    batch = 256
    every_s = 0.25
    retries: int | None = None

    def __init__(self, settings: JsonlSink) -> None:
        self.name = f"jsonl {settings.path}"
        self._path = settings.path
        self._max_bytes = settings.max_bytes
        self._keep = settings.keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink-jsonl")

    async def send(self, batch: list[tuple[str, bytes]]) -> None:
        """Append all lines. Raises OSError, after which none of them is in the file."""
        lines = [line for _, line in batch]
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, lines)

    async def close(self) -> None:
        """The thread ends by itself."""
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
                file.truncate(size)  # a full disk must not leave half a line
                raise

    def _rotate(self) -> None:
        """path.1 is the newest of the full ones."""
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
