"""Peers that send what they should not, or may not ask: a clear error, and only they are closed."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from support.serving import Running, balanced, metadata, peer, picture, publish, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving(env={"SIGHTLINE_IDLE_TIMEOUT": "5", "SIGHTLINE_REQUEST_TIMEOUT": "2"}) as s:
        yield s


# Bad input

HUGE = picture().replace(struct.pack(">HH", 180, 320), struct.pack(">HH", 30000, 30000))
BAD_CAMERA: list[tuple[str, list[str | bytes], str, str]] = [
    ("binary first", [b"x"], "bad_message", "expected frame_metadata"),
    ("not JSON", ["hello"], "bad_message", "expected one of"),
    ("unknown type", ['{"type":"reboot"}'], "bad_message", "reboot"),
    ("two announcements", [metadata(1), metadata(2)], "bad_message", "two frame_metadata"),
    ("long text", ["x" * 33000], "too_large", "32768"),
]


@pytest.mark.parametrize(("what", "sends", "code", "part"), BAD_CAMERA, ids=[b[0] for b in BAD_CAMERA])
async def test_a_malformed_message_is_answered_and_closes_only_that_peer(
    server: Running, what: str, sends: list[str | bytes], code: str, part: str
) -> None:
    name = re.sub(r"\W", "-", what)  # its own: who came before may not be gone yet
    async with peer(f"{server.ws}/ws/camera/good-{name}") as good, peer(f"{server.ws}/ws/camera/{name}") as bad:
        for message in sends:
            await bad.ws.send(message)
        error = await bad.refused()
        assert error["code"] == code, error
        assert part in error["message"]
        assert await publish(good, 1) == {"result": 1}
    stream = await server.stream(name)
    assert balanced(stream)
    assert stream["in_flight"] == 0


@pytest.mark.parametrize(
    ("what", "jpeg", "reason", "part"),
    [
        ("no-jpeg", b"PNG? no.", "bad_image", "JPEG"),
        ("empty", b"", "bad_image", "JPEG"),
        ("cut", picture()[:60], "bad_image", "cut off"),
        ("huge", HUGE, "too_large", "30000"),
        ("big", picture() + bytes(4 << 20), "too_large", "4194304"),
        ("heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "bad_image", "HEIC pictures are not read"),
    ],
)
async def test_a_bad_picture_is_dropped_with_its_reason_and_the_session_goes_on(
    server: Running, what: str, jpeg: bytes, reason: str, part: str
) -> None:
    """Fault 11."""
    async with peer(f"{server.ws}/ws/camera/bad-{what}") as camera:
        assert await publish(camera, 1) == {"result": 1}
        await camera.send_frame(1, jpeg)
        answer, _ = await camera.next("result", "dropped", "error")
        assert (answer["type"], answer["frameNumber"], answer["reason"]) == ("dropped", 1, reason)
        assert part in answer["message"]
        assert await publish(camera, 1, start=2) == {"result": 1}
        stream = await server.stream(f"bad-{what}")
        assert balanced(stream)
        assert (stream["received"], stream["dropped"]) == (3, {reason: 1})


async def test_a_picture_without_its_end_gets_a_result_that_says_so(server: Running) -> None:
    """Fault 9."""
    async with peer(f"{server.ws}/ws/camera/noeoi") as camera:
        for seq, jpeg in enumerate((picture(), picture()[:-2], picture()[: -len(picture()) // 10])):
            await camera.send_frame(seq, jpeg)
            answer, _ = await camera.next("result", "dropped", "error")
            assert (answer["type"], answer.get("damaged", False)) == ("result", seq > 0)


async def test_a_picture_that_only_fails_in_decoding_fails_alone(server: Running) -> None:
    jpeg = picture()
    scan = jpeg.index(b"\xff\xda")
    broken = jpeg[: scan + 14] + b"\xff\xd9"
    async with peer(f"{server.ws}/ws/camera/corrupt") as camera:
        await camera.send_frame(0, broken)
        answer, _ = await camera.next("result", "dropped")
        assert answer["frameNumber"] == 0
        assert await publish(camera, 1, start=1) == {"result": 1}, "the camera goes on"
        assert balanced(await server.stream("corrupt"))


@pytest.mark.parametrize("sends", ["nonsense", '{"type":"frame_metadata"}', b"bytes"])
async def test_a_viewer_that_talks_nonsense_is_told(server: Running, sends: str | bytes) -> None:
    async with peer(f"{server.ws}/ws/view/nonsense") as viewer:
        await viewer.ws.send(sends)
        assert (await viewer.refused())["code"] == "bad_message"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ws/camera/a%20b", "bad_request"),
        ("/ws/view/" + "x" * 65, "bad_request"),
        ("/ws?stream=a/b", "bad_request"),
        ("/ws/camera/a?results=maybe", "bad_request"),
        ("/ws/camera/a?session=" + "x" * 65, "bad_request"),
        ("/ws/view/a?render=gpu", "bad_request"),
    ],
)
async def test_a_bad_request_is_told(server: Running, path: str, code: str) -> None:
    async with peer(server.ws + path) as bad:
        assert (await bad.refused())["code"] == code


async def test_a_stream_has_one_camera(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/busy") as first, peer(f"{server.ws}/ws/camera/busy") as second:
        assert (await second.refused())["code"] == "stream_busy"
        assert await publish(first, 1) == {"result": 1}


async def test_a_camera_whose_connection_died_unnoticed_has_its_stream_at_once(server: Running) -> None:
    url = f"{server.ws}/ws/camera/roaming"
    async with peer(f"{url}?session=phone") as dead, peer(f"{server.ws}/ws/view/roaming") as viewer:
        assert await publish(dead, 1) == {"result": 1}
        async with peer(f"{url}?session=stranger") as stranger:
            assert (await stranger.refused())["code"] == "stream_busy"
        async with peer(f"{url}?session=phone") as back:
            assert await publish(back, 1) == {"result": 1}
            await dead.refused()
            assert await publish(back, 1, start=1) == {"result": 1}, "the end of the other one does not matter"
            await viewer.next("frame_metadata")
    ended = await server.until(lambda s: s["streams"]["roaming"]["state"] == "waiting")
    assert balanced(ended["streams"]["roaming"])


async def test_a_silent_camera_is_closed(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/silent") as camera:
        error = await camera.refused()
    assert (error["code"], "5 s" in error["message"]) == ("idle_timeout", True)


async def test_an_unfinished_request_is_closed(server: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
    await writer.drain()
    assert await within(reader.read(), 20) == b""
    writer.close()


async def test_a_connection_is_kept_longer_than_clients_keep_theirs(server: Running) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def asked() -> bytes:
        writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        head = await within(reader.readuntil(b"\r\n\r\n"), 20)
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
        return head

    assert b" 200 " in await asked()
    with pytest.raises(TimeoutError):
        await within(reader.read(), 5.5)  # httpx keeps its own for 5 s
    assert b" 200 " in await asked()
    writer.close()


# Who may ask


@pytest.mark.parametrize("path", ["/", "/stats", "/mjpeg/x", "/static/css/style.css", "/api/streams", "/nowhere"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "192.168.0.1:8000"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
async def test_foreign_hosts_and_origins_get_nothing(server: Running, path: str, headers: dict[str, str]) -> None:
    answer = await server.http.get(path, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize("path", ["/ws", "/ws/view/x", "/ws/camera/x"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_foreign_pages_get_no_socket(server: Running, path: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with peer(server.ws + path, additional_headers={"Origin": origin}):
            pass
    assert refused.value.response.status_code == 403


async def test_our_own_pages_get_a_socket(server: Running) -> None:
    async with peer(f"{server.ws}/ws/view/own", additional_headers={"Origin": server.url}) as viewer:
        assert (await viewer.receive())[0]["state"] == "waiting"
