"""``examples/alert.py``: what each service documents is what a local web server gets."""

from __future__ import annotations

import asyncio
import json
import sys
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path

import pytest

from support.receivers import Hook, hook
from support.serving import ROOT
from support.waiting import within

EVENT = {"id": "1", "stream": "door", "phase": "start", "kind": "rule", "rule": "night", "class_name": "person"}
EVENT |= {"zone": "drive"}
JPEG = b"\xff\xd8 a picture \xff\xd9"


async def told(folder: Path, *arguments: str, env: dict[str, str], picture: bool = True, right: int = 0) -> None:
    (folder / "a.jpg").write_bytes(JPEG)
    named = {"SIGHTLINE_PICTURE": str(folder / "a.jpg")} if picture else {}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples" / "alert.py"), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env | named,
    )
    _, errors = await within(process.communicate(json.dumps(EVENT).encode()), 60)
    assert process.returncode == right, errors.decode()


def fields(web: Hook, number: int = -1) -> dict[str, bytes]:
    """The fields of a form that a web server got."""
    head = f"Content-Type: {web.headers[number]['content-type']}\r\n\r\n".encode()
    parts = [part for part in message_from_bytes(head + web.bodies[number]).walk() if not part.is_multipart()]
    found = {}
    for part in parts:
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        found[str(part.get_param("name", header="content-disposition"))] = data
    return found


async def test_ntfy_gets_the_picture_as_the_body_and_words_in_headers(tmp_path: Path) -> None:
    async with hook(lambda _: 200) as web:
        await told(tmp_path, "ntfy", web.url, env={"NTFY_TOKEN": "t0ken"})
        assert web.bodies == [JPEG]
        assert web.requests == ["PUT /hook/secret-path HTTP/1.1"]
        headers = web.headers[0]
        assert (headers["filename"], headers["title"]) == ("alert.jpg", "sightline"), "told in lower case here"
        assert headers["authorization"] == "bearer t0ken"
        await told(tmp_path, "ntfy", web.url, env={}, picture=False)
        assert web.bodies[1] == b"door: person in drive"
    assert str(make_header(decode_header("=?utf-8?q?door=3A_person_in_drive?="))) == "door: person in drive"


async def test_telegram_gets_a_photo_with_a_caption_or_a_message(tmp_path: Path) -> None:
    async with hook(lambda _: 200) as web:
        env = {"TELEGRAM_TOKEN": "12:ab", "TELEGRAM_API": web.url}
        await told(tmp_path, "telegram", "42", env=env)
        assert fields(web) == {"chat_id": b"42", "caption": b"door: person in drive", "photo": JPEG}
        await told(tmp_path, "telegram", "42", env=env, picture=False)
        assert fields(web) == {"chat_id": b"42", "text": b"door: person in drive"}
        paths = [line.split()[1].removeprefix("/hook/secret-path") for line in web.requests]
    assert paths == ["/bot12:ab/sendPhoto", "/bot12:ab/sendMessage"]


async def test_discord_gets_a_message_with_a_file(tmp_path: Path) -> None:
    async with hook(lambda _: 204) as web:
        await told(tmp_path, "discord", env={"DISCORD_WEBHOOK": web.url})
        assert fields(web) == {"payload_json": b'{"content": "door: person in drive"}', "files[0]": JPEG}


@pytest.mark.parametrize("status", [400, 500])
async def test_a_refusal_is_told_by_the_status(tmp_path: Path, status: int) -> None:
    async with hook(lambda _: status) as web:
        await told(tmp_path, "discord", env={"DISCORD_WEBHOOK": web.url}, right=1)
