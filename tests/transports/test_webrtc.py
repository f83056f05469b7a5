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
from support import offers
from support.rtc import SDP, Clip, boxed, camera, on_the_pixels, remote, viewer
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


async def offer(*, video: bool = True) -> str:
    async with remote() as one:
        if video:
            one.connection.addTransceiver(Clip(), "sendonly")
        else:
            one.talk()
        await one.connection.setLocalDescription(await one.connection.createOffer())
        return str(one.connection.localDescription.sdp)


async def test_the_standards_answers(server: Running) -> None:
    async with remote() as one:
        one.connection.addTransceiver(Clip(), "sendonly")
        answer = await one.call(server, "/whip/standard")
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/sdp"
        assert "b=AS:4000" in answer.text
        assert one.location.startswith("/whip/standard/")
        assert "etag" in answer.headers
        assert (await server.get("/api/webrtc"))["ice_servers"] == []  # nobody waits for a STUN server of somebody's
        second = await server.http.post("/whip/standard", content=await offer(), headers=SDP)
        assert (second.status_code, second.json()["error"]["code"]) == (409, "stream_busy")

        fragment = {"Content-Type": "application/trickle-ice-sdpfrag"}
        offered = one.connection.localDescription.sdp
        (ufrag,) = {line for line in offered.splitlines() if line.startswith("a=ice-ufrag:")}
        more = f"{ufrag}\r\na=candidate:1 1 udp 2130706431 192.0.2.9 9 typ host\r\na=end-of-candidates\r\n"
        for body, status in ((more, 204), ("a=ice-ufrag:other\r\n", 422)):
            patched = await server.http.patch(one.location, content=body, headers=fragment)
            assert patched.status_code == status, patched.text
        assert (await server.http.patch(one.location, content=more, headers=SDP)).status_code == 415
        assert (await server.http.get(one.location)).status_code == 405
        assert (await server.http.delete(one.location.replace("whip", "whep"))).status_code == 404
        assert (await server.http.delete(one.location)).status_code == 200
        assert (await server.http.delete(one.location)).status_code == 404
        again = "/whip/standard?session=phone"
        third = await server.http.post(again, content=await offer(), headers=SDP)
        assert third.status_code == 201  # the name is free at once
        fourth = await server.http.post(again, content=await offer(), headers=SDP)
        assert fourth.status_code == 201  # a phone that came back by another network
        await server.http.delete(third.headers["location"])
        fifth = await server.http.post("/whip/standard", content=await offer(), headers=SDP)
        assert fifth.status_code == 409  # the third's end is not the fourth's
        assert (await server.http.delete(fourth.headers["location"])).status_code == 200
    options = await server.http.options("/whep/standard")
    assert (options.status_code, options.headers["accept-post"]) == (204, "application/sdp")


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "says"),
    [
        ("/whip/bad", "", "text/plain", 415, "expected application/sdp"),
        ("/whip/bad", "hello", "application/sdp", 400, "no SDP"),
        ("/whip/bad", "v=0\r\n", "application/sdp", 400, "no video"),
        ("/whip/bad", "v=0\r\nm=video 9 X 96\r\nm=video 9 X 97\r\n", "application/sdp", 400, "can't be taken"),
        ("/whip/bad", "v=0\r\n" + "m=video 9 X 96\r\n" * 9, "application/sdp", 400, "at most 4"),
        ("/whip/bad", "v=0\r\n" + "a=x\r\n" * 20000, "application/sdp", 413, "65536"),
        ("/whip/bad", b"\xff\xfe", "application/sdp", 400, "UTF-8"),
        ("/whip/b.d", "v=0\r\n", "application/sdp", 400, "stream name"),
        ("/whip/bad?results=2", "v=0\r\n", "application/sdp", 400, "results"),
        ("/whip/bad?preset=x", "v=0\r\n", "application/sdp", 400, "preset"),
        ("/whep/bad?render=me", "v=0\r\n", "application/sdp", 400, "render"),
        ("/whep/bad?mode=oil", "v=0\r\n", "application/sdp", 400, "mode"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_a_reason(
    server: Running, path: str, body: str | bytes, kind: str, status: int, says: str
) -> None:
    answer = await server.http.post(path, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]
    assert "bad" not in (await server.get("/stats"))["streams"]


HIGH = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640028"


@pytest.mark.parametrize(
    ("offered", "number", "told"),
    [
        (offers.OBS, 96, {"packetization-mode=1", "profile-level-id=42e01f", "level-asymmetry-allowed=1"}),
        (offers.FFMPEG, 106, set(HIGH.split(";"))),
        (offers.GSTREAMER, 96, {"packetization-mode=1", "profile-level-id=4d401f"}),
        (offers.offer(offers.video(35, f"a=fmtp:35 {HIGH}")), 35, set(HIGH.split(";"))),
        (offers.offer(offers.video(35, codec="VP8/90000")), 35, set()),
        (offers.offer(offers.video(97)), 97, set()),
        (offers.offer(offers.video(97, "a=fmtp:97 profile-level-id=42e01f")), 97, {"profile-level-id=42e01f"}),
        (
            offers.offer(offers.video(97, "a=fmtp:97 packetization-mode=0; profile-level-id=64001f")),
            97,
            {"packetization-mode=0", "profile-level-id=64001f"},
        ),
        (offers.offer(offers.video(96, "a=fmtp:96 packetization-mode=1; profile-level-id=58A01F")), 96, None),
        (offers.offer(offers.video(96, "a=fmtp:96 profile-level-id=none at all")), 96, None),
    ],
)
async def test_cameras_may_send_any_h264(server: Running, offered: str, number: int, told: set[str] | None) -> None:
    """Fault 62. The answer has the offer's number and parameters."""
    answer = await server.http.post("/whip/any", content=offered, headers=SDP)
    assert answer.status_code == 201, answer.text
    picture = answer.text[answer.text.index("m=video") :]
    assert picture.split("\r\n")[0].split()[3] == str(number)
    assert f"a=rtpmap:{number} " in picture
    fmtp = [line.partition(" ")[2] for line in picture.splitlines() if line.startswith(f"a=fmtp:{number} ")]
    assert told is None or (set(fmtp[0].split(";")) if fmtp else set()) == told
    assert (await server.http.delete(answer.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        (offers.video(96, "a=fmtp:96 packetization-mode=2;profile-level-id=42e01f"), "expected VP8 or H.264"),
        (offers.video(96, codec="AV1/90000"), "expected VP8 or H.264"),
        (offers.video(72, codec="VP8/90000"), "payload type 72"),
    ],
)
async def test_what_cannot_be_decoded_is_told(server: Running, offered: str, why: str) -> None:
    answer = await server.http.post("/whip/other", content=offers.offer(offered), headers=SDP)
    assert answer.status_code == 400
    assert why in answer.json()["error"]["message"]


@pytest.mark.parametrize(("line", "instead"), [("a=group:BUNDLE 0", "a=group:BUNDLE 7 0"), ("a=mid:0", "a=mid:1")])
async def test_an_offer_whose_media_have_no_transport_is_refused(server: Running, line: str, instead: str) -> None:
    async with remote() as bad:
        bad.connection.addTransceiver(Clip(), "sendonly")
        bad.talk()
        bad.change = lambda offer: offer.replace(line, instead)
        answer = await bad.call(server, "/whip/unbundled")
        assert answer.status_code == 400, answer.text
        assert "mid" in answer.json()["error"]["message"]
    assert "Traceback" not in "".join(server.log)


async def test_sound_that_comes_along_is_declined(server: Running) -> None:
    async with remote() as one, viewer(server, "loud") as watcher:
        one.connection.addTransceiver("audio", "sendonly")  # first, as OBS has it: its transport carries all
        one.connection.addTransceiver(Clip(), "sendonly")
        answer = await one.call(server, "/whip/loud")
        sound, picture = answer.text.split("m=")[1:]
        assert sound.startswith("audio")
        assert "a=inactive" in sound
        assert "a=recvonly" in picture
        await watcher.until(lambda: watcher.of("frame_metadata"))


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
        answers = [await server.http.post(f"/whep/s{i}", content=await offer(), headers=SDP) for i in range(5)]
        assert [a.status_code for a in answers] == [201, 201, 201, 201, 429]
        assert SECRET in answers[0].headers["link"]
        # None of them connects: they are given up, and there is room again.
        async with asyncio.timeout(30):
            while "is UDP blocked?" not in "".join(server.log):  # noqa: ASYNC110 - the log has no event
                await asyncio.sleep(0.2)
        again = await server.http.post("/whep/s", content=await offer(), headers=SDP)
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
        refused = await server.http.post("/whep/door", content=await offer(), headers=SDP | bearer)
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
            return await server.http.post(f"/whep/s{number}", content=await offer(), headers=SDP | bearer)

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
    before = await settled(process)
    memory = process.memory_info().rss / 2**20
    for _ in range(6):
        await come_and_go(False)
        await come_and_go(True)
    assert await settled(process, at_most=before) <= before
    assert process.memory_info().rss / 2**20 < memory + 16


async def settled(process: psutil.Process, *, at_most: tuple[int, int] | None = None) -> tuple[int, int]:
    """Threads and descriptors once they stay the same for a second, or have come down."""
    last, since = (0, 0), 0
    for _ in range(100):
        now = process.num_threads(), process.num_fds()
        since = since + 1 if now == last else 0
        last = now
        if (at_most is not None and now <= at_most) or since > 5:
            break
        await asyncio.sleep(0.2)
    return last
