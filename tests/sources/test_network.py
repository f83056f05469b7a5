"""Sources on the network: a real RTSP server, real HTTP servers, real media."""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import resource
import socket
import socketserver
import threading
import time
import wave
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from pathlib import Path

import av
import numpy as np
import pytest

from sightline.core.errors import SourceError, SourceRefused
from sightline.sources import _pacing, network
from sightline.sources.base import open_source
from support.clips import BOMBS, number_of, numbered, write_bomb, write_clip
from support.http_files import MotionJpeg, Quiet, http, sending
from support.rtsp import RtspServer

SECRET = "c4n4ry"


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
    monkeypatch.setattr(_pacing, "BEHIND_S", 0.15)
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


def test_a_camera_whose_clock_is_set_back_goes_on() -> None:
    lost: list[tuple[str, int]] = []
    with RtspServer(fps=25, picture=numbered) as server, open_source(server.url) as source:
        source.lose = lambda reason, count: lost.append((reason, count))
        shots = iter(source)
        list(itertools.islice(shots, 10))
        server.back_s = _pacing.SKIP_S
        back = server.number
        while number_of(next(shots).image) < back + 5:
            pass
    assert sum(count for reason, count in lost if reason == "late") < 25 * _pacing.SKIP_S / 2


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


def test_a_camera_of_which_only_padding_is_left_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WHOLE_S", 2.0)
    left = threading.Semaphore(0)

    def send(out: BufferedIOBase) -> None:
        try:
            if not played:
                played.append(True)
                with av.open(out, "w", format="mpegts", options=AT_ONCE) as muxed:
                    video = muxed.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
                    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
                    for number in range(25):
                        muxed.mux(video.encode(av.VideoFrame.from_ndarray(numbered(number), format="bgr24")))
            while True:
                out.write(b"G\x1f\xff\x10" + b"\xff" * 184)
                time.sleep(0.02)
        except OSError:
            left.release()

    played: list[bool] = []
    with sending(send, "video/mp2t") as url:
        with open_source(url) as source, pytest.raises(SourceError, match="data comes, and no picture in it"):
            for _ in source:
                pass
        assert left.acquire(timeout=10)
        monkeypatch.setattr(network, "OPEN_S", 2.0)
        with pytest.raises(SourceError, match="data comes, and no picture in it"):
            open_source(url)
        assert left.acquire(timeout=10), "it is let go at once"


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


def test_a_camera_that_accepts_and_sends_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "OPEN_S", 0.3)
    monkeypatch.setattr(network, "READ_S", 0.3)
    with RtspServer() as server:
        server.frozen.set()
        with pytest.raises(SourceError, match="nothing came for"), open_source(server.url) as source:
            next(iter(source))


class Moved(socketserver.StreamRequestHandler):
    """Answers every RTSP request with a redirection to ``place``."""

    place = ""

    def handle(self) -> None:
        number = b""
        for line in self.rfile:
            if line.lower().startswith(b"cseq:"):
                number = line
            if line == b"\r\n":
                answer = b"RTSP/1.0 302 Moved\r\n%sLocation: rtsp://%s/live\r\n\r\n" % (number, self.place.encode())
                self.wfile.write(answer)


@pytest.mark.parametrize("circle", [True, False])
def test_an_rtsp_camera_that_redirects_says_where_to(monkeypatch: pytest.MonkeyPatch, circle: bool) -> None:
    """FFmpeg follows thousands of times in ten seconds: a circle is not tried again every few."""
    monkeypatch.setattr(network, "OPEN_S", 1.0)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Moved) as server:
        server.daemon_threads = True
        port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(Moved, "place", f"127.0.0.1:{port if circle else 9}")
        with pytest.raises(SourceError) as told:
            open_source(f"rtsp://127.0.0.1:{port}/live")
        server.shutdown()
    assert f"it redirects to {Moved.place}; expected the address of the stream itself" in told.value.message
    assert isinstance(told.value, SourceRefused) == circle


def test_motion_jpeg_over_http_is_live() -> None:
    with http(MotionJpeg) as url, open_source(f"{url}/video?password={SECRET}") as source:
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
