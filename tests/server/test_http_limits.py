"""HTTP requests without end, in too many pieces, or too many of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from support.serving import Running, camera, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving(env={"SIGHTLINE_REQUEST_TIMEOUT": "2"}) as running:
        yield running


def begun(server: Running, method: str, path: str, *headers: str) -> bytes:
    """A request's head without the line that ends it."""
    host = server.url.removeprefix("http://")
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, ""]).encode()


async def flood(server: Running, first: bytes, block: bytes, most: int) -> bool:
    """Send ``block`` up to ``most`` times. True if the server ended it."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(first)
        for _ in range(most):
            writer.write(block)
            await writer.drain()
        await within(reader.read(), 20)
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    finally:
        writer.close()
    return True


POST = ("POST", "/api/session", "Content-Type: application/json", "Transfer-Encoding: chunked")
FLOODS = {
    "a header": (("GET", "/"), b"X: ", b"x" * 65536, "head of more than"),
    "headers": (("GET", "/"), b"", b"a:b\r\n" * 10000, "more than 100 headers"),
    "chunks": (POST, b"\r\n", b"1\r\nx\r\n" * 10000, "more than 4100 pieces"),
    "a chunk's extension": (POST, b"\r\n1;", b"x" * 65536, "head of more than"),
    "trailers": (POST, b"\r\n1\r\nx\r\n0\r\n", b"a:b\r\n" * 10000, "more than 100 headers"),
}


@pytest.mark.parametrize("what", FLOODS)
async def test_what_has_no_end_is_ended(server: Running, what: str) -> None:
    head, then, block, said = FLOODS[what]
    memory = psutil.Process(server.process.pid).memory_info().rss
    assert await flood(server, begun(server, *head) + then, block, 1000)
    await server.said(said)
    assert psutil.Process(server.process.pid).memory_info().rss - memory < 16 << 20
    assert (await server.http.get("/health")).status_code == 200
    assert "Traceback" not in "".join(server.log)


async def test_an_address_without_end_is_ended(server: Running) -> None:
    assert await flood(server, b"GET /", b"x" * 65536, 1000)
    assert (await server.http.get("/health")).status_code == 200


async def test_requests_without_end_are_ended(server: Running) -> None:
    asks = begun(server, "GET", "/health") + b"\r\n"
    assert await flood(server, b"", asks * 1000, 200)
    await server.said("more than 500 requests a second")
    assert (await server.http.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/mjpeg/door", "/video/door.mp4", "/api/events/live"])
async def test_who_leaves_is_let_go_though_more_requests_wait(server: Running, path: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    async with camera(server, "door"):
        for _ in range(4):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(begun(server, "GET", path) + b"\r\n" + (begun(server, "GET", "/health") + b"\r\n") * 2)
            await within(reader.readuntil(b"\r\n\r\n"), 20)
            writer.transport.abort()
        received = (await server.stream("door"))["received"]
        await server.until(lambda stats: stats["streams"]["door"]["received"] > received + 2)
        await server.until(lambda stats: stats["streams"]["door"]["viewers"] == 0, seconds=5)
    assert "Traceback" not in "".join(server.log)


async def test_a_body_that_trickles_is_not_waited_for(server: Running) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        begun(server, "POST", "/api/session", "Content-Length: 1000", "Content-Type: application/json") + b"\r\n"
    )

    async def trickle() -> None:
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.2)

    trickling = asyncio.create_task(trickle())
    with contextlib.suppress(ConnectionError):
        await within(reader.read(), 20)
    trickling.cancel()
    await asyncio.gather(trickling, return_exceptions=True)
    writer.close()


async def test_a_body_in_pieces_is_taken(server: Running) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in b'{"ticket": "none"}':
            yield bytes([byte])

    json = {"content-type": "application/json"}
    answer = await server.http.post("/api/session", content=pieces(), headers=json)
    whole = await server.http.post("/api/session", content=b'{"ticket": "none"}', headers=json)
    assert (answer.status_code, answer.content) == (whole.status_code, whole.content)


async def test_what_stands_after_a_body_is_no_header(server: Running) -> None:
    """A proxy may not have looked at it. So anybody could write what only the proxy writes."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b"2\r\n{}\r\n0\r\nOrigin: http://elsewhere.example\r\nHost: elsewhere.example\r\n\r\n"
    writer.write(begun(server, *POST, "Connection: close") + b"\r\n" + body)
    answer = await within(reader.read(), 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 "), "not 403, as for what comes from elsewhere"
    assert b"expected ticket or token" in answer


async def leave_midway(server: Running, method: str, path: str, kind: str) -> None:
    """Send a part of a body to who reads it, and go."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = begun(
        server, method, path, f"Content-Type: {kind}; boundary=x", "Content-Length: 100", "Expect: 100-continue"
    )
    writer.write(head + b"\r\n")
    await within(reader.readuntil(b"\r\n"), 20)
    writer.write(b"--x\r\n")
    writer.transport.abort()


async def test_who_leaves_in_the_middle_of_a_body_leaves_no_traceback() -> None:
    async with serving() as server:
        paths = (await server.get("/openapi.json"))["paths"]
        takers = {
            (method, path, kind)
            for path, methods in paths.items()
            for method, described in methods.items()
            for kind in described.get("requestBody", {}).get("content", ())
        }
        assert {("post", "/whip/{stream}", "application/sdp"), ("post", "/api/predict", "image/jpeg")} < takers
        for method, path, kind in takers:
            await leave_midway(server, method.upper(), re.sub(r"\{\w+\}", "door", path), kind)
        assert (await server.http.get("/health")).status_code == 200
    assert (server.log.tracebacks, server.log.first) == (0, "")
