"""What WHIP and WHEP answer to offers: as their standards have it, and with a reason where they refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support import offers
from support.rtc import SDP, Clip, offer, remote, viewer
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--no-static-skip") as running:
        yield running


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


@pytest.mark.parametrize(
    ("way", "direction", "why"),
    [
        ("whip", "recvonly", "is recvonly: expected sendonly; /whep is for viewers"),
        ("whip", "inactive", "is inactive: expected sendonly"),
        ("whep", "sendonly", "is sendonly: expected recvonly; /whip is for cameras"),
        ("whip", "sendrecv", ""),
        ("whep", "sendrecv", ""),
    ],
)
async def test_a_camera_at_the_viewers_address_is_told(server: Running, way: str, direction: str, why: str) -> None:
    """It would be connected, and nothing would ever come."""
    offered = offers.OBS.replace("sendonly", direction)
    answer = await server.http.post(f"/{way}/other", content=offered, headers=SDP)
    assert answer.status_code == (400 if why else 201), answer.text
    assert why in answer.text
    if not why:
        await server.http.delete(answer.headers["location"])


@pytest.mark.parametrize("of_all", ["", "a=sendonly\n"])
async def test_an_offer_may_name_no_direction(server: Running, of_all: str) -> None:
    offered = offers.OBS.replace("a=sendonly\n", "").replace("t=0 0\n", f"t=0 0\n{of_all}")
    answer = await server.http.post("/whip/plain", content=offered, headers=SDP)
    assert answer.status_code == 201, answer.text
    assert "a=recvonly" in answer.text[answer.text.index("m=video") :]
    await server.http.delete(answer.headers["location"])


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
