"""WebRTC with real peers: aiortc as pages do it, FFmpeg as other programs do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from aiortc.rtcsctptransport import DataChunk
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sightline.security.tokens import Store
from support.leftovers import Held
from support.rtc import SDP, Clip, boxed, camera, offer, on_the_pixels, remote, viewer
from support.serving import Running, balanced, left, peer, serving
from support.waiting import within

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
SECRET = "turn-credential-canary"
SETTINGS = f"""
webrtc_peers = 4
[[webrtc_ice_servers]]
urls = ["turn:192.0.2.77:9?transport=tcp"]
username = "someone"
credential = "{SECRET}"
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--no-static-skip") as running:
        yield running


async def test_results_come_back_with_the_rtp_time_of_their_picture(server: Running) -> None:
    async with camera(server, "hall") as door:
        await door.until(lambda: len(door.of("result")) > 40)
        (hello,) = door.of("hello")
        assert hello["stream"] == "hall"
        assert door.channel is not None
        door.channel.send('{"type":"settings"}')
        await door.until(lambda: door.of("settings"))
        assert door.of("settings")[0]["model"] == "motion"
        live = await server.stream("hall")
        assert (live["width"], live["height"], live["state"]) == (320, 180, "live")
    results = [r for r in door.of("result") if r["detections"]]  # the model needs a few to know the background
    times = [((r["rtp_timestamp"] - door.of("result")[0]["rtp_timestamp"]) & 0xFFFFFFFF) / 3000 for r in results]
    assert all(number == int(number) for number in times)
    # Which of the clip's pictures came first is not known, but one count must fit all.
    fits = [sum(boxed(r, left(int(n) + shift)) for r, n in zip(results, times, strict=True)) for shift in range(40)]
    assert max(fits) >= 0.9 * len(results) >= 18
    await server.until(lambda s: s["streams"]["hall"]["state"] == "waiting")
    ended = await server.until(lambda s: s["streams"]["hall"]["in_flight"] == 0)  # what the model had begun is finished
    stream = ended["streams"]["hall"]
    assert balanced(stream)


async def test_a_viewers_boxes_lie_on_the_pixels_of_the_picture_with_their_rtp_time(server: Running) -> None:
    async with camera(server, "locked"), viewer(server, "locked") as watcher:
        await on_the_pixels(watcher)
        stats = await server.stream("locked")
        assert stats["viewers"] == 1
        assert stats["viewer_stats"][0]["sent"] >= 15
        # A viewer over WebSocket gets each picture as a JPEG, though the camera sent none.
        async with peer(f"{server.ws}/ws/view/locked") as old:
            _, jpeg = await old.next("frame_metadata")
            assert jpeg is not None
            assert jpeg[:2] == b"\xff\xd8"
    await server.until(lambda s: balanced(s["streams"]["locked"]) and not s["streams"]["locked"]["viewers"])


async def test_who_offers_no_data_channel_gets_boxes_drawn_in_and_a_keyframe_when_it_asks(server: Running) -> None:
    async with camera(server, "drawn"), viewer(server, "drawn", talks=False) as drawn, viewer(server, "drawn") as plain:
        assert drawn.track is not None
        assert plain.track is not None
        bright = {}
        for name, watcher in (("drawn", drawn), ("plain", plain)):
            assert watcher.track is not None
            frames: list[Any] = [await within(watcher.track.recv(), 30) for _ in range(20)]
            bright[name] = float((frames[-1].to_ndarray(format="bgr24").max(axis=2) > 100).mean())
        assert bright["drawn"] > 1.1 * bright["plain"]
        receiver = drawn.connection.getReceivers()[0]
        (ssrc,) = [s.source for s in receiver.getSynchronizationSources()]
        for _ in range(10):  # until one lies far enough behind the last
            await receiver._send_rtcp_pli(ssrc)
            again: list[Any] = [await within(drawn.track.recv(), 30) for _ in range(15)]
            if any(frame.key_frame for frame in again):
                break
        else:
            pytest.fail("no keyframe came")


@pytest.mark.parametrize("profile", ["Baseline", "High"])
async def test_ffmpeg_publishes_over_whip(server: Running, tmp_path: Path, profile: str) -> None:
    stream = f"ffmpeg-{profile}"
    cert, key = certificate(tmp_path)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.whip_ffmpeg", f"{server.url}/whip/{stream}", cert, key, profile),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with viewer(server, stream) as watcher:
        await on_the_pixels(watcher)
    said, _ = await program.communicate(b"")  # which closes its standard input; without any, Python 3.11 leaves it open
    assert program.returncode == 0, said.decode()
    ended = await server.until(lambda s: s["streams"][stream]["state"] == "waiting")  # FFmpeg says DELETE
    assert ended["streams"][stream]["received"] >= 15


def certificate(folder: Path) -> tuple[Path, Path]:
    """For DTLS; the one that FFmpeg makes itself has a curve that OpenSSL no longer takes, where it uses GnuTLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(2))
    cert_path, key_path = folder / "dtls.crt", folder / "dtls.key"
    cert_path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *pem))
    return cert_path, key_path


async def test_a_camera_that_takes_only_short_messages_harms_nobody_else(server: Running) -> None:
    def small(sdp: str) -> str:
        lines = [
            "a=max-message-size:330" if line.startswith("a=max-message-size") else line for line in sdp.split("\r\n")
        ]
        assert "a=max-message-size:330" in lines
        return "\r\n".join(lines)

    async with camera(server, "good") as good, remote() as one:
        await good.until(lambda: good.of("result"))
        one.connection.addTransceiver(Clip(), "sendonly")
        one.talk()
        one.change = small
        await one.call(server, "/whip/small")
        await one.state("connected")
        await one.state("closed")  # a result is longer: the server gives this camera up
        already = len(good.of("result"))
        await good.until(lambda: len(good.of("result")) >= already + 10)
        async with camera(server, "small") as again:  # and its name is free
            await again.until(lambda: again.of("result"))


async def test_a_bad_peer_is_told_why_and_touches_nobody_else(server: Running) -> None:
    async with camera(server, "calm") as calm:
        await calm.until(lambda: calm.of("result"))
        for bad in ('{"type":"ack","frameNumber":1}', "x" * 5000, b"binary"):
            async with camera(server, "bad") as rude:
                await rude.until(lambda: rude.of("result"))
                assert rude.channel is not None
                rude.channel.send(bad)
                await rude.until(lambda: rude.of("error"))
                await server.until(lambda s: s["streams"]["bad"]["state"] == "waiting")
        async with viewer(server, "calm") as rude:
            await rude.until(lambda: rude.of("frame_metadata"))
            assert rude.channel is not None
            rude.channel.send('{"type":"frame_metadata"}')
            await rude.until(lambda: rude.of("error"))
        seen = len(calm.of("result"))
        await calm.until(lambda: len(calm.of("result")) > seen + 10)


@pytest.mark.parametrize("flood", ["messages", "parts", "packets"])
async def test_a_flood_ends_its_peer_and_touches_nobody_else(server: Running, flood: str) -> None:
    async with camera(server, "calm") as calm, camera(server, "rude") as rude:
        await rude.until(lambda: rude.of("result"))
        sctp, dtls = rude.connection.sctp, rude.connection.sctp.transport  # type: ignore[union-attr]

        async def send() -> None:
            part = DataChunk(flags=2)  # the first part, of which the others never come
            for number in range(200_000):
                if flood == "messages" and rude.channel is not None:
                    rude.channel.send('{"type":"ping","timestamp":1}')
                elif flood == "parts":
                    part.tsn, part.stream_id, part.user_data = sctp._local_tsn, 7, b"x"  # type: ignore[union-attr]
                    sctp._local_tsn += 1  # type: ignore[union-attr]
                    await sctp._send_chunk(part)  # type: ignore[union-attr]
                    part.flags = 0
                else:
                    await dtls.transport._send(bytes([128]) + bytes(40))
                if number % 50 == 0:
                    await asyncio.sleep(0.001)

        sending = asyncio.create_task(send())
        await server.until(lambda s: s["streams"]["rude"]["state"] == "waiting")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        seen = len(calm.of("result"))
        await calm.until(lambda: len(calm.of("result")) > seen + 10)
        assert "Traceback" not in "".join(server.log)


async def test_limits_and_secrets(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text(SETTINGS)
    async with serving("--log-level", "debug", cwd=tmp_path) as server:
        told = await server.get("/api/webrtc")
        assert told["available"]
        assert told["ice_servers"] == [
            {"urls": ["turn:192.0.2.77:9?transport=tcp"], "username": "someone", "credential": SECRET}
        ]
        viewer = await offer("recvonly")
        answers = [await server.http.post(f"/whep/s{i}", content=viewer, headers=SDP) for i in range(5)]
        assert [a.status_code for a in answers] == [201, 201, 201, 201, 429]
        assert SECRET in answers[0].headers["link"]
        # None of them connects: they are given up, and there is room again.
        async with asyncio.timeout(30):
            while "is UDP blocked?" not in "".join(server.log):  # noqa: ASYNC110 - the log has no event
                await asyncio.sleep(0.2)
        again = await server.http.post("/whep/s", content=await offer("recvonly"), headers=SDP)
        assert again.status_code == 201
    assert SECRET not in "".join(server.log)


async def test_switched_off_it_says_so() -> None:
    async with serving(env={"SIGHTLINE_WEBRTC": "false"}) as server:
        told = await server.get("/api/webrtc")
        assert (told["available"], told["reason"]) == (False, "WebRTC is switched off (setting webrtc)")
        refused = await server.http.post("/whip/x", content=await offer(), headers=SDP)
        assert refused.status_code == 400


async def test_a_revoked_token_ends_its_sessions(tmp_path: Path) -> None:
    store = Store(tmp_path)
    token, record = store.create("publish", "door", lifetime=3600)
    bearer = {"Authorization": f"Bearer {token}"}
    async with serving("--lan", "--host", "127.0.0.1", data=tmp_path) as server:
        refused = await server.http.post("/whep/door", content=await offer("recvonly"), headers=SDP | bearer)
        assert refused.status_code == 403
        async with remote() as one:
            one.connection.addTransceiver(Clip(), "sendonly")
            one.talk()
            answer = await one.call(server, "/whip/door", **bearer)
            assert answer.status_code == 201
            assert token not in answer.headers["location"]
            await one.until(lambda: one.of("result"))
            store.revoke(record.id)
            await one.until(lambda: one.of("error"))
            assert one.of("error")[0]["code"] == "unauthorized"
            await one.state("closed")


async def test_one_token_leaves_places_to_others(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text("webrtc_peers = 4\ntokens = true\n")
    greedy, other = (Store(tmp_path).create("view", "*", lifetime=None)[0] for _ in range(2))
    async with serving(cwd=tmp_path, data=tmp_path, ready=False) as server:

        async def ask(token: str, number: int) -> Any:
            bearer = {"Authorization": f"Bearer {token}"}
            return await server.http.post(f"/whep/s{number}", content=await offer("recvonly"), headers=SDP | bearer)

        answers = [await ask(greedy, number) for number in range(4)]
        assert [a.status_code for a in answers] == [201, 201, 201, 429]
        assert "3 WebRTC peers have this token" in answers[3].text
        assert (await ask(other, 4)).status_code == 201
        assert "webrtc_peers is reached" in (await ask(other, 5)).text
        ended = await server.http.delete(answers[0].headers["location"], headers={"Authorization": f"Bearer {greedy}"})
        assert ended.status_code == 200
        assert (await ask(greedy, 6)).status_code == 201


async def test_nothing_is_left_of_peers_that_came_and_went(server: Running) -> None:
    async def come_and_go(watcher: bool) -> None:
        opened = viewer(server, "cycle") if watcher else camera(server, "cycle")
        async with opened as one:
            await one.state("connected")

    process = psutil.Process(server.process.pid)
    for _ in range(2):
        await come_and_go(False)
        await come_and_go(True)
    before = await settled(server)
    memory = process.memory_info().rss / 2**20
    for _ in range(6):
        await come_and_go(False)
        await come_and_go(True)
    await server.until(lambda _: Held.by(server).like(before))
    assert process.memory_info().rss / 2**20 < memory + 16


async def settled(server: Running) -> Held:
    """What is held once it stays the same for a second."""
    last, since = Held.by(server), 0
    async with asyncio.timeout(30):
        while since < 5:
            await asyncio.sleep(0.2)
            now = Held.by(server)
            since = since + 1 if now == last else 0
            last = now
    return last
