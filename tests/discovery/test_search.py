"""Cameras are found by what they answer, and nothing that answers can do harm or send us elsewhere."""

from __future__ import annotations

import dns.message
import dns.rrset
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.discovery import mdns, search, ws_discovery
from sightline.discovery.devices import NetworkCamera
from sightline.server.app import create_app
from sightline.settings.settings import load_settings
from support.onvif import answering, probe_match


def told(question: bytes, *, port: int = 8554, path: str = "path=/cam", flush: int = 0x8001) -> bytes:
    """What a responder says of its RTSP, with the mark that older answers are void."""
    asked = dns.message.from_wire(question)
    answer = dns.message.make_response(asked)
    answer.question = []
    service, name = "_rtsp._tcp.local.", "Garden._rtsp._tcp.local."
    answer.answer.append(dns.rrset.from_text(service, 10, "IN", "PTR", name))
    srv = dns.rrset.from_text(name, 10, "IN", "SRV", f"0 0 {port} elsewhere.local.")
    answer.additional = [srv, dns.rrset.from_text(name, 10, "IN", "TXT", f'"txtvers=1" "{path}"')]
    wire = answer.to_wire()
    if flush != 1:  # the class of SRV and TXT, whose names are pointers by now
        for kind in (b"\x00\x21", b"\x00\x10"):
            wire = wire.replace(kind + b"\x00\x01\x00\x00\x00\x0a", kind + flush.to_bytes(2) + b"\x00\x00\x00\x0a")
    return wire


async def test_cameras_are_found_where_they_answer_from_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(load_settings(model="motion"))
    monkeypatch.setattr(search, "SEARCH_S", 0.5)
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    onvif = probe_match("https://camera.lan/ http://169.254.169.254/x http://127.0.0.1:8899/onvif/device")
    with (
        answering(onvif, lambda q: b"\xff" * 50, lambda q: bomb, lambda q: b"a" * 60_000) as devices,
        answering(told, lambda q: q, lambda q: q[:20]) as responder,
    ):
        monkeypatch.setattr(ws_discovery, "GROUP", devices)
        monkeypatch.setattr(mdns, "GROUP", responder)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.post("/api/sources/find")
    assert answer.json() == {
        "devices": [
            {
                "name": "Front door",
                "kind": "onvif",
                "address": "http://127.0.0.1:8899/onvif/device",
                "hardware": "IPC-1",
            },
            {"name": "Garden", "kind": "rtsp", "address": "rtsp://127.0.0.1:8554/cam", "hardware": ""},
        ]
    }


async def test_one_machine_is_taken_for_a_few_cameras_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SEARCH_S", 0.5)
    many = [probe_match(f"http://10.0.0.1:{port}/") for port in range(1000, 1100)]
    with answering(*many) as devices, answering() as responder:
        monkeypatch.setattr(ws_discovery, "GROUP", devices)
        monkeypatch.setattr(mdns, "GROUP", responder)
        assert len(await search.Search().find()) == 8


@pytest.mark.parametrize(
    ("path", "taken"),
    [("path=cam", "/cam"), ("PATH=//evil.example/x", "/evil.example/x"), ("path=/a b", "/"), ("other=1", "/")],
)
def test_the_path_of_a_service_is_an_address_or_left_out(path: str, taken: str) -> None:
    (device,) = mdns.devices(told(mdns.question(), path=path, flush=1), "10.1.2.3")
    assert device == NetworkCamera("Garden", "rtsp", f"rtsp://10.1.2.3:8554{taken}")


def test_names_are_one_short_line() -> None:
    name = "%1B[31m%0A%E2%80%AE" + "x" * 5000
    (device,) = ws_discovery.devices(probe_match("http://a/", name=name)(ws_discovery.question()), "10.1.2.3")
    assert device.name == "[31m " + "x" * 95
    (plain,) = ws_discovery.devices(probe_match("http://a/", name="", hardware="")(ws_discovery.question()), "10.1.2.3")
    assert plain.name == "10.1.2.3"


@given(st.binary(max_size=300), st.integers(0, 600), st.integers(0, 255))
def test_whatever_answers_gives_cameras_at_that_very_machine_or_none(data: bytes, at: int, byte: int) -> None:
    right = [told(mdns.question()), probe_match("http://10.0.0.1/x")(ws_discovery.question())]
    for answer in (data, *(one[: at % len(one)] + bytes((byte,)) + one[at % len(one) + 1 :] for one in right)):
        for kind in (mdns, ws_discovery):
            for device in kind.devices(answer, "10.1.2.3"):
                assert device.address.startswith(("rtsp://10.1.2.3:", "http://10.1.2.3:"))
