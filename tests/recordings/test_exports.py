"""Clips of recordings: as recorded, with overlays drawn in, without people; on the command line and by the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import cv2
import httpx2
import msgspec
import numpy as np
import pytest
import pytest_asyncio
from msgspec.structs import replace
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import LimitReached, NotFound, SightlineError
from sightline.core.types import Encoded, Image
from sightline.media import codecs
from sightline.recordings import clip, exports
from sightline.recordings.clip import ClipWish, Kind
from sightline.recordings.exports import Exports
from sightline.recordings.mp4 import PictureFrames
from sightline.recordings.recordings import Recordings
from sightline.recordings.shelf import Shelf
from sightline.recordings.take import Take
from sightline.settings.settings import load_settings
from support.events import event
from support.inside import Inside, inside
from support.shelves import NOW, Time, shelf_in
from support.waiting import within

SIZE = 160, 96
PERSON = (40.0, 20.0, 100.0, 90.0)
FPS = 10


def scene(number: int) -> Image:
    """Stripes, so that a blur shows; the number of the frame, modulo 30, is the brightness of a corner."""
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[:, ::4] = image[:, 1::4] = 230
    image[:24, :24] = number % 30 * 8
    return image


def number_of(image: Image) -> int:
    return round(float(image[4:20, 4:20].mean()) / 8)


def stripes(image: Image, box: tuple[int, int, int, int]) -> float:
    """How much the columns of an area differ."""
    left, top, right, bottom = box
    return float(image[top:bottom, left:right].mean(axis=(0, 2)).std())


def result(number: int, *boxes: tuple[float, float, float, float], name: str = "person") -> bytes:
    rows = [{"class_id": 0, "class_name": name, "confidence": 0.9, "xyxy": box} for box in boxes]
    said = {"type": "result", "stream": "door", "frameNumber": number, "width": SIZE[0], "height": SIZE[1]}
    return msgspec.json.encode(said | {"detections": rows})


def record(
    shelf: Shelf, at: float, numbers: range, said: dict[int, bytes], size: tuple[int, int] = SIZE, fps: float = FPS
) -> None:
    """Record a segment of these frames."""
    segment, pictures = None, PictureFrames()
    for number in numbers:
        image = scene(number) if size == SIZE else np.asarray(cv2.resize(scene(number), size), np.uint8)
        took = Take(
            at + (number - numbers.start) / fps, Encoded(codecs.encode_jpeg(image, 95), *size), seq=number, keep=True
        )
        took.settled = True
        if number in said:
            took.said = msgspec.Raw(said[number]), ""
        segment = segment or shelf.begin("door", took)
        segment.add(took, pictures)
    assert segment is not None
    row, seen = segment.close()
    shelf.index.update(row, seen)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two segments without a break between them, six seconds in all; a person in each frame."""
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    said = {number: result(number, PERSON) for number in range(60)}
    record(shelf, NOW, range(30), said)
    record(shelf, NOW + 3, range(30, 60), said)
    shelf.close()
    return tmp_path


def videos(data: Path) -> list[Path]:
    return sorted((data / "recordings" / "door").rglob("*.mp4"))


def shown(path: Path) -> list[tuple[float, Image]]:
    """The pictures of a file, with their times."""
    with av.open(str(path)) as container:
        return [
            (float(f.time or 0), np.asarray(f.to_ndarray(format="bgr24"), np.uint8)) for f in container.decode(video=0)
        ]


def packets(path: Path) -> list[tuple[bytes, bool]]:
    """The packets of a file, and whether each is a key frame."""
    with av.open(str(path)) as container:
        return [(bytes(packet), packet.is_keyframe) for packet in container.demux(video=0) if packet.size]


def cut(all_packets: list[tuple[bytes, bool]], first: int, last: int) -> list[tuple[bytes, bool]]:
    """From the key frame before a packet to before the one after another."""
    keys = [number for number, (_, key) in enumerate(all_packets) if key]
    start = max(key for key in keys if key <= first)
    return all_packets[start : min((key for key in keys if key > last), default=None)]


def test_a_clip_as_recorded_has_the_very_packets_of_all_segments(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    assert clip.write(videos(data), ClipWish(NOW + 1, NOW + 4.5), target) == ""
    first, second = (packets(path) for path in videos(data))
    expected = cut(first, 10, 30) + cut(second, 0, 15)
    assert packets(target) == expected
    pictures = shown(target)
    assert len(pictures) == len(expected)
    assert number_of(pictures[-1][1]) == len(cut(second, 0, 15)) - 1
    assert [round(at, 2) for at, _ in pictures] == [round(i / FPS, 2) for i in range(len(expected))]


def test_a_clip_is_cut_at_key_frames_and_a_long_gap_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    said = {number: result(number, PERSON) for number in range(90)}
    record(shelf, NOW, range(90), said, fps=30)
    record(shelf, NOW + 600, range(30), said, fps=30)
    shelf.close()
    clip.write(videos(tmp_path), ClipWish(NOW + 1.5, NOW + 700), tmp_path / "a.mp4")
    before, after = (packets(path) for path in videos(tmp_path))
    expected = cut(before, 45, 90) + after
    assert packets(tmp_path / "a.mp4") == expected
    times = [at for at, _ in shown(tmp_path / "a.mp4")]
    assert times[-1] == pytest.approx((len(expected) - 1) / 30, abs=0.1), "ten minutes without a recording are left out"
    clip.write(videos(tmp_path), ClipWish(NOW + 0.2, NOW + 0.8), tmp_path / "b.mp4")
    assert packets(tmp_path / "b.mp4") == cut(before, 6, 24)
    with pytest.raises(NotFound):
        clip.write([], ClipWish(NOW, NOW + 1), tmp_path / "c.mp4")


@pytest.mark.parametrize("kind", ["recorded", "converted", "blurred"])
def test_pictures_of_a_slow_camera_keep_their_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """What was encoded anew was over in a moment, as all between two pictures counted as not recorded."""
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    record(shelf, NOW, range(10), {}, fps=1 / 6)
    record(shelf, NOW + 60, range(10, 15), {}, fps=1 / 6)
    shelf.close()
    clip.write(videos(tmp_path), ClipWish(NOW, NOW + 84, kind), tmp_path / "clip.mp4")
    assert [at for at, _ in shown(tmp_path / "clip.mp4")] == pytest.approx([6 * n for n in range(15)], abs=0.1)


def test_overlays_are_on_exactly_their_frames(data: Path, tmp_path: Path) -> None:
    clip.write(videos(data), ClipWish(NOW + 1, NOW + 3.95, "drawn", "boxes"), tmp_path / "clip.mp4")
    pictures = shown(tmp_path / "clip.mp4")
    assert [number_of(image) for _, image in pictures] == [*range(10, 30), *range(10)]
    for _, image in pictures:
        edge = image[30:80, 39:42].astype(int)
        assert float((edge.max(axis=2) - edge.min(axis=2)).max()) > 40, "a coloured line where the box is"


def test_a_class_that_is_left_out_is_not_drawn(data: Path, tmp_path: Path) -> None:
    for hidden, drawn in ((("dog",), True), (("person",), False)):
        wish = ClipWish(NOW, NOW + 1, "drawn", "boxes", hidden=hidden)
        clip.write(videos(data), wish, tmp_path / f"{hidden[0]}.mp4")
        edges = [image[30:80, 39:42].astype(int) for _, image in shown(tmp_path / f"{hidden[0]}.mp4")]
        assert all((float((one.max(axis=2) - one.min(axis=2)).max()) > 40) == drawn for one in edges)


def test_another_size_within_a_clip_is_encoded_anew_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    record(shelf, NOW, range(10), {})
    record(shelf, NOW + 1, range(10, 20), {}, size=(320, 192))
    shelf.close()
    assert clip.write(videos(tmp_path), ClipWish(NOW, NOW + 9), tmp_path / "clip.mp4") == clip.PLAIN
    assert len(shown(tmp_path / "clip.mp4")) == 20


def test_people_are_blurred_also_where_the_model_missed_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    said = {n: result(n, PERSON) for n in range(0, 10, 3)} | {4: result(4), 5: result(5, PERSON, name="dog")}
    record(shelf, NOW, range(40), said)
    shelf.close()
    assert clip.write(videos(tmp_path), ClipWish(NOW, NOW + 4, "blurred"), tmp_path / "clip.mp4") == ""
    pictures = [image for _, image in shown(tmp_path / "clip.mp4")]
    assert len(pictures) == 40
    assert max(stripes(image, (42, 22, 98, 88)) for image in pictures) < 25
    assert min(stripes(image, (120, 30, 158, 90)) for image in pictures[:25]) > 80, "what is around stays"
    assert stripes(pictures[-1], (120, 30, 158, 90)) < 25, "nobody knows who is in a frame far from any result"


def test_people_are_blurred_by_what_the_next_segment_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file ends in the midst of what goes on, and an export may begin right after it."""
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    nobody = {number: result(number) for number in range(60)}
    record(shelf, NOW, range(20), nobody | {19: result(19, PERSON)})
    record(shelf, NOW + 2, range(20, 40), nobody)
    record(shelf, NOW + 4, range(40, 60), nobody | {40: result(40, PERSON)})
    shelf.close()
    found = clip.write(videos(tmp_path)[1:2], ClipWish(NOW + 2, NOW + 4, "blurred"), tmp_path / "clip.mp4")
    assert found == ""
    blurred = [stripes(image, (42, 22, 98, 88)) < 25 for _, image in shown(tmp_path / "clip.mp4")]
    assert all(blurred[:4])
    assert all(blurred[-5:])
    assert not any(blurred[6:14]), "further away the results of its own count"


def test_it_is_said_where_nobody_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    record(shelf, NOW, range(5), {number: result(number) for number in range(5)})
    shelf.close()
    assert clip.write(videos(tmp_path), ClipWish(NOW, NOW + 4, "blurred"), tmp_path / "clip.mp4") == clip.NOBODY


def test_on_the_command_line(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"

    def export(*words: str) -> str:
        answer = CliRunner().invoke(app, ["recordings", "export", *words], env={"SIGHTLINE_DATA": str(data)})
        return answer.exception.message if isinstance(answer.exception, SightlineError) else ""

    span = ("--from", f"{NOW}", "--to", f"{NOW + 2}")
    assert export("door", *span, "-o", str(target)) == ""
    assert packets(target) == cut(packets(videos(data)[0]), 0, 20)
    other = ("-o", str(tmp_path / "other.mp4"))
    assert "expected a new file" in export("door", *span, "-o", str(target))
    assert export("yard", *span, *other).startswith("nothing is recorded of stream 'yard'")
    gone = tmp_path / "gone" / "a.mp4"
    assert export("door", *span, "-o", str(gone)) == f"--output {gone}: there is no folder {gone.parent}; make it first"
    assert "expected one of recorded, converted, drawn, blurred" in export("door", *span, *other, "--kind", "x")
    assert "expected a time" in export("door", "--from", "soon", *span[2:], *other)
    assert not (tmp_path / "other.mp4").exists()


class House:
    def __init__(self, server: Inside, http: httpx2.AsyncClient, data: Path) -> None:
        self.server, self.http, self.data = server, http, data

    async def export(self, **wish: Any) -> Any:
        return await self.http.post("/api/recordings/door/exports", json={"from": NOW, "to": NOW + 5, **wish})

    async def done(self, id: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                found = (await self.http.get(f"/api/exports/{id}")).json()
                if found["state"] not in ("waiting", "running"):
                    return dict(found)
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    shelf = shelf_in(tmp_path / "recordings")
    record(shelf, NOW, range(30), {number: result(number, PERSON) for number in range(30)})
    shelf.close()
    keep: dict[str, Any] = {"record_days": 3650, "record_events_days": 3650, "record_free_gb": 0}
    async with (
        inside(data=tmp_path, model="motion", **keep) as server,
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
    ):
        yield House(server, http, tmp_path)


async def test_the_server_makes_keeps_and_deletes_exports(house: House) -> None:
    made = await house.export(kind="drawn", mode="boxes", opacity=50)
    assert made.status_code == 201
    found = await house.done(made.json()["id"])
    assert (found["state"], found["progress"], found["why"]) == ("done", 1.0, "")
    whole = await house.http.get(found["file"])
    assert len(whole.content) == found["bytes"]
    assert "attachment" in whole.headers["content-disposition"]
    part = await house.http.get(found["file"], headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert [one["id"] for one in (await house.http.get("/api/exports")).json()["exports"]] == [found["id"]]
    assert (await house.http.delete(f"/api/exports/{found['id']}")).status_code == 204
    assert (await house.http.get(found["file"])).status_code == 404
    assert list((house.data / "exports").iterdir()) == []


async def test_what_can_not_be_exported_is_refused_in_words(house: House) -> None:
    for wish, status, word in (
        ({"to": NOW - 1.5}, 400, f"to {NOW - 1.5:.3f}: expected from < to"),
        ({"to": NOW + 1e6}, 400, "at most"),
        ({"from": 5, "to": 9}, 404, "nothing is recorded"),
        ({"mode": "x"}, 422, "expected one of"),
        ({"kind": "x"}, 422, "kind"),
    ):
        answer = await house.export(**wish)
        assert (answer.status_code, word in answer.text) == (status, True), answer.text
    assert (await house.http.get("/api/exports")).json() == {"exports": []}


async def test_a_full_disk_and_too_many_are_refused_and_one_can_be_cancelled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, go_on = asyncio.Event(), threading.Event()

    def slow(*args: Any) -> str:
        loop.call_soon_threadsafe(going.set)
        assert go_on.wait(20)
        return real(*args)

    loop, real = asyncio.get_running_loop(), clip.write
    monkeypatch.setattr(clip, "write", slow)
    ids = [(await house.export()).json()["id"] for _ in range(8)]
    await going.wait()
    assert (await house.export()).status_code == 429
    for id in ids:
        assert (await house.http.delete(f"/api/exports/{id}")).status_code == 204
    go_on.set()
    monkeypatch.setattr(clip, "write", real)
    last = (await house.export()).json()["id"]
    assert (await house.done(last))["state"] == "done"
    assert sorted(path.name for path in (house.data / "exports").iterdir()) == [f"{last}.json", f"{last}.mp4"]
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    answer = await house.export()
    assert (answer.status_code, "the disk is full" in answer.text) == (503, True), answer.text


async def test_streams_take_turns_and_who_exports_most_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def write(videos: list[Path], wish: ClipWish, part: Path, step: object) -> str:
        made.append(str(videos[0]))
        part.write_bytes(b"clip")
        return ""

    monkeypatch.setattr(clip, "write", write)
    monkeypatch.setattr(exports, "MOST", 6)
    known = SimpleNamespace(
        segments=lambda stream, *_: [SimpleNamespace(bytes=1, stream=stream)], video=lambda one: Path(one.stream)
    )
    kept = Exports(load_settings(data=tmp_path, record_free_gb=0), cast("Recordings", known))

    async def all_made() -> None:
        running = asyncio.create_task(kept.run())
        while any(one.unfinished for one in kept):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        running.cancel()

    yard = [await kept.add("yard", ClipWish(NOW, NOW + 1)) for _ in range(4)]
    door = [await kept.add("door", ClipWish(NOW, NOW + 1)) for _ in range(2)]
    await within(all_made(), 20)
    assert made == ["yard", "door", "yard", "door", "yard", "yard"]
    await kept.share(yard[0], NOW * 2)
    door.append(await kept.add("door", ClipWish(NOW, NOW + 1)))
    await within(all_made(), 20)
    assert {one.id for one in kept} == {one.id for one in (yard[0], *yard[2:], *door)}, (
        "not what is shared, nor others'"
    )
    for one in list(kept):
        await kept.share(one, NOW * 2)
    with pytest.raises(LimitReached, match="links lead to all"):
        await kept.add("door", ClipWish(NOW, NOW + 1))
    again = Exports(load_settings(data=tmp_path), cast("Recordings", known))
    await again.open()
    assert {one.ends_at for one in again} == {NOW * 2}
    await kept.close()
    await again.close()


async def test_an_event_has_a_clip_where_it_was_recorded(house: House) -> None:
    once = replace(event("e1", "start", stream="door"), at=NOW + 1.5)
    later = replace(event("e2", "start", stream="door"), at=NOW + 900)
    house.server.emit(once, replace(once, phase="end", at=NOW + 2, seconds=0.5), later)
    async with asyncio.timeout(20):
        expected = {"from": NOW - 3.5, "to": NOW + 12, "file": "/api/events/e1/clip.mp4"}
        while (await house.http.get("/api/events/e1/clip")).json() != expected:  # noqa: ASYNC110 - until its end is stored
            await asyncio.sleep(0.02)
    saved = await house.http.get("/api/events/e1/clip.mp4")
    (house.data / "saved.mp4").write_bytes(saved.content)
    assert packets(house.data / "saved.mp4") == packets(videos(house.data)[0])
    async with asyncio.timeout(20):
        while list((house.data / "exports").iterdir()):  # noqa: ASYNC110 - nothing stays of it, after the answer's end
            await asyncio.sleep(0.02)
    async with asyncio.timeout(20):
        while (answer := await house.http.get("/api/events/e2/clip")).status_code != 200:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    assert answer.json()["file"] is None
    assert (await house.http.get("/api/events/e2/clip.mp4")).status_code == 404
    assert (await house.http.get("/api/events/e3/clip")).status_code == 404
