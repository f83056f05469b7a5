"""A real server on a real port, and peers on real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import numpy as np
import pytest
import pytest_asyncio

from support.leftovers import Held
from support.serving import Running, balanced, left, metadata, peer, picture, pixels, publish, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving(env={"SIGHTLINE_IDLE_TIMEOUT": "5", "SIGHTLINE_REQUEST_TIMEOUT": "2"}) as s:
        yield s


# The main job


async def test_a_camera_gets_one_answer_a_frame_and_a_viewer_its_own_pictures(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/main") as camera, peer(f"{server.ws}/ws/view/main") as viewer:
        hello, _ = await camera.next("hello")
        assert hello["max_pending"] == 2
        status, _ = await viewer.receive()
        assert (status["type"], status["state"]) == ("status", "live")
        sent = {}
        for seq in range(12):
            sent[seq] = picture(seq)
            await camera.send_frame(seq, sent[seq])
            answer, _ = await camera.next("result", "dropped")
            assert (answer["type"], answer["frameNumber"], answer["timestamp"]) == ("result", seq, 1000.0 + seq)
            message, data = await viewer.next("frame_metadata")
            assert data is not None
            assert message["frameNumber"] == seq
            assert data[: message["jpeg_bytes"]] == sent[seq], "the viewer gets the publisher's own JPEG"
            assert message["detections"] == answer["detections"]
            assert {"decode", "infer", "queue"} <= set(message["stages"]) | {"infer"}
        assert answer["detections"], "the square moves"
        x1, y1, x2, y2 = answer["detections"][0]["xyxy"]
        assert left(11) - 16 < x1 < x2 < left(11) + 66, "it is the square that moved"
        assert 44 < y1 < y2 < 136
        stream = await server.stream("main")
        assert (stream["received"], stream["delivered"], stream["viewers"]) == (12, 12, 1)
        assert balanced(stream)


async def test_a_mask_follows_its_announcement_and_covers_the_frame(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/masks") as camera:
        for seq in range(8):
            await camera.send_frame(seq)
            answer, png = await camera.next("result")
        assert answer["mask_kind"] == "instances"
        assert png is not None
        mask = pixels(png, grey=True)
        assert mask.ndim == 2
        assert set(np.unique(mask)) == set(range(len(answer["detections"]) + 1))
        assert abs(mask.shape[1] / mask.shape[0] - 320 / 180) < 0.02


async def test_listeners_get_every_result_as_json(server: Running) -> None:
    async with (
        peer(f"{server.ws}/ws") as everything,
        peer(f"{server.ws}/ws?stream=one") as one,
        peer(f"{server.ws}/ws/camera/one?results=0") as camera_one,
        peer(f"{server.ws}/ws/camera/two?results=0") as camera_two,
    ):
        await server.until(lambda s: {"one", "two"} <= set(s["streams"]))
        await camera_one.send_frame(1)
        await camera_one.next("result")
        await camera_two.send_frame(2)
        await camera_two.next("result")
        await camera_one.send_frame(3)
        got = [(await everything.receive())[0] for _ in range(3)]
        assert [(m["type"], m["stream"], m["frameNumber"]) for m in got] == [
            ("result", "one", 1),
            ("result", "two", 2),
            ("result", "one", 3),
        ]
        assert not any("mask_bytes" in m for m in got)
        assert [(await one.receive())[0]["frameNumber"] for _ in range(2)] == [1, 3]


async def test_idle_is_free_and_ends_when_somebody_watches(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/idle?results=0") as camera:
        assert await publish(camera, 5) == {"dropped": 5}
        stream = await server.stream("idle")
        assert (stream["dropped"], stream["stages"]) == ({"unwatched": 5}, {}), "neither decoded nor inferred"
        thumbnail = await server.http.get("/api/streams/idle/thumbnail.jpg")
        assert thumbnail.content == picture(4)
        async with peer(f"{server.ws}/ws/view/idle") as viewer:
            await viewer.next("status")
            await camera.send_frame(5)
            message, _ = await viewer.next("frame_metadata")
            assert message["frameNumber"] == 5
        await server.until(lambda s: s["streams"]["idle"]["viewers"] == 0)
        await camera.next("result")
        assert await publish(camera, 1, start=6) == {"dropped": 1}


async def test_overload_drops_the_older_frame_with_a_notice_and_balances(server: Running) -> None:
    count = 200
    async with peer(f"{server.ws}/ws/camera/flood") as camera:

        async def send() -> None:
            for seq in range(count):
                await camera.ws.send(metadata(seq, width=1280, height=720))
                await camera.ws.send(big)

        big = picture(0, 1280, 720)
        sending = asyncio.create_task(send())
        answered: Counter[int] = Counter()
        reasons: Counter[str] = Counter()
        while answered.total() < count:
            message, _ = await camera.next("result", "dropped")
            answered[message["frameNumber"]] += 1
            reasons[message.get("reason", "result")] += 1
            if answered.total() % 20 == 0:
                assert balanced(await server.stream("flood"))
        await sending
        assert set(answered.values()) == {1}
        assert reasons["result"] > 0
        assert set(reasons) <= {"result", "replaced", "rate"}
        stream = await server.stream("flood")
        assert (stream["received"], stream["in_flight"]) == (count, 0)
        assert stream["delivered"] == reasons["result"]
        assert sum(stream["dropped"].values()) == count - reasons["result"]


async def test_a_viewer_waits_for_the_camera_and_is_told_when_it_goes(server: Running) -> None:
    async with peer(f"{server.ws}/ws/view/later") as viewer:
        assert (await viewer.receive())[0]["state"] == "waiting"
        async with peer(f"{server.ws}/ws/camera/later") as camera:
            assert (await viewer.receive())[0]["state"] == "live"
            await publish(camera, 1)
            assert (await viewer.next("frame_metadata"))[0]["frameNumber"] == 0
        assert (await viewer.receive())[0]["state"] == "ended"
        async with peer(f"{server.ws}/ws/camera/later"):
            assert (await viewer.receive())[0]["state"] == "live"


async def test_acknowledging_viewers_have_at_most_two_frames_under_way(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/acks") as camera, peer(f"{server.ws}/ws/view/acks") as viewer:
        await viewer.next("status")
        await publish(camera, 1)
        await viewer.next("frame_metadata")
        await viewer.ws.send('{"type":"ack","frameNumber":0}')
        await viewer.ws.send('{"type":"ping","timestamp":5}')
        await viewer.next("pong")  # so the ack has been read
        await publish(camera, 6, start=1)
        got = [(await viewer.next("frame_metadata"))[0]["frameNumber"] for _ in range(2)]
        await server.until(lambda s: s["streams"]["acks"]["viewer_stats"][0]["dropped"] == 3)
        await viewer.ws.send(json.dumps({"type": "ack", "frameNumber": got[-1]}))
        assert (got, (await viewer.next("frame_metadata"))[0]["frameNumber"]) == ([1, 2], 6), "then the newest"


async def test_viewers_tell_how_they_are(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/told"), peer(f"{server.ws}/ws/view/told") as viewer:
        await viewer.ws.send('{"type":"performance_stats","fps":24.5,"latency":80,"queueSize":1}')
        stats = await server.until(lambda s: bool(s["streams"]["told"]["viewer_stats"][0]["fps"]))
        viewer_stats = stats["streams"]["told"]["viewer_stats"][0]
        assert viewer_stats == {"sent": 0, "dropped": 0, "fps": 24.5, "latency_ms": 80.0, "queue": 1}


async def test_ping_gives_the_servers_clock_and_the_offset_is_used(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/clock") as camera, peer(f"{server.ws}/ws/view/clock") as viewer:
        await camera.ws.send('{"type":"ping","timestamp":12.5}')
        pong, _ = await camera.next("pong")
        assert pong["timestamp"] == 12.5
        assert abs(pong["server_time"] / 1000 - time.time()) < 5
        now = time.time() * 1000
        announced = json.loads(metadata(0)) | {"timestamp": now - 1e6, "clockOffset": 1e6 - 100}
        await camera.ws.send(json.dumps(announced))
        await camera.ws.send(picture())
        message, _ = await viewer.next("frame_metadata")
        assert message["captured_at"] == pytest.approx(now - 100, abs=0.01)
        assert message["captured_at"] <= message["received_at"] <= message["processed_at"]


# Figures


async def test_stats_have_the_promised_keys(server: Running) -> None:
    async with peer(f"{server.ws}/ws/camera/figures") as camera:
        await publish(camera, 3)
        stats = await server.get("/stats")
        assert {
            *(
                "total_frames",
                "processed_frames",
                "dropped_frames",
                "last_latency_ms",
                "fps",
                "queue_size",
                "cpu",
                "ram",
            ),
            "streams",
        } <= set(stats)
        assert stats["total_frames"] >= 3
        assert stats["last_latency_ms"] > 0
        stream = stats["streams"]["figures"]
        assert set(stream["latency_ms"]) == {"p50", "p95", "p99"}
        assert {"queue", "decode"} <= set(stream["stages"])
        assert (stream["model"], stream["width"], stream["height"]) == ("motion", 320, 180)
        camera_stats = await server.get("/api/camera/figures/stats")
        assert (camera_stats["camera_connected"], camera_stats["viewer_count"]) == (True, 0)
        processor = camera_stats["processor_stats"]
        assert (processor["model"], processor["inference_size"], processor["confidence_threshold"]) == (
            *("motion", None),
            0.25,
        )
        assert (processor["gpu_available"], processor["target_fps"]) == (False, 30)
    camera_stats = await server.until(lambda s: not s["camera_connected"], path="/api/camera/figures/stats")


async def test_prometheus_tells_the_ledger(server: Running) -> None:
    async with (
        peer(f"{server.ws}/ws/camera/scraped") as camera,
        peer(f"{server.ws}/ws/camera/unseen?results=0") as unseen,
    ):
        await publish(camera, 2)
        await publish(unseen, 1)
        text = (await server.http.get("/metrics")).text
    assert 'sightline_frames_received_total{stream="scraped"} 2.0' in text
    assert 'sightline_frames_delivered_total{stream="scraped"} 2.0' in text
    assert 'sightline_frames_dropped_total{reason="unwatched",stream="unseen"} 1.0' in text
    assert 'sightline_frames_dropped_total{reason="unwatched",stream="scraped"}' not in text


async def test_openapi_types_every_answer(server: Running) -> None:
    spec = await server.get("/openapi.json")
    for path in ("/health", "/ready", "/stats", "/api/streams", "/api/models", "/api/camera/{stream}/stats"):
        schema = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert "$ref" in schema, path


@pytest.mark.parametrize(
    "path", ["/api/streams/none", "/mjpeg/none", "/snapshot/none.jpg", "/api/camera/none/stats", "/x"]
)
async def test_what_is_not_there_is_a_404_with_a_reason(server: Running, path: str) -> None:
    answer = await server.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


async def test_a_person_with_a_wrong_address_gets_a_page(server: Running) -> None:
    person = {"accept": "text/html,*/*"}
    page = await server.http.get("/camera/<b>", headers=person)
    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "Stream name &#x27;&lt;b&gt;&#x27;: expected 1 to 64 letters" in page.text
    assert (await server.http.get("/api/streams/none", headers=person)).json()["error"]["code"]


@pytest.mark.parametrize("path", ["/camera/a%20b", "/view/" + "x" * 65, "/api/streams/a b"])
async def test_a_bad_stream_name_is_a_400(server: Running, path: str) -> None:
    assert (await server.http.get(path)).status_code == 400


# Coming and going


async def test_killed_peers_leave_nothing_behind(server: Running) -> None:
    async def one_round(n: int) -> None:
        async with AsyncExitStack() as stack:
            camera = await stack.enter_async_context(peer(f"{server.ws}/ws/camera/killed"))
            viewer = await stack.enter_async_context(peer(f"{server.ws}/ws/view/killed"))
            listener = await stack.enter_async_context(peer(f"{server.ws}/ws"))
            await camera.send_frame(n)
            await camera.next("result")
            await camera.ws.send(metadata(n + 1))
            await camera.ws.send(picture())
            for p in (camera, viewer, listener):
                p.ws.transport.abort()  # no closing handshake, in the middle of things
        await server.until(lambda s: "killed" not in s["streams"] or s["streams"]["killed"]["viewers"] == 0)

    for n in range(3):
        await one_round(n)
    before = Held.by(server)
    for n in range(25):
        await one_round(n)
    await server.until(lambda s: s["streams"]["killed"]["in_flight"] == 0)
    await server.until(lambda _: Held.by(server).like(before))
    stream = await server.stream("killed")
    assert balanced(stream)


async def test_too_many_are_told_which_limit() -> None:
    limits = {"SIGHTLINE_MAX_STREAMS": "1", "SIGHTLINE_MAX_VIEWERS": "1", "SIGHTLINE_MAX_FPS": "5"}
    async with serving(env=limits) as server, peer(f"{server.ws}/ws/camera/a") as camera:
        async with peer(f"{server.ws}/ws/camera/b") as other:
            error = await other.refused()
            assert (error["code"], "max_streams" in error["message"]) == ("limit_reached", True)
        async with peer(f"{server.ws}/ws/view/a"), peer(f"{server.ws}/ws/view/a") as second:
            error = await second.refused()
            assert (error["code"], "max_viewers" in error["message"]) == ("limit_reached", True)
        reasons: Counter[str] = Counter()
        for seq in range(20):
            await camera.send_frame(seq)
        for _ in range(20):
            reasons[(await camera.next("result", "dropped"))[0].get("reason", "result")] += 1
        assert reasons["rate"] >= 10, reasons


async def test_unknown_figures_close_nobody(server: Running) -> None:
    """Fault 60: on each transport the session goes on."""
    odd = ['{"type":"performance_stats","fps":NaN,"latency":null}', '{"type":"ping","timestamp":null}']
    async with (
        peer(f"{server.ws}/ws/camera/unknown") as camera,
        peer(f"{server.ws}/ws/view/unknown") as viewer,
        peer(f"{server.ws}/ws") as listener,
    ):
        await camera.next("hello")
        for one in (camera, viewer):
            for text in odd:
                await one.ws.send(text)
            await one.next("pong")
        await viewer.ws.send('{"type":"ack","frameNumber":null}')
        await listener.ws.send('{"type":"ping","timestamp":NaN}')
        await camera.ws.send('{"type":"frame_metadata","timestamp":NaN,"frameNumber":1,"width":null,"height":null}')
        await camera.ws.send(picture(1))
        assert (await camera.next("result"))[0]["frameNumber"] == 1
        await viewer.next("frame_metadata")
        await listener.next("result")
