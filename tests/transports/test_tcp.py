"""A real server on a real port, and TCP peers that speak msgpack with a length before it."""

from __future__ import annotations

import asyncio
import json
import signal
import struct
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.hostile import HOSTILE
from support.serving import Running, balanced, metadata, peer, picture, pixels, serving
from support.tcp_peer import TcpPeer, frame, fresh, packed, tcp_peer
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")
TCP = ("--tcp-port", "0")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving(*TCP, env={"SIGHTLINE_IDLE_TIMEOUT": "5"}) as s:
        yield s


# The main job


async def test_hello_tells_the_limits(server: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.tcp).port)
    hello = await TcpPeer(reader, writer).receive()
    writer.close()
    assert hello == {
        "type": "hello",
        "model": "motion",
        "max_pending": 2,
        "max_fps": 60.0,
        "max_message_bytes": 4 << 20,
        "max_pixels": 4096 * 4096,
        "preset": "default",
        "fps": 30.0,
        "quality": 0.5,
        "width": 640,
    }


async def test_every_frame_gets_one_answer_and_the_ledger_is_exact(server: Running) -> None:
    async with tcp_peer(server.tcp) as camera:
        await camera.send(frame("main", 0))
        status = await camera.receive()
        assert (status["type"], status["stream"], status["state"]) == ("status", "main", "ready")
        await camera.next("result")
        answers = await camera.publish("main", 8, start=1)
        result = answers[-1]
        assert (result["type"], result["seq"], result["timestamp"]) == ("result", 8, 1008.0)
        assert (result["width"], result["height"], result["model"]) == (320, 180, "motion")
        assert result["captured_at"] <= result["received_at"] <= result["processed_at"]
        assert {"queue", "decode"} <= set(result["stages"])
        assert result["detections"], "the square moves"
        assert result["mask_kind"] == "instances"
        assert pixels(result["mask"], grey=True).max() == len(result["detections"])
        stream = await server.stream("main")
        assert (stream["received"], stream["delivered"], stream["in_flight"]) == (9, 9, 0)


async def test_streams_on_one_connection_are_apart(server: Running) -> None:
    async with tcp_peer(server.tcp) as one:
        await one.send(*(frame(f"many-{i}", i) for i in range(5)))
        got = [await one.next("result") for _ in range(5)]
        assert {(m["stream"], m["seq"]) for m in got} == {(f"many-{i}", i) for i in range(5)}
        await one.send({"type": "close", "stream": "many-0"}, {"type": "close", "stream": "never-begun"})
        await server.until(lambda s: s["streams"]["many-0"]["state"] == "waiting")
        assert (await server.stream("many-1"))["state"] == "live"
        assert (await one.publish("many-1", 1))[0]["type"] == "result"
        assert (await one.publish("many-0", 1))[0]["type"] == "result", "and again"


async def test_a_camera_whose_connection_died_unnoticed_has_its_stream_at_once(server: Running) -> None:
    def first(seq: int, session: str) -> dict[str, object]:
        return frame("roaming", seq) | {"session": session}

    async with tcp_peer(server.tcp) as dead, tcp_peer(server.tcp) as stranger, tcp_peer(server.tcp) as back:
        await dead.send(first(0, "pi"))
        await dead.next("result")
        await stranger.send(first(1, "stranger"))
        assert (await stranger.next("error"))["code"] == "stream_busy"
        await stranger.send(first(2, "x" * 65))
        assert (await stranger.next("error"))["code"] == "bad_message"
        await back.send(first(3, "pi"))
        assert (await back.next("result"))["seq"] == 3
        await dead.next("error")
        assert (await back.publish("roaming", 1, start=4))[0]["type"] == "result", (
            "the end of the other does not matter"
        )
    ended = await server.until(lambda s: s["streams"]["roaming"]["state"] == "waiting")
    assert balanced(ended["streams"]["roaming"])


async def test_a_busy_stream_is_refused_alone(server: Running) -> None:
    async with tcp_peer(server.tcp) as first, tcp_peer(server.tcp) as second:
        await first.publish("busy", 1)
        await second.send(frame("busy", 7), frame("not-busy", 8))
        error = await second.next("error")
        assert (error["code"], error["stream"], error["seq"]) == ("stream_busy", "busy", 7)
        assert (await second.next("result"))["stream"] == "not-busy"
        await first.send({"type": "close", "stream": "busy"})
        await server.until(lambda s: s["streams"]["busy"]["state"] == "waiting")
        assert (await second.publish("busy", 1, start=8))[0]["type"] == "result", "it is free now"


async def test_messages_may_come_in_any_pieces(server: Running) -> None:
    async with tcp_peer(server.tcp) as camera:
        data = packed(frame("pieces", 0, picture(0, 64, 48)))
        for i in range(len(data)):
            await camera.send_raw(data[i : i + 1])
        assert (await camera.next("result"))["seq"] == 0
        await camera.send_raw(b"".join(packed({"type": "ping", "timestamp": i}) for i in range(100)))
        assert [(await camera.next("pong"))["timestamp"] for _ in range(100)] == list(range(100))


async def test_overload_drops_the_older_frame_with_a_notice_and_balances(server: Running) -> None:
    count = 200
    big = picture(0, 1280, 720)
    async with tcp_peer(server.tcp) as camera:
        sending = asyncio.create_task(camera.send(*(frame("flood", seq, big) for seq in range(count))))
        answered: Counter[int] = Counter()
        reasons: Counter[str] = Counter()
        while answered.total() < count:
            message = await camera.next("result", "dropped")
            answered[message["seq"]] += 1
            reasons[message.get("reason", "result")] += 1
            if answered.total() % 40 == 0:
                assert balanced(await server.stream("flood"))
        await sending
    assert set(answered.values()) == {1}
    assert reasons["result"] > 0
    assert set(reasons) <= {"result", "replaced", "rate"}
    stream = await server.stream("flood")
    assert (stream["received"], stream["in_flight"]) == (count, 0)
    assert stream["delivered"] == reasons["result"]


async def test_who_wants_no_results_costs_nothing(server: Running) -> None:
    async with tcp_peer(server.tcp) as camera:
        await camera.send(frame("feed", 0, results=False))
        dropped = await camera.next("result", "dropped")
        assert (dropped["type"], dropped["reason"]) == ("dropped", "unwatched")
        await camera.send(frame("feed", 1))
        assert (await camera.next("result", "dropped"))["type"] == "result"


async def test_subscribers_get_results_and_pictures_as_they_ask(server: Running) -> None:
    async with tcp_peer(server.tcp) as camera, tcp_peer(server.tcp) as viewer, tcp_peer(server.tcp) as listener:
        await viewer.send({"type": "subscribe", "stream": "seen", "pictures": True})
        await listener.send({"type": "subscribe", "stream": "seen"})
        assert (await viewer.receive())["state"] == "waiting"
        assert (await listener.receive())["state"] == "waiting"
        for seq in range(6):
            await camera.publish("seen", 1, start=seq)
            shown, told = await viewer.next("result"), await listener.next("result")
            assert (shown["seq"], shown["data"]) == (seq, picture(seq)), "the publisher's own JPEG"
            assert pixels(shown["mask"], grey=True).max() == len(shown["detections"])
            assert not {"data", "mask", "mask_kind"} & set(told)
            assert told["detections"] == shown["detections"]
        stats = await server.stream("seen")
        assert stats["viewers"] == 1, "a listener looks at no pictures"
        await viewer.send({"type": "unsubscribe", "stream": "seen"}, {"type": "unsubscribe", "stream": "other"})
        await server.until(lambda s: s["streams"]["seen"]["viewers"] == 0)
        await camera.send({"type": "close", "stream": "seen"})
        while (await listener.next("status"))["state"] != "ended":
            pass  # that the model is ready, perhaps
        await viewer.send({"type": "subscribe", "stream": "seen"}, {"type": "ping", "timestamp": 1})
        assert {(await viewer.receive())["type"] for _ in range(2)} == {"pong", "status"}, "nothing of before"


async def test_one_connection_may_publish_and_subscribe(server: Running) -> None:
    async with tcp_peer(server.tcp) as both, tcp_peer(server.tcp) as camera:
        await both.send({"type": "subscribe", "stream": "theirs"}, {"type": "subscribe", "stream": "theirs"})
        error = await both.next("error")
        assert (error["code"], error["stream"]) == ("bad_request", "theirs"), "once is enough"
        await camera.publish("theirs", 1)
        assert (await both.next("result"))["stream"] == "theirs"
        assert (await both.publish("ours", 1))[0]["stream"] == "ours"


# Pictures and names that can't be taken: that frame alone

HUGE = picture().replace(struct.pack(">HH", 180, 320), struct.pack(">HH", 30000, 30000))


@pytest.mark.parametrize(
    ("jpeg", "reason", "part"),
    [
        (b"PNG? no.", "bad_image", "JPEG"),
        (b"", "bad_image", "JPEG"),
        (HUGE, "too_large", "30000"),
        (picture() + bytes(4 << 20), "too_large", "4194304"),
    ],
)
async def test_a_picture_that_cannot_be_taken_is_dropped_alone(
    server: Running, jpeg: bytes, reason: str, part: str
) -> None:
    """Fault 11."""
    async with tcp_peer(server.tcp) as camera:
        alone = fresh()
        await camera.publish(alone, 1)
        await camera.send(frame(alone, 1, jpeg))
        answer = await camera.next("error", "result", "dropped")
        assert (answer["type"], answer["reason"], answer["seq"]) == ("dropped", reason, 1)
        assert part in answer["message"]
        assert (await camera.publish(alone, 1, start=2))[0]["type"] == "result", "the stream goes on"
        stream = await server.stream(alone)
        assert (stream["received"], stream["delivered"], stream["dropped"]) == (3, 2, {reason: 1})


@pytest.mark.parametrize("name", ["a b", ""])
async def test_a_frame_of_no_stream_is_refused_alone(server: Running, name: str) -> None:
    async with tcp_peer(server.tcp) as camera:
        alone = fresh()
        await camera.publish(alone, 1)
        await camera.send(frame(name, 1, picture()))
        error = await camera.next("error", "result")
        assert (error["type"], error["code"], error["seq"]) == ("error", "bad_request", 1)
        assert "stream name" in error["message"]
        assert (await camera.publish(alone, 1, start=2))[0]["type"] == "result", "the stream goes on"


async def test_a_bad_subscription_is_refused_alone(server: Running) -> None:
    async with tcp_peer(server.tcp) as viewer:
        await viewer.send({"type": "subscribe", "stream": "a/b"})
        assert (await viewer.next("error"))["code"] == "bad_request"
        await viewer.send({"type": "ping", "timestamp": 1})
        assert (await viewer.receive())["type"] == "pong"


# What is not the protocol: a reasoned error, and only that peer is closed

RAW = {name: len(body).to_bytes(4, "big") + body for name, body in HOSTILE.items()} | {
    "a length over the limit": (2**32 - 1).to_bytes(4, "big"),
    "a long message": packed(frame("x", 1, bytes(5 << 20))),
    "an HTTP request": b"POST /frame HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
async def test_what_is_not_the_protocol_closes_only_that_peer(server: Running, name: str) -> None:
    name_good, name_bad = fresh(), fresh()
    async with tcp_peer(server.tcp) as good, tcp_peer(server.tcp) as bad:
        await good.publish(name_good, 1)
        await bad.publish(name_bad, 1)
        await bad.send_raw(RAW[name])
        error = await bad.refused()
        assert error["code"] in ("bad_message", "too_large"), error
        assert "expected" in error["message"]
        assert (await good.publish(name_good, 1))[0]["type"] == "result"
    stream = await server.stream(name_bad)
    assert balanced(stream)
    assert stream["in_flight"] == 0


async def test_the_reason_arrives_even_though_the_peer_goes_on_sending(server: Running) -> None:
    async with tcp_peer(server.tcp) as bad:
        sending = asyncio.create_task(bad.send_raw(b"\xff" * (16 << 20)))
        assert (await bad.refused())["code"] == "too_large"
        await asyncio.wait([sending])
        assert sending.done()
        sending.exception()  # a reset is fine by now


@given(st.lists(st.one_of(st.binary(max_size=60).map(lambda b: len(b).to_bytes(4, "big") + b), st.binary(max_size=60))))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
async def test_noise_harms_nobody(server: Running, noise: list[bytes]) -> None:
    async with tcp_peer(server.tcp) as good, tcp_peer(server.tcp) as bad:
        await bad.send_raw(b"".join(noise))
        bad.writer.write_eof()
        while data := await within(bad.reader.read(1 << 16), 30):
            assert data
        assert (await good.publish(fresh(), 1))[0]["type"] == "result"


# The server's side


async def test_a_frame_may_come_as_one_map_over_websocket(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/mapped") as camera:
        await camera.ws.send(msgspec.msgpack.encode(frame("mapped", 3)))
        answer, _ = await camera.next("result")
        assert (answer["frameNumber"], answer["timestamp"]) == (3, 1003.0)
        await camera.send_frame(4)
        assert (await camera.next("result"))[0]["frameNumber"] == 4, "as well as in two messages"
        await camera.ws.send(msgspec.msgpack.encode(frame("another", 5)))
        assert "expected 'mapped'" in (await camera.refused())["message"]


@pytest.mark.parametrize("name", ["no data", "arrays in arrays", "a binary of 4 GB", "unknown type"])
async def test_a_hostile_map_over_websocket_closes_only_that_peer(server: Running, name: str) -> None:
    async with peer(f"{server.ws}/ws/camera/{fresh()}") as good, peer(f"{server.ws}/ws/camera/{fresh()}") as bad:
        await bad.ws.send(HOSTILE[name])
        assert (await bad.refused())["code"] in ("bad_message", "too_large")
        await good.send_frame(1)
        await good.next("result")


async def test_a_map_between_metadata_and_picture_is_no_picture(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/mixed") as camera:
        await camera.ws.send(metadata(1))
        await camera.ws.send(msgspec.msgpack.encode(frame("mixed", 1)))
        answer, _ = await camera.next("dropped", "error")
        assert answer["reason"] == "bad_image"


async def test_limits_hold_over_tcp_too() -> None:
    env = {"SIGHTLINE_MAX_STREAMS": "1", "SIGHTLINE_MAX_VIEWERS": "2", "SIGHTLINE_MAX_FPS": "1"}
    async with (
        serving(*TCP, env=env) as server,
        tcp_peer(server.tcp) as camera,
        tcp_peer(server.tcp) as viewer,
        tcp_peer(server.tcp) as third,
    ):
        await camera.publish("a", 1)
        error = (await camera.publish("b", 1))[0]
        assert (error["code"], "max_streams" in error["message"]) == ("limit_reached", True)
        reasons = Counter(m.get("reason", "result") for m in await camera.publish("a", 6, start=1))
        assert reasons["rate"] >= 3, reasons
        for one, refused in ((camera, False), (viewer, False), (third, True)):
            await one.send({"type": "subscribe", "stream": "a"})
            message = await one.next("status", "error")
            assert (message["type"] == "error") == refused


async def test_sigterm_tells_clients_why_and_exits_with_0() -> None:
    async with serving(*TCP) as server:
        async with tcp_peer(server.tcp) as camera, tcp_peer(server.tcp) as viewer, tcp_peer(server.tcp) as idle:
            await camera.publish("x", 2)
            await viewer.send({"type": "subscribe", "stream": "x"})
            await viewer.next("status")
            server.process.send_signal(signal.SIGTERM)
            for p in (camera, viewer, idle):
                assert (await p.refused())["code"] == "shutting_down"
        assert await within(server.process.wait(), 10) == 0
        assert "Traceback" not in "".join(server.log), json.dumps(server.log)


async def test_port_taken_is_told(server: Running) -> None:
    port = str(urlsplit(server.tcp).port)
    with pytest.raises(AssertionError, match="the server ended") as ended:
        async with serving("--tcp-port", port):
            pass
    assert "--tcp-port" in str(ended.value)
    assert "Traceback" not in str(ended.value)


async def test_without_the_option_nothing_listens() -> None:
    async with serving() as server:
        assert "tcp://" not in "".join(server.log)


@pytest.mark.parametrize("more", [{}, {"events": True}])
async def test_a_subscription_that_ends_before_it_begins_leaves_nothing_behind(
    server: Running, more: dict[str, bool]
) -> None:
    """What Python says of a coroutine that nobody awaited is a traceback in the log."""
    async with tcp_peer(server.tcp) as peer:
        name = fresh()
        for _ in range(3):
            await peer.send(
                {"type": "subscribe", "stream": name} | more, {"type": "unsubscribe", "stream": name} | more
            )
        await peer.send({"type": "subscribe", "stream": name} | more)  # and then it leaves
    async with tcp_peer(server.tcp) as other:
        await other.send({"type": "ping", "timestamp": 1})
        await other.next("pong")
    assert "never awaited" not in "".join(server.log)
    assert not server.log.tracebacks
