"""Files that are deleted, written on or replaced while they are sent: what was asked for comes, or a clear no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from sightline.core.errors import NotFound
from sightline.server.kept_file import KeptFile

WHOLE = bytes(range(256)) * 1024


async def sent(path: Path, *, range: str = "", meanwhile: Any = lambda: None) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer. ``meanwhile`` is called once its head is out."""
    found: list[Message] = []

    async def send(message: Message) -> None:
        found.append(message)
        if message["type"] == "http.response.start":
            meanwhile()

    async def receive() -> Message:
        raise AssertionError

    headers = [(b"range", range.encode())] if range else []
    scope = {"type": "http", "method": "GET", "headers": headers, "asgi": {"spec_version": "2.4"}}
    await KeptFile(path)(scope, receive, send)
    body = b"".join(message["body"] for message in found[1:])
    return found[0]["status"], dict(found[0]["headers"]), body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "clip.mp4").write_bytes(WHOLE)
    return tmp_path / "clip.mp4"


async def test_what_is_deleted_meanwhile_comes_whole(path: Path) -> None:
    status, headers, body = await sent(path, meanwhile=path.unlink)
    assert (status, headers[b"content-length"], body) == (200, str(len(WHOLE)).encode(), WHOLE)
    with pytest.raises(NotFound):
        await sent(path)


async def test_what_is_written_on_meanwhile_comes_as_it_was(path: Path) -> None:
    status, headers, body = await sent(path, meanwhile=lambda: path.write_bytes(WHOLE * 2))
    assert (status, headers[b"content-length"], body) == (200, str(len(WHOLE)).encode(), WHOLE)


@pytest.mark.parametrize(
    ("range", "parts"), [("bytes=4-7", [WHOLE[4:8]]), ("bytes=0-1,70000-140000", [WHOLE[70000:140001]])]
)
async def test_parts_of_what_is_replaced_meanwhile_are_of_the_one_that_was_there(
    path: Path, range: str, parts: list[bytes]
) -> None:
    def replace() -> None:
        other = path.with_suffix(".new")
        other.write_bytes(b"other" * 100_000)
        other.replace(path)

    status, headers, body = await sent(path, range=range, meanwhile=replace)
    assert (status, len(body)) == (206, int(headers[b"content-length"]))
    assert all(part in body for part in parts)
