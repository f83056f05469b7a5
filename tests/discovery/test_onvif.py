"""The streams of an ONVIF device: what it says is limited, and its host stays the one that was asked."""

from __future__ import annotations

import time

import pytest

from sightline.core.errors import SourceError
from sightline.discovery import onvif
from sightline.discovery.onvif import CameraStream, profiles, smallest
from support.onvif import ENVELOPE, onvif_camera


async def test_a_device_with_a_wrong_clock_tells_its_streams_to_who_knows_the_password() -> None:
    with onvif_camera() as camera:
        found = await profiles(camera.url, camera.user, camera.password)
        assert [(p.name, p.width, p.height, p.encoding, p.fps) for p in found] == [
            ("sub stream", 640, 360, "H264", 15),
            ("main stream", 2560, 1440, "H264", 15),
            ("tiny stream", 160, 90, "H264", 15),
        ]
        assert found[0].source == "rtsp://127.0.0.1:554/live/sub?a=1&b=2", "at the machine that was asked"
        assert {line.split()[0] for line in camera.asked} == {"/onvif/device_service", "/onvif/media"}
        assert not any("p@ss" in line for line in camera.asked), "the password is never sent"
        for user, password in (("me", "wrong"), ("you", camera.password), ("", "")):
            with pytest.raises(SourceError, match="check user and password"):
                await profiles(camera.url, user, password)


def bomb(question: str) -> bytes:
    many = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    return f'HTTP/1.0 200 OK\r\n\r\n<!DOCTYPE x [<!ENTITY a0 "ha">{many}]><x>&a9;</x>'.encode()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (bomb, "document type"),
        (lambda q: b'HTTP/1.0 200 OK\r\n\r\n<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type"),
        (lambda q: b"HTTP/1.0 200 OK\r\n\r\n" + b"<a>" * 10_000, "too many parts"),
        (lambda q: b"HTTP/1.0 200 OK\r\n\r\n<a>" + b"<b/>" * 50_000, "too many parts"),
        (lambda q: b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 3_000_000, "without end|bytes"),
        (lambda q: b"HTTP/1.0 200 OK\r\n\r\n<html>", "no XML"),
        (lambda q: b"HTTP/1.0 200 OK\r\n\r\n", "no XML"),
        (lambda q: b"RTSP?", "no HTTP"),
        (lambda q: b"HTTP/1.0 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "no XML"),
        (lambda q: b"HTTP/1.0 401 No\r\n\r\n", "check user and password"),
        (lambda q: b"HTTP/1.0 200 OK\r\n\r\n" + ENVELOPE.format("<tds:GetProfilesResponse/>").encode(), "no stream"),
    ],
    ids=["entities", "a file", "deep", "wide", "long", "html", "empty", "no http", "redirection", "401", "nothing"],
)
async def test_bad_answers_are_told_and_do_no_harm(answer: object, why: str) -> None:
    with onvif_camera() as camera:
        camera.answer = answer  # type: ignore[assignment]
        with pytest.raises(SourceError, match=why):
            await profiles(camera.url, "me", "secret")


async def test_what_a_device_says_of_hosts_is_not_believed() -> None:
    with onvif_camera() as camera:
        for rtsp in ("rtsp://me:x@169.254.169.254:99/latest", "http://127.0.0.1/x", "file:///etc/passwd", "rtsp://["):
            camera.rtsp = rtsp
            if rtsp.startswith("rtsp://me"):
                found = await profiles(camera.url, camera.user, camera.password)
                assert all(p.source.startswith("rtsp://127.0.0.1:99/latest/") for p in found)
                continue
            with pytest.raises(SourceError, match="no stream"):
                await profiles(camera.url, camera.user, camera.password)


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/", "https://camera.lan/", "rtsp://camera.lan/", "camera.lan", "http://0xA9FEA9FE/"],
)
async def test_only_http_addresses_that_may_be_asked_are(address: str) -> None:
    with pytest.raises(SourceError):
        await profiles(address, "", "")


async def test_a_device_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onvif, "PATIENCE_S", 0.3)
    with onvif_camera() as camera:
        camera.answer = lambda question: time.sleep(1) or b""  # type: ignore[func-returns-value]
        with pytest.raises(SourceError, match="no whole answer"):
            await profiles(camera.url, "me", "secret")


def test_the_smallest_stream_that_is_large_enough_is_for_models() -> None:
    def sized(width: int, height: int) -> CameraStream:
        return CameraStream("", width, height, "", 0, "")

    assert smallest([sized(1920, 1080), sized(352, 288), sized(176, 144)]).width == 352
    assert smallest([sized(176, 144), sized(160, 120)]).width == 176
