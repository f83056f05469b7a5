"""Motion JPEG over HTTP."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BufferedIOBase

import cv2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sightline.core.errors import SourceError
from sightline.media import codecs
from sightline.sources import _gate, _mjpeg, network
from sightline.sources._mjpeg import JpegSplitter
from sightline.sources.base import Shot, open_source
from support.clips import number_of, numbered
from support.http_files import sending

PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def jpeg(number: int, *options: int) -> bytes:
    return cv2.imencode(".jpg", numbered(number), options)[1].tobytes()


def regular(data: bytes) -> bytes:
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(data), data)


ODD: dict[str, Callable[[bytes], bytes]] = {
    "regular": regular,
    "without a length": lambda data: b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + data + b"\r\n",
    "no first boundary": lambda data: b"Content-Type: image/jpeg\r\n\r\n" + data + b"\r\n--frame\r\n",
    "image/jpg": lambda data: b"--frame\r\nContent-Type: image/jpg\r\n\r\n" + data + b"\r\n",
    "no type": lambda data: b"--frame\r\n\r\n" + data + b"\r\n",
    "no headers": lambda data: b"--frame\r\n" + data + b"\r\n",
    "bare": lambda data: data,
    "line feeds": lambda data: b"--frame\nContent-type:image/jpeg\n\n" + data + b"\n",
    "a wrong length": lambda data: regular(data).replace(b"Length: ", b"Length: 1"),
    "more headers": lambda data: b"\r\n--frame\r\nX-Time: 7\r\nContent-Type: image/jpeg\r\n\r\n" + data,
    "without its end": lambda data: regular(data[:-2]),
}


@pytest.mark.parametrize("kind", ODD)
def test_every_picture_comes_with_its_last_byte_at_whatever_rate(kind: str) -> None:
    """Faults 1 and 7: the camera sends the next picture only after this one was seen, so no clock is needed."""
    seen = threading.Semaphore(1)

    def send(out: BufferedIOBase) -> None:
        for number in range(8):
            seen.acquire(timeout=30)
            out.write(ODD[kind](jpeg(number)))

    with sending(send) as url, open_source(f"{url}/video") as source:
        assert source.live
        numbers = []
        for shot in source:
            assert abs(time.time() - shot.timestamp) < 10, "stamped when it came"
            assert shot.damaged == (kind == "without its end")
            numbers.append(number_of(shot.image))
            seen.release()
            if len(numbers) == 8:
                break
    assert numbers == list(range(8))


def until_the_end(shots: Iterator[Shot]) -> list[int]:
    """Numbers of the pictures until the other side ends."""
    numbers = []
    with contextlib.suppress(SourceError):
        for shot in shots:
            numbers.append(number_of(shot.image))
        pytest.fail("a live source does not end")
    return numbers


def test_what_the_reader_is_too_slow_for_is_left_out_and_counted() -> None:
    """Fault 1: all are either seen or counted, and the newest counts."""
    lost: Counter[str] = Counter()
    sent = threading.Event()

    def send(out: BufferedIOBase) -> None:
        for number in range(200):
            out.write(regular(jpeg(number)))
        out.write(regular(b"no picture"))
        sent.set()

    with sending(send) as url, open_source(url) as source:
        source.lose = lambda reason, count: lost.update({reason: count})
        shots = iter(source)
        first = number_of(next(shots).image)
        assert sent.wait(30)
        numbers = [first, *until_the_end(shots)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 199
    assert len(numbers) + lost["late"] == 200
    assert lost.keys() <= {"late"}


def test_a_picture_that_can_not_be_decoded_is_counted() -> None:
    lost: Counter[str] = Counter()
    broken = jpeg(1)[:100] + jpeg(1)[-100:]

    def send(out: BufferedIOBase) -> None:
        for data in (jpeg(0), broken, jpeg(2)):
            out.write(regular(data))

    with sending(send) as url, open_source(url) as source:
        source.lose = lambda reason, count: lost.update({reason: count})
        numbers = until_the_end(iter(source))
    assert (numbers, lost) == ([0, 2], {"undecodable": 1})


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (b"--frame\r\nContent-Type: text/plain\r\n\r\nno camera\r\n", "of type 'text/plain'; expected image/jpeg"),
        (b"--frame\r\n\r\nhello\r\n", "no JPEG is in what it sends"),
    ],
)
def test_parts_that_are_no_pictures_are_called_so(part: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 7."""
    monkeypatch.setattr(_mjpeg, "ODD_S", 0.1)
    over = threading.Event()

    def send(out: BufferedIOBase) -> None:
        while not over.wait(0.02):
            out.write(part)

    with sending(send) as url, open_source(url) as source, pytest.raises(SourceError, match=said):
        next(iter(source))
    over.set()


def test_a_camera_that_hangs_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "OPEN_S", 0.5)
    monkeypatch.setattr(network, "READ_S", 0.5)
    over = threading.Event()

    def send(out: BufferedIOBase) -> None:
        out.write(regular(jpeg(3)))
        over.wait(30)

    with sending(send) as url, open_source(url) as source:
        shots = iter(source)
        assert number_of(next(shots).image) == 3
        with pytest.raises(SourceError, match=r"nothing came for 0\.5 s"):
            next(shots)
        over.set()


NO_PICTURES = {
    "parts without a picture": (b"", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 0\r\n\r\n\r\n", "1"),
    "a picture without an end": (jpeg(4)[:-40], b"\x11", "2"),
}
"""What a camera sends after a picture, at first and then again and again, and the seconds until it counts as gone."""


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_a_camera_that_sends_all_but_pictures_counts_as_gone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "OPEN_S", 1.0)
    monkeypatch.setattr(network, "READ_S", 1.0)
    monkeypatch.setattr(_mjpeg, "WHOLE_S", 2.0)
    first, again, seconds = NO_PICTURES[kind]
    over = threading.Event()

    def send(out: BufferedIOBase) -> None:
        out.write(regular(jpeg(2)) + regular(jpeg(3)) + first)
        while not over.wait(0.02):
            out.write(again)

    with sending(send) as url, open_source(url) as source:
        shots = iter(source)
        assert [number_of(next(shots).image) for _ in range(2)] == [2, 3]
        with pytest.raises(SourceError, match=f"no whole picture came for {seconds} s, only other data"):
            list(shots)
        over.set()


def test_a_camera_is_let_go_though_it_sends_no_more_pictures() -> None:
    let_go, over = threading.Event(), threading.Event()

    def send(out: BufferedIOBase) -> None:
        out.write(regular(jpeg(2)))
        try:
            while not over.wait(0.02):
                out.write(b"--frame\r\n\r\n")
        except OSError:
            let_go.set()

    with sending(send) as url:
        with open_source(url) as source:
            assert number_of(next(iter(source)).image) == 2
        assert let_go.wait(5), "before it would count as gone"
        over.set()


@pytest.mark.parametrize("pause_s", [0.0, 0.02], ids=["fast", "slowly"])
def test_a_camera_that_sends_blanks_is_not_listened_to_for_ever(
    pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "OPEN_S", 1.0)
    monkeypatch.setattr(network, "READ_S", 1.0)
    over = threading.Event()

    def send(out: BufferedIOBase) -> None:
        while not over.wait(pause_s):
            out.write(b"\r\n" * (1 if pause_s else 50_000))

    with sending(send) as url, pytest.raises(SourceError, match=r"begins with b'.*; expected pictures or a video"):
        open_source(url)
    over.set()


def test_what_nobody_has_called_unwatched_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Single pictures and live video say nothing of who watches."""
    monkeypatch.setattr(_gate, "PAUSE_S", 60.0)

    def send(out: BufferedIOBase) -> None:
        data = jpeg(5)
        for part in (data[:100], data[100:]):
            time.sleep(0.1)  # so that they come apart
            out.write(part)

    with sending(send, "image/jpeg") as url, open_source(url) as source:
        assert number_of(next(iter(source)).image) == 5


def test_an_address_is_held_back_while_all_who_read_it_say_that_they_watch_nothing() -> None:
    interest = _gate.Interest()
    said: list[bool] = []
    for who, wants in (("a", False), ("b", True), ("b", False), ("a", None), ("b", None), ("b", False), ("b", True)):
        interest.note(who, wants=wants)
        said.append(interest.awake.is_set())
    assert said == [False, True, False, False, True, False, True]


@pytest.mark.parametrize("kind", ["regular", "without a length", "a wrong length"])
def test_a_camera_that_nobody_watches_is_hardly_decoded_and_every_picture_is_counted(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mjpeg, "IDLE_S", 0.3)
    monkeypatch.setattr(_gate, "PAUSE_S", 0.1)
    watched = threading.Event()
    sent = 0

    def send(out: BufferedIOBase) -> None:
        nonlocal sent
        while not watched.is_set():
            out.write(ODD[kind](jpeg(sent)))
            sent += 1
            time.sleep(0.005)
        for number in (254, 255):
            out.write(ODD[kind](jpeg(number)))

    left_out: Counter[str] = Counter()
    with sending(send) as url, open_source(url) as source:
        source.lose = lambda reason, count: left_out.update({reason: count})
        source.idle = True
        shots = iter(source)
        seen = [next(shots), next(shots)]
        assert not any(shot.fresh for shot in seen)
        assert seen[0].image is seen[1].image, "the second is not decoded"
        assert seen[1].undecoded is not None
        assert left_out == {"unwatched": number_of(codecs.decode(seen[1].undecoded)) - number_of(seen[0].image) - 1}
        source.idle = False
        watched.set()
        with contextlib.suppress(SourceError):  # its end
            for shot in shots:
                seen.append(shot)
    assert len(seen) + left_out.total() == sent + 2
    assert number_of(seen[-1].image) == 255
    assert seen[-1].fresh


# The splitter alone

PARTS = st.lists(
    st.tuples(st.sampled_from(sorted(ODD)), st.integers(0, 255), st.sampled_from([(), PROGRESSIVE])),
    min_size=1,
    max_size=5,
)


@given(parts=PARTS, sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_however_the_bytes_arrive_each_picture_is_found_once(
    parts: list[tuple[str, int, tuple[int, ...]]], sizes: list[int]
) -> None:
    data = b"".join(ODD[kind](jpeg(number, *options)) for kind, number, options in parts)
    splitter = JpegSplitter()
    found, at = [], 0
    for size in itertools.cycle(sizes):
        found += splitter.feed(data[at : at + size])
        at += size
        if at >= len(data):
            break
    found += splitter.rest()
    expected = [jpeg(number, *options) for _, number, options in parts]
    assert len(found) == len(expected)
    for kind, got, whole in zip((kind for kind, *_ in parts), found, expected, strict=True):
        assert got.startswith(whole[:-2]) if kind == "without its end" else got == whole


def test_a_picture_whose_header_lies_takes_no_other_with_it() -> None:
    """Its first segment claims 26 KB, in which the next ones would vanish uncounted."""
    bad = b"\xff\xd8\xff\xe0garbage" * 20
    given = [jpeg(0), bad, jpeg(2), jpeg(3)]
    splitter = JpegSplitter()
    assert splitter.feed(b"".join(map(regular, given))) == given


@given(st.lists(st.binary(max_size=200) | st.sampled_from([b"\xff\xd8\xff", b"\xff\xda\0\x04ab", b"\xff\xd9"])))
@example([b"\xff\xd8\xff", b"\xd8\xff"])
def test_whatever_comes_memory_and_time_are_bounded(chunks: list[bytes]) -> None:
    splitter = JpegSplitter()
    for chunk in chunks:
        for picture in splitter.feed(chunk):
            assert picture.startswith(b"\xff\xd8\xff")
    assert len(splitter.between) <= 1024


def test_a_picture_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mjpeg, "MOST_BYTES", 10_000)
    splitter = JpegSplitter()
    start = jpeg(1)[:-2]
    assert splitter.feed(start) == []
    for _ in range(20):
        assert splitter.feed(bytes(1000)) == []
    assert splitter.lost == 1
    assert splitter.feed(jpeg(5)) == [jpeg(5)]
