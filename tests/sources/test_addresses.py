"""Addresses on the network: what is wrong with one, its user and password, and what is shown of it."""

from __future__ import annotations

import base64
import functools
import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import av
import pytest

from sightline.core.errors import SourceError
from sightline.sources.base import open_source, shown
from support.digest import CHALLENGE, answers
from support.http_files import MotionJpeg, Quiet, http
from support.rtsp import RtspServer, free_port

SECRET = "c4n4ry"


def test_a_name_that_nobody_knows_is_called_so() -> None:
    for scheme in ("rtsp", "http"):
        with pytest.raises(SourceError, match="no machine of that name"):
            open_source(f"{scheme}://user:{SECRET}@camera.invalid/1")


def test_a_wrong_password_is_called_so() -> None:
    with RtspServer(login="bm90OnlvdXJz") as server, pytest.raises(SourceError, match="user or the password") as caught:
        open_source(server.url.replace("//", f"//admin:{SECRET}@"))
    assert SECRET not in str(caught.value)


ODD = f"{SECRET}:/ä"
"""A password with characters that an address can't have as they are."""
LOGINS = [
    (f"admin:{quote(ODD, safe='')}@", None),
    (f"admin:{SECRET}@", "it refuses the user or the password"),
    (f"root:{quote(ODD, safe='')}@", "it refuses the user or the password"),
    ("admin@", "it asks for a password, which the address does not have"),
    ("", "it asks for a user and a password, which the address does not have"),
]


@pytest.mark.parametrize("kind", ["basic", "digest"])
@pytest.mark.parametrize(("login", "wrong"), LOGINS)
def test_a_camera_says_what_is_wrong_with_user_and_password(kind: str, login: str, wrong: str | None) -> None:
    basic = base64.b64encode(f"admin:{ODD}".encode()).decode() if kind == "basic" else ""
    with RtspServer(login=basic, digest=("admin", ODD) if kind == "digest" else None) as camera:
        assert what_comes_of(camera.url.replace("//", f"//{login}")) == wrong


@pytest.mark.parametrize(("login", "wrong"), LOGINS)
def test_motion_jpeg_may_ask_for_a_digest(login: str, wrong: str | None) -> None:
    class Guarded(MotionJpeg):
        def do_GET(self) -> None:  # noqa: N802 - http.server's own name
            if answers({"authorization": self.headers.get("Authorization", "")}, "GET", "admin", ODD):
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", CHALLENGE)
            self.end_headers()
            return None

    with http(Guarded) as url:
        assert what_comes_of(url.replace("//", f"//{login}") + "/video") == wrong


@pytest.mark.parametrize("kind", ["SHA-256", "SHA-512-256"])
def test_a_digest_that_ffmpeg_does_not_know_is_not_called_a_wrong_password(kind: str) -> None:
    class Modern(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", CHALLENGE)
            self.send_header("WWW-Authenticate", CHALLENGE.replace("MD5", f'"{kind}"'))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    why = f"it asks for a {kind} digest, and FFmpeg knows MD5; set the camera to that"
    with http(Modern) as url:
        assert what_comes_of(f"{url.replace('//', f'//admin:{SECRET}@')}/video?a=b") == why
        assert "does not have" in str(what_comes_of(f"{url}/video"))
    with RtspServer(digest=("admin", SECRET), challenge=CHALLENGE.replace("MD5", kind)) as camera:
        assert what_comes_of(camera.url.replace("//", f"//admin:{SECRET}@")) == why


def what_comes_of(url: str) -> str | None:
    """What is wrong with a camera; None where a picture comes."""
    try:
        with open_source(url) as source:
            next(iter(source))
            return None
    except SourceError as e:
        told = str(e)
    assert SECRET not in told
    return told.rpartition(": ")[2]


def test_a_machine_whose_name_is_not_ascii_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg escapes such a name, and that was taken for another machine, which nobody had named."""
    connect = socket.create_connection

    def found(place: tuple[str, int], timeout: float) -> socket.socket:
        return connect(("127.0.0.1", place[1]) if place[0] == "küche.test" else place, timeout)

    monkeypatch.setattr(socket, "create_connection", found)
    with http(MotionJpeg) as url:
        assert what_comes_of(f"{url.replace('127.0.0.1', 'Küche.test')}/video") is None


@pytest.mark.parametrize("spec", ["rtsp://", f"rtsp://me:{SECRET}@camera:99999/1", f"http://me:{SECRET}@[::1/1"])
def test_what_is_no_whole_address_is_called_so(spec: str) -> None:
    assert str(what_comes_of(spec)).endswith("rtsp://HOST:PORT/...")


def test_a_camera_that_nobody_answers_for_is_called_so() -> None:
    for scheme in ("http", "https"):
        with pytest.raises(SourceError, match="nothing listens there"):
            open_source(f"{scheme}://127.0.0.1:{free_port()}/1")


def test_http_says_what_the_other_side_said(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>")
    with http(functools.partial(Quiet, directory=str(tmp_path))) as url:
        with pytest.raises(SourceError, match="404"):
            open_source(f"{url}/nothing.mp4?key={SECRET}")
        with pytest.raises(SourceError, match="this is a web page, not a video"):
            open_source(f"{url}/page.html")


def test_what_pyav_can_not_speak_is_said() -> None:
    try:
        av.open(f"srt://127.0.0.1:{free_port()}", timeout=0.1)
    except av.error.ProtocolNotFoundError:
        with pytest.raises(SourceError, match="FFmpeg built with it"):
            open_source(f"srt://127.0.0.1:{free_port()}?passphrase={SECRET}")
    except av.FFmpegError:
        pytest.skip("this PyAV speaks SRT")


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        ("rtsp://user:pass@host:554/live?x=1#udp", "rtsp://host:554"),
        ("rtsp://192.168.1.9/user=admin_password=pass_channel=1", "rtsp://192.168.1.9"),
        ("rtsp://user:pa/ss@host/live", "rtsp://host"),
        ("rtsp://user:p@ss@host/live", "rtsp://host"),
        ("rtsp://user:pass@[::1]:554/live", "rtsp://[::1]:554"),
        ("ftp://user:pass@host:port", "ftp://..."),
        ("rtsp://user:pass", "rtsp://..."),
        ("clip.mp4", "clip.mp4"),
    ],
)
def test_what_is_shown_of_an_address(spec: str, seen: str) -> None:
    assert shown(spec) == seen
