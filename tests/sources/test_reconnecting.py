"""Sources that are kept going."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import SourceError, SourceRefused
from sightline.core.types import Image
from sightline.sources import _reconnecting
from sightline.sources._reconnecting import FIRST_S, LOOP, MOST_S, REFUSED, REFUSED_S, ReconnectingSource
from sightline.sources.base import Lose, Shot, Source, open_source, unnoticed
from support.clips import number_of, numbered, write_clip
from support.http_files import files, http
from support.rtsp import RtspServer, free_port


def clip(folder: Path) -> str:
    return str(write_clip(folder / "clip.mp4", [numbered(i) for i in range(6)], fps=50))


def test_a_file_comes_once_by_its_own_clock(tmp_path: Path) -> None:
    started = time.monotonic()
    assert [number_of(shot.image) for shot in ReconnectingSource(clip(tmp_path))] == list(range(6))
    assert time.monotonic() - started > 0.09


@pytest.mark.parametrize(("spec", "loop"), [("{}", True), ("{}#loop", False)])
def test_a_file_can_begin_anew(tmp_path: Path, spec: str, loop: bool) -> None:
    feed = ReconnectingSource(spec.format(clip(tmp_path)), loop=loop)
    numbers = []
    for shot in feed:
        numbers.append(number_of(shot.image))
        if len(numbers) == 15:
            feed.close()
    assert numbers == [*range(6), *range(6), *range(3)]


@pytest.mark.parametrize("where", ["here", "over HTTP"])
def test_a_looped_file_goes_on_while_nobody_wants_it(tmp_path: Path, where: str) -> None:
    """One whose only key frame is its first stood still for as long as it lasts, and whoever came then saw nothing."""
    path = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(10)], fps=100)
    times = []
    with files(tmp_path) as url:
        feed = ReconnectingSource(f"{path if where == 'here' else f'{url}/{path.name}'}{LOOP}")
        for shot in feed:
            feed.idle = True
            times.append(round(shot.timestamp, 3))
            if len(times) == 30:
                feed.close()
    assert times[:10] == times[10:20] == times[20:]
    assert times[0] == 0


def test_one_that_is_closed_before_its_first_picture_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str | None] = []
    feed = ReconnectingSource(f"{clip(tmp_path)}{LOOP}", tell=told.append)

    def opened(spec: str, **given: Any) -> Source:
        feed.close()
        return open_source(spec, **given)

    monkeypatch.setattr(_reconnecting, "open_source", opened)
    assert (list(feed), told) == ([], [])


def test_a_looped_picture_comes_at_its_rate(tmp_path: Path) -> None:
    """One picture that is shown again and again took a whole core."""
    assert cv2.imwrite(str(tmp_path / "a.png"), numbered(7))
    times = []
    feed = ReconnectingSource(f"{tmp_path / 'a.png'}#loop", fps=20)
    for _ in feed:
        times.append(time.monotonic())
        if len(times) == 5:
            feed.close()
    assert times[-1] - times[0] > 0.15


def test_fps_sets_the_pace(tmp_path: Path) -> None:
    write_clip(tmp_path / "slow.mp4", [numbered(i) for i in range(20)], fps=1)
    started = time.monotonic()
    assert len(list(ReconnectingSource(str(tmp_path / "slow.mp4"), fps=200))) == 20
    assert time.monotonic() - started < 15, "its own clock would take 19 s"


def test_what_can_not_be_opened_is_an_error_unless_told_to_be_patient(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        list(ReconnectingSource(str(tmp_path / "later.mp4"), loop=True))
    told: list[str | None] = []

    def tell(reason: str | None) -> None:
        told.append(reason)
        if len(told) == 1:
            write_clip(tmp_path / "later.mp4", [numbered(i) for i in range(6)], fps=50)

    assert len(list(ReconnectingSource(str(tmp_path / "later.mp4"), patient=True, tell=tell))) == 6
    assert told[0] is not None
    assert "no such file" in told[0]
    assert told[1:] == [None]


@given(st.lists(st.sampled_from(["refused", "failed", "pictures"]), min_size=1, max_size=40))
def test_refusals_are_waited_for_ever_longer_and_other_failures_as_ever(story: list[str]) -> None:
    """Each of both kinds doubles its own waits, which only pictures make short again."""
    outcomes = iter([*story, "end"])
    waits: list[float] = []
    told: list[str | None] = []

    class Noted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return False

    def opened(spec: str, **given: Any) -> Source:
        outcome = next(outcomes)
        if outcome == "refused":
            raise SourceRefused("it refuses the user or the password")
        if outcome == "failed":
            raise SourceError("nothing listens there")
        if outcome == "end":
            raise KeyboardInterrupt
        return Ending()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_reconnecting, "threading", SimpleNamespace(Event=Noted))
        patch.setattr(_reconnecting, "open_source", opened)
        with pytest.raises(KeyboardInterrupt):
            list(ReconnectingSource("camera", patient=True, tell=told.append))
    longest = {"refused": MOST_S, "failed": FIRST_S}
    expected = []
    for outcome in story:
        if outcome == "pictures":  # after which the connection ends
            longest, outcome = {"refused": MOST_S, "failed": FIRST_S}, "failed"
        expected.append(longest[outcome])
        longest[outcome] = min(2 * longest[outcome], REFUSED_S if outcome == "refused" else MOST_S)
    assert len(waits) == len(expected)
    assert all(most / 2 <= waited <= most for waited, most in zip(waits, expected, strict=True)), (waits, expected)
    reasons = [reason for reason in told if reason is not None]
    assert [REFUSED in reason for reason in reasons] == [outcome == "refused" for outcome in story]


class Ending:
    """A camera whose connection ends after a picture."""

    name = "camera"
    total: int | None = None
    fps: float | None = None
    live = True
    images = False
    unreadable = 0
    idle = False
    lose: Lose = staticmethod(unnoticed)

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Shot]:
        yield Shot(numbered(0), 0.0, self.name)
        raise SourceError("the other side ended the stream")


@pytest.mark.parametrize(("status", "refuses"), [(401, True), (403, True), (404, False), (503, False)])
def test_a_refused_user_is_told_from_other_answers(status: int, refuses: bool) -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, format: str, *args: object) -> None:
            return

    with http(Answering) as url, pytest.raises(SourceError) as caught:
        open_source(f"{url.replace('//', '//admin:wrong@')}/video")
    assert isinstance(caught.value, SourceRefused) is refuses


def test_a_camera_that_refuses_the_password_is_not_asked_again_soon() -> None:
    """It was asked every 15 s for ever, for which many lock the user out."""
    with RtspServer(login="bm90OnlvdXJz") as camera:
        told: queue.Queue[str | None] = queue.Queue()
        feed = ReconnectingSource(camera.url.replace("//", "//admin:wrong@"), patient=True, tell=told.put)
        reader = threading.Thread(target=lambda: list(feed), daemon=True)
        reader.start()
        reason = told.get(timeout=20)
        feed.close()
        reader.join(20)
    assert not reader.is_alive()
    assert reason == f"rtsp://127.0.0.1:{camera.port}: it refuses the user or the password; {REFUSED}"


def test_a_camera_that_is_killed_comes_back_each_time() -> None:
    port = free_port()
    newest: list[Image] = []
    changes: list[str | None] = []
    changed = threading.Condition()

    def tell(reason: str | None) -> None:
        with changed:
            changes.append(reason)
            changed.notify_all()

    feed = ReconnectingSource(f"rtsp://127.0.0.1:{port}/live", patient=True, tell=tell)

    def read() -> None:
        for shot in feed:
            newest[:] = [shot.image]

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for life in range(3):
        with RtspServer(port, size=(160, 120 + 16 * life)):
            with changed:
                assert changed.wait_for(lambda: changes[-1:] == [None], MOST_S + 20), f"life {life}: {changes}"
            came = time.monotonic()
            while newest[0].shape[0] != 120 + 16 * life:
                assert time.monotonic() - came < 20
                time.sleep(0.01)
        with changed:
            assert changed.wait_for(lambda: changes[-1] is not None, 20), "the loss is told"
    feed.close()
    reader.join(20)
    assert not reader.is_alive()
    assert all(reason is None or f"rtsp://127.0.0.1:{port}: " in reason for reason in changes)
