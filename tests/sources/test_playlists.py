"""Playlists and redirections: HLS, and where a camera may lead."""

from __future__ import annotations

import functools
import itertools
import time
from pathlib import Path
from typing import ClassVar

import av
import pytest

from sightline.core.errors import SourceError
from sightline.sources import _gate
from sightline.sources.base import open_source
from support.clips import moving, number_of, numbered, write_clip
from support.http_files import Quiet, http


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


class Live(Quiet):
    """A camera's playlist: each second another segment of those of ``write_hls``. While it hangs it answers nothing."""

    began: ClassVar[float]
    hangs_until: ClassVar[float]

    def do_GET(self) -> None:  # noqa: N802 - http.server's own name
        time.sleep(max(0.0, self.hangs_until - time.monotonic()))
        if not self.path.endswith(".m3u8"):
            super().do_GET()
            return
        segments = "".join(f"#EXTINF:1.0,\nlive{i}.ts\n" for i in range(int(time.monotonic() - self.began)))
        body = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n{segments}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_live_hls_that_stood_still_is_as_young_as_before(tmp_path: Path) -> None:
    write_hls(tmp_path, seconds=60, ended=False)
    Live.began, Live.hangs_until = time.monotonic() - 5, 0.0
    number = 0
    live: type[Quiet] = Live
    with http(functools.partial(live, directory=str(tmp_path))) as url, open_source(f"{url}/live.m3u8") as source:
        ages = []
        for shot in itertools.islice(source, 225):
            number += (number_of(shot.image) - number) % 256
            ages.append(time.monotonic() - Live.began - number / 25)
            if len(ages) == 25:
                Live.hangs_until = time.monotonic() + 5
    assert max(ages) > ages[24] + 2, "what was fetched before hides the first seconds"
    assert ages[-1] < ages[24] + 1, "a second at most is left"
