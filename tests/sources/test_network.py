"""Sources on the network: a real RTSP server, real HTTP servers, real media."""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import resource
import socket
import time
import wave
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import av
import cv2
import numpy as np
import pytest

from sightline.core.errors import SourceError
from sightline.sources import _gate, network
from sightline.sources.base import open_source, shown
from support.clips import BOMBS, moving, number_of, numbered, write_bomb, write_clip
from support.digest import CHALLENGE, answers
from support.http_files import Quiet, http
from support.rtsp import RtspServer, free_port

SECRET = "c4n4ry"


class Mjpeg(BaseHTTPRequestHandler):
    """What cheap cameras speak: one JPEG after the other, for ever."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):
            for number in itertools.count():
                data = cv2.imencode(".jpg", numbered(number % 256))[1].tobytes()
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                self.wfile.write(data + b"\r\n")
                time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.mark.parametrize(
    ("option", "transport"), [("", "RTP/AVP/TCP"), ("#tcp", "RTP/AVP/TCP"), ("#udp", "RTP/AVP/UDP")]
)
def test_rtsp_brings_pictures_over_the_transport_asked_for(option: str, transport: str) -> None:
    with RtspServer() as server, open_source(server.url + option) as source:
        assert (source.live, source.images, source.total) == (True, False, None)
        assert source.name == f"rtsp://127.0.0.1:{server.port}"
        before = time.time()
        shots = list(itertools.islice(source, 5))
        assert [shot.image.shape for shot in shots] == [(120, 160, 3)] * 5
        assert all(before <= a.timestamp <= b.timestamp for a, b in itertools.pairwise(shots))
        assert shots[0].image[60].max() > 180, "the white square"
        assert server.transports[0].startswith(transport)


def test_a_camera_that_nobody_watches_is_hardly_decoded_and_is_up_to_date_at_once() -> None:
    with RtspServer(fps=25) as server, open_source(server.url) as source:
        shots = iter(source)
        first = next(shots)
        assert first.fresh
        source.idle = True
        spared = [next(shots) for _ in range(40)]
        assert not any(shot.fresh for shot in spared[1:]), "they come at the camera's pace"
        assert len({id(shot.image) for shot in spared}) <= 5, "one a second is decoded"
        source.idle = False
        awake = list(itertools.islice(shots, 4))
        assert all(shot.fresh for shot in awake[1:])
        seen = {shot.image.tobytes() for shot in awake[1:]}
        assert len(seen) == 3, "each is decoded"
        assert spared[-1].image.tobytes() not in seen


def test_a_camera_is_open_with_its_first_picture_however_slow() -> None:
    """FFmpeg knows that a picture is complete when the next one begins, so that one is sent when the first is seen."""
    with RtspServer(fps=0.8, picture=numbered) as server, open_source(server.url) as source:
        assert number_of(next(iter(source)).image) == 0
        assert server.number < 4


def test_a_machine_that_can_not_keep_up_goes_on_with_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BEHIND_S", 0.15)
    with RtspServer(fps=25, picture=numbered) as server, open_source(server.url) as source:
        numbers = (number_of(shot.image) for shot in source)
        for last in numbers:
            if last >= server.number - 2 and 1 < last % 25 < 12:
                break
        while server.number % 25 < 23:  # it is busy so long, until just before the next key frame
            time.sleep(0.01)
        missed = server.number
        stale = list(itertools.takewhile(lambda number: number < missed, numbers))
        assert missed - last > 8
        assert len(stale) <= 2, f"pictures up to {missed} had come, {stale} were still shown after {last}"


def test_a_resolution_that_changes_is_survived() -> None:
    with RtspServer() as server, open_source(server.url) as source:
        seen = []
        for shot in source:
            if shot.image.shape not in seen:
                seen.append(shot.image.shape)
                if len(seen) == 3:
                    break
                server.size = (320, 240) if len(seen) == 1 else (96, 64)
    assert seen == [(120, 160, 3), (240, 320, 3), (64, 96, 3)]


def test_a_camera_that_leaves_is_told_and_the_password_is_not() -> None:
    login = base64.b64encode(f"admin:{SECRET}".encode()).decode()
    with RtspServer(login=login) as server:
        url = server.url.replace("//", f"//admin:{SECRET}@")
        with open_source(url) as source:
            shots = iter(source)
            next(shots)
            server.__exit__(None, None, None)
            with pytest.raises(SourceError, match=f"rtsp://127.0.0.1:{server.port}: ") as caught:
                list(shots)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(SourceError, match="nothing listens there") as caught:
        open_source(url)
    assert SECRET not in repr(caught.value)


def test_a_camera_that_freezes_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "READ_S", 0.5)
    with RtspServer() as server, open_source(server.url) as source:
        shots = iter(source)
        next(shots)
        server.frozen.set()
        with pytest.raises(SourceError, match=r"nothing came for 0\.5 s"):
            list(shots)


AT_ONCE = {"flush_packets": "1"}


class SoundGoesOn(BaseHTTPRequestHandler):
    """A camera whose pictures end after a while; its sound goes on for ever, as after a crash of its encoder."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        with (
            contextlib.suppress(OSError, av.FFmpegError),
            av.open(self.wfile, "w", format="mpegts", options=AT_ONCE) as out,
        ):
            video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            sound = out.add_stream("mp2", rate=48000, layout="mono")
            for i in itertools.count():
                if i < 3:
                    out.mux(video.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24")))
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), format="s16", layout="mono")
                silence.sample_rate, silence.pts, silence.time_base = 48000, i * 1920, Fraction(1, 48000)
                out.mux(sound.encode(silence))
                time.sleep(0.002)

    def log_message(self, format: str, *args: object) -> None:
        return


def test_a_camera_of_which_only_the_sound_is_left_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "READ_S", 0.3)
    with http(SoundGoesOn) as url, open_source(f"{url}/live.ts") as source:
        assert source.live
        shots = iter(source)
        assert number_of(next(shots).image) == 0
        with pytest.raises(SourceError, match=r"no picture came for 0\.3 s"):
            list(shots)


def test_what_has_sound_alone_is_called_so(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    with http(functools.partial(Quiet, directory=str(tmp_path))) as url, pytest.raises(SourceError, match="no video"):
        open_source(f"{url}/sound.wav")


def test_one_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "OPEN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(SourceError, match=r"nothing came for 0\.3 s"):
        open_source(f"rtsp://127.0.0.1:{deaf.getsockname()[1]}/live")


def test_a_name_that_nobody_knows_is_called_so() -> None:
    for scheme in ("rtsp", "http"):
        with pytest.raises(SourceError, match="no machine of that name"):
            open_source(f"{scheme}://user:{SECRET}@camera.invalid/1")


def test_a_camera_that_accepts_and_sends_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "OPEN_S", 0.3)
    monkeypatch.setattr(network, "READ_S", 0.3)
    with RtspServer() as server:
        server.frozen.set()
        with pytest.raises(SourceError, match="nothing came for"), open_source(server.url) as source:
            next(iter(source))


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
    class Guarded(Mjpeg):
        def do_GET(self) -> None:
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
    with http(Mjpeg) as url:
        assert what_comes_of(f"{url.replace('127.0.0.1', 'Küche.test')}/video") is None


@pytest.mark.parametrize("spec", ["rtsp://", f"rtsp://me:{SECRET}@camera:99999/1", f"http://me:{SECRET}@[::1/1"])
def test_what_is_no_whole_address_is_called_so(spec: str) -> None:
    assert str(what_comes_of(spec)).endswith("rtsp://HOST:PORT/...")


def test_motion_jpeg_over_http_is_live() -> None:
    with http(Mjpeg) as url, open_source(f"{url}/video?password={SECRET}") as source:
        assert source.live
        numbers = [number_of(shot.image) for shot in itertools.islice(source, 8)]
    assert numbers == list(range(numbers[0], numbers[0] + 8))
    assert source.name == url


def test_a_file_over_http_is_a_file(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(30)])
    with http(functools.partial(Quiet, directory=str(tmp_path))) as url, open_source(f"{url}/clip.mp4") as source:
        assert (source.live, source.total, source.fps) == (False, 30, 25)
        shots = list(source)
    assert [number_of(shot.image) for shot in shots] == list(range(30))
    assert [shot.timestamp for shot in shots] == pytest.approx([i / 25 for i in range(30)], abs=0.002)


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_camera_that_claims_huge_pictures_is_refused_by_the_decoder(name: str, tmp_path: Path) -> None:
    write_bomb(tmp_path / name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        http(functools.partial(Quiet, directory=str(tmp_path))) as url,
        pytest.raises(SourceError),
        open_source(f"{url}/{name}") as source,
    ):
        list(source)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000, "KB"


def write_hls(folder: Path, *, seconds: int, ended: bool) -> None:
    """A playlist with segments of a second."""
    with av.open(str(folder / "live.m3u8"), "w", format="hls", options={"hls_time": "1", "hls_list_size": "0"}) as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = 25
        for i in range(25 * seconds):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24")))
        out.mux(stream.encode(None))
    if not ended:
        playlist = folder / "live.m3u8"
        playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST\n", ""))


def test_live_hls_comes_in_bursts_and_is_shown_by_its_own_clock(tmp_path: Path) -> None:
    write_hls(tmp_path, seconds=4, ended=False)
    with http(functools.partial(Quiet, directory=str(tmp_path))) as url, open_source(f"{url}/live.m3u8") as source:
        assert source.live
        shots = list(itertools.islice(source, 25))
    numbers = [number_of(shot.image) for shot in shots]
    assert numbers == list(range(numbers[0], numbers[0] + 25))
    assert shots[-1].timestamp - shots[0].timestamp > 0.9, "24 frames at 25 fps"


def test_hls_that_has_ended_is_a_file(tmp_path: Path) -> None:
    write_hls(tmp_path, seconds=2, ended=True)
    with http(functools.partial(Quiet, directory=str(tmp_path))) as url, open_source(f"{url}/live.m3u8") as source:
        assert not source.live
        assert len(list(source)) == 50


def test_only_the_first_variant_of_a_playlist_is_fetched(tmp_path: Path) -> None:
    playlist = "#EXTM3U\n"
    for name in ("first", "other"):
        (tmp_path / name).mkdir()
        write_hls(tmp_path / name, seconds=3, ended=True)
        playlist += f"#EXT-X-STREAM-INF:BANDWIDTH=100000\n{name}/live.m3u8\n"
    (tmp_path / "live.m3u8").write_text(playlist)
    asked = []

    class Watched(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - http.server's own name
            asked.append(self.path)
            super().do_GET()

    watched: type[Quiet] = Watched
    with http(functools.partial(watched, directory=str(tmp_path))) as url, open_source(f"{url}/live.m3u8") as source:
        assert len(list(source)) == 75
    assert "/first/live2.ts" in asked
    assert "/other/live2.ts" not in asked


def test_a_playlist_can_not_make_us_read_files_of_this_machine(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "private.mp4", [moving(i) for i in range(5)])
    public = tmp_path / "public"
    public.mkdir()
    (public / "live.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{clip}\n#EXT-X-ENDLIST\n")
    with http(functools.partial(Quiet, directory=str(public))) as url, pytest.raises(SourceError):
        list(open_source(f"{url}/live.m3u8"))


class Leading(Quiet):
    """Files, and a redirection of whatever is not there."""

    to = ""

    def do_GET(self) -> None:  # noqa: N802 - http.server's own name
        if self.path.startswith("/go"):
            self.send_response(302)
            self.send_header("Location", self.to + self.path.removeprefix("/go"))
            self.end_headers()
        else:
            super().do_GET()


class Inner(Quiet):
    """A server that nobody named: it notes who comes."""

    asked: list[str]

    def do_GET(self) -> None:  # noqa: N802 - http.server's own name
        self.asked.append(self.path)
        super().do_GET()


def playlist(address: str, *, key: str = "") -> str:
    uri = f'#EXT-X-KEY:METHOD=AES-128,URI="{key}"\n' if key else ""
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{uri}#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize("leads", ["segment", "playlist", "key", "redirection", "redirected segment", "joined files"])
@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1,localhost"])
def test_a_camera_can_not_lead_to_machines_that_nobody_named(
    tmp_path: Path, leads: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", no_proxy)
    _gate._gate.cache_clear()  # as in a process that begins with that variable
    write_hls(tmp_path, seconds=1, ended=True)
    clip = write_clip(tmp_path / "clip.mp4", [moving(i) for i in range(5)])
    inner = type("Asked", (Inner,), {"asked": []})
    with http(functools.partial(inner, directory=str(tmp_path))) as other:
        outer = type("Leads", (Leading,), {"to": other})
        there = {
            "segment": playlist(f"{other}/live0.ts"),
            "playlist": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other}/live.m3u8\n",
            "key": playlist("live0.ts", key=f"{other}/live0.ts"),
            "redirected segment": playlist("/go/live0.ts"),
            "joined files": f"ffconcat version 1.0\nfile {other}/{clip.name}\nfile go/{clip.name}\n",
        }
        (tmp_path / "lead.m3u8").write_text(there.get(leads, ""))
        with http(functools.partial(outer, directory=str(tmp_path))) as url:
            path = f"/go/{clip.name}" if leads == "redirection" else "/lead.m3u8"
            with pytest.raises(SourceError) as refused:
                list(open_source(url + path))
            if leads in ("redirection", "playlist"):
                assert f"it leads to {other[7:]}, which is not asked as nobody named it" in refused.value.message
    assert inner.asked == []  # type: ignore[attr-defined]


def test_a_camera_may_redirect_to_itself(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [moving(i) for i in range(5)])
    outer = type("Leads", (Leading,), {"to": ""})
    with (
        http(functools.partial(outer, directory=str(tmp_path))) as url,
        open_source(f"{url}/go/{clip.name}?key=a%20b") as source,
    ):
        assert len(list(source)) == 5


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
