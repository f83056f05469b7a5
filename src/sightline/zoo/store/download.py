"""Download of a file by HTTP: streamed, resumed and checked. It gets its own name only when it is complete."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from io import RawIOBase
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from sightline.core.errors import ModelError
from sightline.core.net import is_loopback
from sightline.core.version import __version__
from sightline.zoo.store.verify import Expected, judge, megabytes

CHUNK = 1 << 18
TIMEOUT_S = 30
PATIENCE = (1.0, 4.0, 10.0)
"""Seconds to wait before each retry. The waits start again after an attempt that brought new bytes."""
ELSEWHERE = "Free some space, or have the cache elsewhere: SIGHTLINE_CACHE is its folder"
RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(?:\d{1,15}|\*)")
LATER = (408, 425, 429)
"""Statuses below 500 after which another attempt may help."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Function called with the number of bytes so far and the total, which is None if unknown."""


class DownloadFailed(ModelError):
    """Error of the network or the server. The bytes that came are kept, and the next attempt resumes there."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded file, complete and checked."""

    sha256: str
    size: int
    commit: str
    """Commit of the hub's repository that it came from; empty if the server named none."""


def fetch(
    url: str,
    target: Path,
    expected: Expected,
    *,
    hub: bool = False,
    progress: Progress | None = None,
    patience: Sequence[float] = PATIENCE,
) -> Fetched:
    """Download a file; ``target.part`` holds it until it is complete.

    With ``hub``, the server's own hash (git's, or the sha256 of a large file) counts if ``expected`` has none. Raises
    DownloadFailed, or ModelError if the file is wrong or can't be written, and then nothing is left.
    """
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    while True:
        resumed = _size(part) > 0
        told = _get_all(url, part, expected, progress or _silent, patience)
        found = judge(part, told.complete(expected) if hub else expected)
        if not found.wrong:
            part.replace(target)
            return Fetched(found.sha256, found.size, told.commit)
        part.unlink()
        if not resumed:  # a resumed part may have been of another version: once more, from the start
            raise ModelError(f"{shown(url)}: {found.wrong}. The file was thrown away")


def check_address(url: str) -> None:
    """Raise ModelError unless the address is https, or http to this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ModelError(f"{shown(url)}: expected an https address")


def shown(url: str) -> str:
    """An address without its possible secrets: user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _Told:
    """Hash and commit of a file as the hub tells them, in its answer or in redirects to its storage."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._linked = self._own = ""
        self.commit = ""

    def listen(self, url: str, headers: Message) -> None:
        """Read an answer's headers. Those of other servers are ignored."""
        if urlsplit(url).netloc != self._host:
            return
        commit = headers.get("X-Repo-Commit", "")
        self.commit = commit if re.fullmatch("[0-9a-f]{40}", commit) else self.commit
        self._linked = headers.get("X-Linked-ETag", self._linked)
        self._own = headers.get("ETag", self._own)

    def complete(self, expected: Expected) -> Expected:
        """``expected``, with the hub's hash if it has none: the sha256 of a large file, git's of a small one."""
        if expected.sha256 or expected.git_sha1:
            return expected
        tag = (self._linked or self._own).removeprefix("W/").strip('"').lower()
        return Expected(
            sha256=tag if re.fullmatch("[0-9a-f]{64}", tag) else "",
            git_sha1=tag if re.fullmatch("[0-9a-f]{40}", tag) else "",
            size=expected.size,
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to addresses that ``check_address`` allows, and reads their headers."""

    def __init__(self, told: _Told) -> None:
        self._told = told

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_address(newurl)
        self._told.listen(req.full_url, headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _get_all(url: str, part: Path, expected: Expected, progress: Progress, patience: Sequence[float]) -> _Told:
    """Complete ``part`` in one or more attempts. Raises DownloadFailed or ModelError."""
    check_address(url)
    waits = list(patience)
    at_first = _size(part)
    while True:
        before = _size(part)
        told = _Told(url)
        try:
            _attempt(url, part, expected, progress, told)
        except urllib.error.HTTPError as e:
            e.close()
            why = f"the server answers {e.code} {e.reason}"
            if e.code < 500 and e.code not in LATER:
                raise DownloadFailed(f"{shown(url)}: {why}") from None
        except (http.client.HTTPException, OSError) as e:  # URLError is an OSError
            cause = getattr(e, "reason", None) or e
            why = getattr(cause, "strerror", None) or str(cause) or type(e).__name__
            if isinstance(cause, socket.gaierror) and before == at_first:
                waits.clear()  # without a network waiting does not help
        else:
            return told
        if _size(part) > before:
            waits = list(patience)
        if not waits:
            there = f"; {megabytes(_size(part))} have come and are kept: the next attempt goes on there"
            raise DownloadFailed(f"{shown(url)}: {why}{there if _size(part) else ''}")
        time.sleep(waits.pop(0))


def _attempt(url: str, part: Path, expected: Expected, progress: Progress, told: _Told) -> None:
    """Request the missing bytes once."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": f"sightline/{__version__}"})
    request.add_header("Accept-Encoding", "identity")
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.build_opener(_Redirects(told)).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as e:
        told.listen(e.url, e.headers)
        if e.code != 416:
            raise
        e.close()  # no bytes follow the ones here: the file may be complete, which its hash will show
        return
    with answer:
        told.listen(answer.url, answer.headers)
        start = _first_byte(answer, have)
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if re.fullmatch(r"\d{1,15}", length) else None
        _check_room(url, part, start, total, expected)
        _store(answer, part, start, total, progress)
    if total is not None and _size(part) < total:
        raise ConnectionError("the connection broke")


def _first_byte(answer: Any, have: int) -> int:
    """Offset in the file at which the answer begins. A server without ranges sends the whole file again."""
    if answer.status != 206:
        return 0
    found = RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if not found or int(found[1]) != have:
        raise http.client.HTTPException("the server sent another part than was asked for")
    return have


def _check_room(url: str, part: Path, start: int, total: int | None, expected: Expected) -> None:
    if expected.size and total is not None and total != expected.size:
        part.unlink(missing_ok=True)
        raise ModelError(f"{shown(url)}: the server has {total} bytes, expected {expected.size}")
    need, free = (total or expected.size) - start, shutil.disk_usage(part.parent).free
    if need > free:
        part.unlink(missing_ok=True)
        raise ModelError(f"{part.parent}: {megabytes(need)} are needed and {megabytes(free)} are free. {ELSEWHERE}")


def _store(answer: Any, part: Path, start: int, total: int | None, progress: Progress) -> None:
    """Append the answer to ``part``. Unbuffered, so that a full disk shows at once and leaves nothing to flush."""
    done = start
    progress(done, total)
    try:
        file = part.open("ab" if start else "wb", buffering=0)
    except OSError as e:
        raise ModelError(f"{part} can't be written: {e.strerror or e}") from e
    try:
        with file as stream:
            while (total is None or done < total) and (chunk := answer.read1(CHUNK)):
                _write(stream, chunk)
                done += len(chunk)
                progress(done, total)
    except _Full as e:
        part.unlink(missing_ok=True)
        raise ModelError(f"{part.parent}: {e}; nothing was kept. {ELSEWHERE}") from e


class _Full(Exception):
    """Error for a full disk, or a quota or limit that is reached."""


def _write(stream: RawIOBase, chunk: bytes) -> None:
    try:
        while chunk:
            chunk = chunk[stream.write(chunk) :]
    except OSError as e:
        raise _Full(e.strerror or str(e)) from e


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _silent(_done: int, _total: int | None) -> None:
    return
