"""One HTTP question to a device, whose answer is limited in size. How long it takes is for who asks to limit."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httptools

from sightline.core.errors import SourceError
from sightline.discovery.soap import MOST_BYTES, NoAnswer
from sightline.sources._foreign import addresses, place_of


async def post(url: str, body: bytes) -> tuple[int, bytes]:
    """Send a SOAP message to an http address that was checked; return status and body. Redirections are not followed.

    What the host's name means is asked again, and checked, here. Raises SourceError.
    """
    host, port = place_of(url)
    found = await asyncio.to_thread(_addresses, host, port or 80)
    try:
        reader, writer = await asyncio.open_connection(*found[0], limit=MOST_BYTES)
    except OSError as e:
        raise SourceError(f"{host}: can't be reached ({e.strerror or type(e).__name__})") from None
    path = urlsplit(url).path or "/"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc.rpartition('@')[2]}\r\nConnection: close\r\n"
        f"Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        writer.write(head.encode("ascii", "replace") + body)
        return await _answer(reader)
    except OSError as e:
        raise SourceError(f"{host}: the connection broke off ({e.strerror or type(e).__name__})") from None
    finally:
        writer.close()


def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    try:
        return addresses(host, port)
    except OSError:
        raise SourceError(f"{host[:80]}: nobody knows this name; check the address") from None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    size = 0
    try:
        while not answer.complete and (data := await reader.read(65_536)):
            size += len(data)
            if size > 2 * MOST_BYTES:
                raise NoAnswer("an answer without end: expected that of an ONVIF device")
            parser.feed_data(data)
        return parser.get_status_code(), bytes(answer.body)
    except httptools.HttpParserError:
        raise NoAnswer("an answer that is no HTTP: expected that of an ONVIF device") from None


class _Answer:
    """What the parser calls."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.complete = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True
