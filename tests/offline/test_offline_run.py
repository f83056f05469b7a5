"""A source through a model into sinks, in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from sightline.core.errors import ModelError, SinkError, SourceError
from sightline.core.mailbox import Pipe
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.types import Image
from sightline.models.base import Model, Options
from sightline.offline.run import AHEAD, Run, Tally
from sightline.sinks import jsonl, video
from sightline.sinks.base import Entry, Sink
from sightline.sources.base import Lose, Shot, Source, open_source, unnoticed
from sightline.zoo.loader import load_model
from support.clips import number_of, numbered, read_clip, write_clip
from support.results import DETECTOR, SEGMENTER, entry, two_found


class Numbers:
    """A source of ``numbered`` pictures."""

    name = "numbers"
    fps: float | None = None
    images = False
    unreadable = 0
    idle = False

    def __init__(self, count: int, *, live: bool = False, breaks_at: int | None = None) -> None:
        self.lose: Lose = unnoticed
        self.total: int | None = count
        self.live = live
        self.given = 0
        self._count = count
        self._breaks_at = breaks_at

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Shot]:
        for i in range(self._count):
            if i == self._breaks_at:
                raise SourceError("numbers: the wire is cut")
            self.given += 1
            yield Shot(numbered(i % 256), i / 1000, self.name)


class Reader(Model):
    """A model that reads the pictures' numbers, one box for each, when it is let."""

    card = DETECTOR
    wanted_side = 64

    def __init__(self, *, max_batch: int = 1, before: Callable[[int], None] = lambda n: None) -> None:
        self.max_batch = max_batch
        self.batches: list[list[int]] = []
        self._before = before

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        self._before(len(self.batches))
        self.batches.append([number_of(image) for image in images])
        if stages is not None:
            stages["infer"] = 6.0
        return [two_found() for _ in images]


class Kept:
    """A sink that keeps what it gets."""

    target = "kept"

    def __init__(self, *, fails_at: int | None = None, wants_drawn: bool = False) -> None:
        self.wants_drawn = wants_drawn
        self.entries: list[Entry] = []
        self.closed = 0
        self._fails_at = fails_at

    @property
    def numbers(self) -> list[int]:
        return [entry.result.frame.seq for entry in self.entries]

    def write(self, entry: Entry) -> None:
        if len(self.entries) == self._fails_at:
            raise SinkError("kept: the disk is full")
        self.entries.append(entry)

    def close(self) -> None:
        self.closed += 1


def never() -> bool:
    return False


def nothing() -> None:
    return


def go(source: Source, model: Model, *sinks: Kept, latest: bool = False) -> Run:
    run = Run(source, model, sinks, stream="s", latest=latest)
    run.go(never, nothing)
    return run


def test_every_frame_goes_through_in_order() -> None:
    kept = Kept()
    run = go(Numbers(50), Reader(), kept)
    assert kept.numbers == list(range(50))
    assert [number_of(entry.image) for entry in kept.entries] == list(range(50))
    assert (run.tally.frames, run.tally.skipped, kept.closed) == (50, 0, 1)
    first = kept.entries[0]
    assert first.result.frame.stream == "s"
    assert set(first.result.stages) == {"decode", "infer"}
    assert [row.class_name for row in first.result.detections] == ["car", "person"]
    assert first.drawn is None


class Wavering(Reader):
    """A model with two classes whose edges waver."""

    card = SEGMENTER

    def predict(
        self,
        images: Sequence[Image],
        *,
        options: Sequence[Options] | None = None,
        streams: Sequence[str] | None = None,
        stages: dict[str, float] | None = None,
    ) -> list[Prediction]:
        ids, alphas = np.zeros((4, 4), np.uint8), [100 + 20 * (number_of(image) % 2) for image in images]
        return [Segmentation(ids, alpha=np.full((6, 6), alpha, np.uint8)) for alpha in alphas]


@pytest.mark.parametrize("pictures", [False, True])
def test_a_persons_edges_are_steady_in_a_video_and_pictures_have_nothing_to_do_with_each_other(pictures: bool) -> None:
    """Fault 28, with ``sightline run``."""
    source, kept = Numbers(6), Kept()
    source.images = pictures
    go(source, Wavering(), kept)
    said = [entry.result.prediction for entry in kept.entries]
    alphas = [int(one.alpha[0, 0]) for one in said if isinstance(one, Segmentation) and one.alpha is not None]
    assert alphas == ([100, 120] * 3 if pictures else [100] * 6)


def test_pictures_are_drawn_only_for_sinks_that_want_them() -> None:
    plain, drawn = Kept(), Kept(wants_drawn=True)
    go(Numbers(1), Reader(), plain, drawn)
    picture = drawn.entries[0].drawn
    assert picture is not None
    assert (picture != drawn.entries[0].image).any()


def test_no_more_is_read_than_a_few_pictures_ahead() -> None:
    """However slow the model and however long the source, memory stays what it is."""
    source = Numbers(200)
    ahead: list[int] = []
    kept = Kept()
    go(source, Reader(before=lambda n: ahead.append(source.given - n)), kept)
    assert max(ahead) <= AHEAD + 2
    assert len(kept.entries) == 200


def test_a_slow_sink_holds_the_source_back() -> None:
    source = Numbers(200)
    ahead: list[int] = []

    class Slow(Kept):
        def write(self, entry: Entry) -> None:
            super().write(entry)
            ahead.append(source.given - len(self.entries))

    go(source, Reader(), Slow())
    assert max(ahead) <= 2 * AHEAD + 4


def test_a_model_that_takes_batches_gets_them() -> None:
    filled = threading.Event()
    source = Numbers(30)

    def wait_until_some_are_read(calls: int) -> None:
        if calls == 0:
            while source.given < 9:
                filled.wait(0.001)

    model = Reader(max_batch=8, before=wait_until_some_are_read)
    kept = Kept()
    go(source, model, kept)
    assert kept.numbers == list(range(30))
    assert max(map(len, model.batches)) == 8
    in_eight = next(e for e, size in zip(kept.entries, sizes(model), strict=True) if size == 8)
    assert in_eight.result.stages["infer"] == 0.75, "each frame's share of the batch"


def test_the_newest_frame_wins_where_that_is_asked_for() -> None:
    """The model is held until the source is at its end: only the newest frame is left for it then."""
    ended = threading.Event()
    source = Numbers(40, live=True)

    def hold(calls: int) -> None:
        while calls == 0 and source.given < 40:
            ended.wait(0.001)

    kept = Kept()
    run = go(source, Reader(before=hold), kept, latest=True)
    assert kept.numbers[-1] == 39
    assert run.tally.frames + run.tally.skipped == 40
    assert run.tally.skipped >= 37


def test_a_file_is_taken_at_its_own_pace_where_only_the_latest_counts() -> None:
    import time

    began = time.monotonic()
    run = go(Numbers(300), Reader(), Kept(), latest=True)  # 0.3 s of pictures
    assert time.monotonic() - began >= 0.299
    assert run.tally.frames + run.tally.skipped == 300


def test_a_request_to_stop_is_heard_and_what_was_done_is_written() -> None:
    asked = threading.Event()
    kept = Kept()
    model = Reader(before=lambda n: asked.set() if n == 10 else None)
    run = Run(Numbers(10**9), model, [kept], stream="s", latest=False)
    run.go(asked.is_set, nothing)
    assert kept.numbers == list(range(11))
    assert kept.closed == 1
    assert not [t for t in threading.enumerate() if t.name in ("source", "sinks")]


def test_a_source_that_breaks_down_is_told_after_what_it_gave_is_written() -> None:
    kept = Kept()
    with pytest.raises(SourceError, match="the wire is cut"):
        go(Numbers(50, breaks_at=20), Reader(), kept)
    assert kept.numbers == list(range(20))
    assert kept.closed == 1


def test_a_sink_that_fails_ends_the_run_and_closes_all() -> None:
    good, bad = Kept(), Kept(fails_at=5)
    source = Numbers(10**9)
    with pytest.raises(SinkError, match="the disk is full"):
        go(source, Reader(), good, bad)
    assert (good.closed, bad.closed) == (1, 1)
    assert good.numbers == list(range(6))
    assert source.given < 50


def test_a_model_that_fails_ends_the_run_and_closes_all() -> None:
    def fail(calls: int) -> None:
        if calls == 7:
            raise ModelError("the card fell off the bus")

    kept = Kept()
    with pytest.raises(ModelError, match="fell off the bus"):
        go(Numbers(10**9), Reader(before=fail), kept)
    assert kept.numbers == list(range(7))
    assert kept.closed == 1


def test_real_parts_fit_together(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [numbered(i, 160, 120) for i in range(20)], fps=10)
    outputs: list[Sink] = [video.open(str(tmp_path / "out.mp4")), jsonl.open(str(tmp_path / "out.jsonl"))]
    model = load_model("motion")
    with open_source(str(clip)) as source:
        run = Run(source, model, outputs, stream="s", latest=False)
        run.go(never, nothing)
    model.close()
    times, _ = read_clip(tmp_path / "out.mp4")
    assert times == pytest.approx([i / 10 for i in range(20)])
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == run.tally.frames == 20


def test_the_tally_knows_what_was_seen_and_how_long_it_took() -> None:
    tally = Tally()
    for ms in range(1, 101):
        tally.add(entry(numbered(0), prediction=two_found()).result, float(ms))
    tally.add(entry(numbered(0)).result, 100.0)
    assert tally.frames == 101
    assert tally.seen == {"car": 100, "person": 100}
    assert tally.percentile(0.95) == pytest.approx(95, rel=0.02)
    assert tally.percentile(0.5) == pytest.approx(50, rel=0.03)
    assert Tally().percentile(0.95) == 0


def test_the_tally_counts_at_once_and_leaves_background_out() -> None:
    tally = Tally()
    three = Detections(np.zeros((3, 4), np.float32), np.ones(3, np.float32), np.array([0, 0, 1], np.int32))
    tally.add(entry(numbered(0), prediction=three).result, 1.0)
    tally.add(entry(numbered(0), prediction=Segmentation(np.array([[0, 1]], np.uint8))).result, 1.0)
    assert tally.seen == {"person": 2, "car": 1}
    assert tally.most == {"person": 2, "car": 1}
    assert SEGMENTER.label(0) not in tally.seen


def test_a_pipe_hands_over_in_order_and_says_when_it_ends() -> None:
    pipe: Pipe[int] = Pipe(3)
    assert pipe.get() == []
    assert [pipe.put(i) for i in range(3)] == [True] * 3
    pipe.end()
    assert pipe.get(2) == [0, 1]
    assert pipe.get(2) == [2]
    assert pipe.get(2) is None


def test_closing_a_pipe_frees_the_writer_that_waits() -> None:
    pipe: Pipe[int] = Pipe(1)
    pipe.put(0)
    taken: list[bool] = []
    writer = threading.Thread(target=lambda: taken.append(pipe.put(1)))
    writer.start()
    pipe.close()
    writer.join(10)
    assert taken == [False]
    assert pipe.get() is None


def sizes(model: Reader) -> list[int]:
    """Of each frame, the size of the batch it went in."""
    return [len(batch) for batch in model.batches for _ in batch]
