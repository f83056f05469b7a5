"""What clients may name as a source: never a machine or a file that is not theirs to ask for."""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import SourceError
from sightline.sources import _foreign, _gate, network
from sightline.sources._foreign import Allowed, Refused, forbidden
from sightline.sources.base import open_source
from support.clips import moving, write_clip
from support.http_files import Quiet, http
from support.rtsp import RtspServer

ALLOWED = Allowed(("rtsp", "rtsps", "http", "https"))
METADATA = "169.254.169.254"

FORBIDDEN = [
    METADATA,
    "169.254.169.254.",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "169.254.0.1",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::a9fe:a9fe]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "0.0.0.0",
    "0",
    "0x0",
    "0.1.2.3",
    "[::]",
    "[::ffff:0.0.0.0]",
    "224.0.0.251",
    "239.255.255.250",
    "[ff02::fb]",
    "[::ffff:224.0.0.1]",
    "255.255.255.255",
    "240.0.0.1",
]
"""Hosts of link-local, metadata, unspecified, multicast and reserved addresses, as people and machines write them."""


@pytest.mark.parametrize("host", FORBIDDEN)
@pytest.mark.parametrize(
    "form", ["http://{}/latest", "rtsp://{}:554/1", "https://me:secret@{}/", "rtsps://{}/#udp#loop"]
)
def test_no_form_of_a_forbidden_address_is_taken(host: str, form: str) -> None:
    with pytest.raises(Refused) as refused:
        ALLOWED.check(form.format(host))
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "file:///etc/passwd",
        "gopher://camera.lan/",
        "ftp://camera.lan/1",
        "concat:http://camera.lan/|/etc/passwd",
        "srt://camera.lan:99",
        "udp://camera.lan:99",
        "tcp://camera.lan:99",
        "data:image/png;base64,AA",
        "camera:0",
        "synthetic:",
        "synthetic:street?size=4096x4096",
        "unix:///run/docker.sock",
        "/etc/passwd",
        "../../etc/passwd",
        "clip.mp4",
        "/etc/passwd#loop",
        "http:///nowhere",
        "http://",
        "http:camera.lan",
        "http://camera.lan:99999/",
        "http://camera.lan\t/",
        "http://169.254.\n169.254/",
        "http://camera.lan\\@169.254.169.254/",
        "http://a b/",
        "rtsp://user:pass/word@camera.lan/",
        "http://" + "a" * 5000,
        "http:" + "a" * 1000,
    ],
)
def test_what_is_no_cameras_address_is_refused(spec: str) -> None:
    with pytest.raises(SourceError):
        ALLOWED.check(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "rtsp://10.0.0.5/1",
        "RTSP://user:p%40ss@192.168.1.9:554/cam?channel=1#udp",
        "http://127.0.0.1:8080/mjpeg",
        "https://[2001:db8::5]/live.m3u8#loop",
        "http://8.8.8.8/",
        "rtsp://[fd12:3456::9]/1",
        "rtsp://a-name-that-nobody-has.invalid/1",
        "synthetic:street",
    ],
)
def test_cameras_are_taken_also_those_that_are_away(spec: str) -> None:
    assert ALLOWED.check(spec) == spec


def test_the_operator_may_add_schemes() -> None:
    assert Allowed(("synthetic", "camera")).check("synthetic:noise") == "synthetic:noise"
    with pytest.raises(Refused, match="one with synthetic"):
        Allowed(("synthetic",)).check("rtsp://10.0.0.5/")


def test_files_are_below_the_folder_that_the_operator_named_and_nowhere_else(tmp_path: Path) -> None:
    folder, outside = tmp_path / "media", tmp_path / "outside.mp4"
    (folder / "in").mkdir(parents=True)
    clip = write_clip(folder / "in" / "clip.mp4", [moving(i) for i in range(3)])
    outside.write_bytes(clip.read_bytes())
    (folder / "link.mp4").symlink_to(outside)
    allowed = Allowed(("rtsp",), folder)
    assert allowed.check("in/clip.mp4#loop") == f"{clip.resolve()}#loop"
    assert allowed.check(str(clip)) == str(clip.resolve())
    for spec in (
        "../outside.mp4",
        str(outside),
        "link.mp4",
        "in/../../outside.mp4",
        ".",
        "none.mp4",
        "a\0b",
        "x" * 300,
    ):
        with pytest.raises(Refused, match="media_folder") as refused:
            allowed.check(spec)
        assert str(tmp_path) not in refused.value.message
    with open_source(str(clip), foreign=True) as source:
        assert len(list(source)) == 3


@given(st.ip_addresses())
def test_an_address_within_another_is_seen(inner: Any) -> None:
    if isinstance(inner, ipaddress.IPv4Address):
        v4 = forbidden(str(inner))
        for form in (
            f"::ffff:{inner}",
            f"64:ff9b::{inner}",
            str(ipaddress.IPv6Address((0x2002 << 112) | (int(inner) << 80))),
        ):
            assert forbidden(form) == v4, form
    else:
        forbidden(str(inner))


Resolve = Callable[..., list[Any]]


class Names:
    """Answers of DNS, each for one question; the last one for all that follow."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.real: Resolve = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host == "camera.test":
            host = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return self.real(host, port, *args, **kwargs)


@pytest.mark.parametrize("answer", [METADATA, "0.0.0.0", "ff02::1", "::ffff:169.254.1.1"])
def test_a_name_that_means_a_forbidden_address_is_refused(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(answer))
    with pytest.raises(Refused, match=r"camera\.test is"):
        ALLOWED.check("http://camera.test/")


def asked_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hosts that anything in this process connects to from now on; forbidden ones are not reached."""
    asked: list[str] = []
    real = socket.create_connection

    def connect(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        asked.append(address[0])
        if address[0] != "127.0.0.1":
            raise OSError("nobody is there")
        return real(address, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", connect)
    return asked


@pytest.mark.parametrize("good", [1, 2, 3, 4])
def test_an_answer_of_dns_that_changes_leads_nowhere(
    good: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of the question after which it changes: what is asked is what was checked."""
    _gate._gate.cache_clear()
    clip = write_clip(tmp_path / "clip.mp4", [moving(i) for i in range(5)])
    with http(functools.partial(Quiet, directory=str(tmp_path))) as url:
        port = url.rpartition(":")[2]
        asked = asked_of(monkeypatch)
        monkeypatch.setattr(socket, "getaddrinfo", Names(*["127.0.0.1"] * good, METADATA))
        spec = f"http://camera.test:{port}/{clip.name}"
        try:
            with open_source(spec, foreign=True) as source:
                list(source)
        except SourceError:
            pass
    assert set(asked) <= {"127.0.0.1"}
    monkeypatch.undo()
    _gate._gate.cache_clear()


def test_rtsp_goes_to_the_very_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with RtspServer() as server:
        monkeypatch.setattr(socket, "getaddrinfo", Names("127.0.0.1", METADATA))
        with network.open_foreign(f"rtsp://camera.test:{server.port}/live") as source:
            assert source.name == f"rtsp://camera.test:{server.port}"
            next(iter(source))
        with pytest.raises(Refused):
            network.open_foreign(f"rtsp://camera.test:{server.port}/live")


def test_a_redirection_to_a_forbidden_address_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    _gate._gate.cache_clear()
    asked = asked_of(monkeypatch)

    class Leads(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - http.server's own name
            self.send_response(302)
            self.send_header("Location", f"http://{METADATA}/latest")
            self.end_headers()

    with http(Leads) as url, pytest.raises(SourceError):
        list(open_source(f"{url}/clip.mp4", foreign=True))
    assert set(asked) == {"127.0.0.1"}
    assert _foreign.SCHEME.match("C:\\clip.mp4") is None, "a drive is no scheme"
