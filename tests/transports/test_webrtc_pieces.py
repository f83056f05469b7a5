"""The pieces of WebRTC that need no peer."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.jitterbuffer import JitterFrame
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sightline.core.errors import BadRequest, ConfigError, LimitReached, ProtocolError, StreamBusy
from sightline.inference.key import ModelKey
from sightline.inference.pool import ModelPool
from sightline.models.motion import create
from sightline.settings.settings import Settings
from sightline.streams.hub import Hub
from sightline.transports.webrtc import peer, publishing
from sightline.transports.webrtc.h264 import restored, widened
from sightline.transports.webrtc.hooks import WAITING, PromptBuffer, RtpClock, check, receive
from sightline.transports.webrtc.packing import encoders as rtp_encoders
from sightline.transports.webrtc.peer import WebRtcPeer, clean
from sightline.transports.webrtc.publishing import WebRtcPublisher, decode
from support import offers
from support.results import entry


@given(st.text(max_size=400) | st.binary(max_size=400).map(lambda b: "v=0\r\nm=video " + b.decode("latin-1")))
def test_any_offer_is_cleaned_or_refused(text: str) -> None:
    try:
        kept = clean(text)
    except BadRequest:
        return
    assert kept.startswith("v=0")
    assert ".local" not in "".join(line for line in kept.splitlines() if line.startswith("a=candidate"))


ODD = ["a=fmtp:96 =;;=", "a=fmtp:96 packetization-mode", "m=audio 9 X 96", "m=video 9 X 96"]
LINES = st.sampled_from([*offers.GSTREAMER.splitlines(), *ODD])


@given(st.lists(LINES | st.text(max_size=30), max_size=40), st.booleans())
def test_no_offer_loses_more_than_its_parameters_of_h264(lines: list[str], sends: bool) -> None:
    offered = "\n".join(["v=0", *lines])
    put, told = widened(offered, sends=sends)
    kept = [line for line in offered.splitlines() if not line.startswith("a=fmtp:")]
    assert [line for line in put.splitlines() if not line.startswith("a=fmtp:")] == kept
    assert [line for line in restored(put, told).splitlines() if not line.startswith("a=fmtp:")] == kept


@given(st.text(max_size=200))
def test_any_message_is_understood_or_refused(text: str) -> None:
    with suppress(ProtocolError):
        assert decode(text) is not None


def test_names_that_only_mdns_knows_are_not_looked_up() -> None:
    lines = ["v=0", "m=video 9 X 96", "a=candidate:1 1 udp 1 abc.local 9 typ host", "a=candidate:1 1 tcp 1 10.0.0.1 9"]
    lines += ["a=candidate:2 1 UDP 1 10.0.0.1 9 typ host", "a=end-of-candidates"]
    assert clean("\n".join(lines)).split("\r\n") == [*lines[:2], lines[4], "a=sendrecv", ""]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-(2**20), 2**30), max_size=30))
def test_rtp_times_become_numbers_that_know_no_wrap(start: int, steps: list[int]) -> None:
    clock = RtpClock()
    at = clock.map(start)
    for step in steps:
        at += step
        assert clock.map(at & 0xFFFFFFFF) == at


def test_rtp_times_become_the_senders_clock_once_it_has_reported() -> None:
    clock = RtpClock()
    assert clock.seconds(1) is None
    clock.report(2**32 - 90000, (2208988800 + 1_700_000_000) << 32 | 1 << 31)
    assert clock.seconds(90000) == 1_700_000_002.5
    assert clock.seconds(2**32 - 180000) == 1_700_000_000 - 0.5


class Packet:
    def __init__(self, number: int, timestamp: int, data: bytes, *, marker: bool = False) -> None:
        self.sequence_number, self.timestamp, self._data, self.marker = number % 65536, timestamp, data, marker


def test_a_picture_is_whole_with_its_last_packet() -> None:
    buffer = PromptBuffer()

    def add(*packet: object, marker: bool = False) -> bytes | None:
        _, frame = buffer.add(Packet(*packet, marker=marker))  # type: ignore[arg-type]
        return None if frame is None else frame.data

    assert add(65534, 1, b"a") is None
    assert add(65535, 1, b"b", marker=True) == b"ab"
    assert add(0, 1, b"") is None  # padding
    assert add(1, 2, b"c", marker=True) == b"c"
    assert add(3, 3, b"e", marker=True) is None  # 2 is late
    assert add(4, 4, b"f", marker=True) is None
    assert add(2, 3, b"d") == b"de"
    more = buffer.next()
    assert more is not None
    assert more.data == b"f"


async def test_pictures_that_nobody_decodes_do_not_pile_up() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    queue = receive(connection.addTransceiver("video", "recvonly").receiver)
    h264: Any = SimpleNamespace(name="H264")
    for number in range(1000):
        queue.put((h264, JitterFrame(b"\0\0\1\x41", number)))
    assert queue.given_up >= 1000 - WAITING
    for number, kind in ((1000, b"\x65"), (1001, b"\x41")):
        queue.put((h264, JitterFrame(b"\0\0\1" + kind, number)))
    told = [queue.next(), queue.next()]
    assert [item and item[2] for item in told] == [1000, 1001], "it goes on with the next key frame"
    await connection.close()


async def test_a_peer_that_does_not_read_loses_results_and_is_ended_by_what_it_must_hear() -> None:
    ours, heard = WebRtcPeer(Settings.model_validate({})), list[str]()
    channel: Any = SimpleNamespace(readyState="open", bufferedAmount=0, send=heard.append)
    ours._channel = channel
    assert ours.say("first")
    channel.bufferedAmount = peer.UNSENT + 1
    assert not any(ours.say("result") for _ in range(100))
    assert (heard, ours.unsent) == (["first"], 100)
    ours.must_hear("status")
    with pytest.raises(LimitReached):
        await ours.run()


async def test_a_program_that_crashed_has_its_stream_again_as_soon_as_it_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """UDP tells nothing of a crash; and nothing else may take the stream while pictures come."""
    settings = Settings.model_validate({})
    key = ModelKey("motion", "motion", "auto", None)
    hub = Hub(settings, ModelPool(settings, key, lambda _: create()))

    def publish() -> WebRtcPublisher:
        return WebRtcPublisher(hub, WebRtcPeer(settings), "obs", wants_results=True, preset=None, session="")

    crashed = publish()
    with pytest.raises(StreamBusy):
        publish()
    monkeypatch.setattr(publishing, "LOST_S", 0.0)
    again = publish()
    crashed.leave()
    assert hub.find("obs").publisher is again
    again.leave()
    assert hub.find("obs").publisher is None


async def test_an_aiortc_that_has_changed_inside_is_told_and_not_guessed_at() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    video = connection.addTransceiver("video", "recvonly")
    check(video.receiver, video.sender)
    stranger: Any = SimpleNamespace()
    with pytest.raises(ConfigError, match=r"lacks .*_next_encoded_frame.*expected version"):
        check(video.receiver, stranger)
    await connection.close()


async def test_a_picture_is_encoded_once_however_many_watch() -> None:
    encoders = rtp_encoders(500)
    encoder = encoders.join("hall", None, "VP8")
    assert all(encoders.join("hall", None, "VP8") is encoder for _ in range(19))
    assert encoders.join("hall", None, "H264") is not encoder
    for number in (1, 2, 3):
        result = entry(np.full((48, 64, 3), 40 * number, np.uint8)).result
        result = result.changed(frame=structs.replace(result.frame, seq=number, received_at=float(number)))
        pictures = await asyncio.gather(*(encoder.encode(result) for _ in range(20)))
        assert pictures[0] is not None
        assert pictures[0].number == number
        assert all(picture is pictures[0] for picture in pictures)
    encoders.close()


async def test_servers_for_ice_that_are_dead_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere each costs 5 s for every address of the machine, and on a closed network that is every time."""
    monkeypatch.setattr(peer, "GATHER_S", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun, socket.create_server(("127.0.0.1", 0)) as turn:
        stun.bind(("127.0.0.1", 0))
        urls = f"stun:127.0.0.1:{stun.getsockname()[1]}", f"turn:127.0.0.1:{turn.getsockname()[1]}?transport=tcp"
        dead = {"urls": urls, "username": "me", "credential": "it"}
        ours = WebRtcPeer(Settings.model_validate({"webrtc_ice_servers": [dead]}))
        viewer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        viewer.addTransceiver("video", "recvonly")
        await viewer.setLocalDescription(await viewer.createOffer())
        await ours.offered(viewer.localDescription.sdp, "sendonly")
        async with asyncio.timeout(4):
            answer = await ours.answer()
        assert "typ host" in answer
        await ours.close()
        await viewer.close()
