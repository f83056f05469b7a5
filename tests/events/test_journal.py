"""The journal: what happens is stored, then told, in one order; each happening has one start and one end."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sightline.core.errors import StreamEnded
from sightline.core.events import Event, EventFilter, Phase
from sightline.events.feed import EventFeed
from sightline.events.journal import Journal
from sightline.settings.settings import load_settings
from support.events import event


@asynccontextmanager
async def journal(folder: Path, told: list[Event] | None = None) -> AsyncGenerator[Journal]:
    """A journal in a folder; what it tells goes into the list."""
    opened = Journal(load_settings(data=folder), (told if told is not None else []).append)
    await opened.open()
    opened.begin()
    try:
        yield opened
    finally:
        await opened.close()


async def all_told(one: Journal) -> None:
    done = asyncio.Event()
    one.when_told(done.set)
    await done.wait()


async def stored(one: Journal) -> list[Event]:
    found: list[Event] = []
    while page := await one.after(found[-1].number if found else -1, 3):
        found += page
    return found


def check(events: Sequence[Event]) -> None:
    """Each id that has any has one start, then at most one end, and nothing after that; numbers grow."""
    assert [one.number for one in events] == sorted({one.number for one in events})
    phases: dict[str, list[str]] = {}
    for one in events:
        phases.setdefault(one.id, []).append(one.phase)
    for told in phases.values():
        happening = told[told.index("start") :] if "start" in told else []
        assert Counter(happening)["start"] == bool(happening)
        assert "end" not in told[:-1]
        assert "end" not in told or happening


async def test_what_is_told_is_stored_already_and_has_its_place(tmp_path: Path) -> None:
    told: list[Event] = []
    async with journal(tmp_path, told) as one:
        made = [event("a"), event("b"), event("a", "update"), event("b", "end"), event("a", "end", seconds=2.5)]
        one.take(made)
        assert told == [], "nothing is told before it is stored"
        await all_told(one)
        assert [replace(e, number=0) for e in told] == made
        assert await stored(one) == told
    async with journal(tmp_path) as again:
        assert await stored(again) == told
        check(told)


async def test_a_stage_may_tell_of_what_neither_begins_nor_ends(tmp_path: Path) -> None:
    told: list[Event] = []
    async with journal(tmp_path, told) as one:
        one.take([event("pulse", "update"), event("never", "end"), event("pulse", "update")])
        await all_told(one)
        assert [(e.id, e.phase) for e in told] == [("pulse", "update")] * 2
        assert await stored(one) == told


async def test_a_second_start_or_end_and_what_comes_after_the_end_are_dropped(tmp_path: Path) -> None:
    told: list[Event] = []
    async with journal(tmp_path, told) as one:
        phases: tuple[Phase, ...] = ("start", "start", "end", "end", "update", "start")
        one.take(event("a", phase) for phase in phases)
        await all_told(one)
        assert [e.phase for e in told] == ["start", "end"]
        assert await stored(one) == told


async def test_what_lasted_when_the_server_died_has_an_end(tmp_path: Path) -> None:
    async with journal(tmp_path) as one:
        one.take([event("a", zone="drive"), event("b"), event("b", "end")])
    told: list[Event] = []
    async with journal(tmp_path, told) as one:
        (end,) = told
        assert (end.id, end.phase, end.reason, end.zone) == ("a", "end", "the server was started anew", "drive")
        one.take([event("a", "end")])
        await all_told(one)
        check(await stored(one))
    again: list[Event] = []
    async with journal(tmp_path, again):
        assert again == []


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["start", "update", "end", "died", "told"]))))
def test_exactly_one_start_and_one_end_whatever_comes(steps: list[tuple[str, str]]) -> None:
    async def play(folder: Path) -> None:
        heard: list[Event] = []
        steps_left = [*steps, ("", "died")]
        while steps_left:
            async with journal(folder, heard) as one:
                while steps_left:
                    id, what = steps_left.pop(0)
                    if what == "died":
                        break
                    if what == "told":
                        await all_told(one)
                    else:
                        one.take([event(id, what)])  # type: ignore[arg-type]
        async with journal(folder, heard) as one:
            events = await stored(one)
            assert heard == events, "who listened all the time heard what is stored"
            check(events)
            assert Counter(e.phase for e in events)["start"] == Counter(e.phase for e in events)["end"]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


async def test_a_disk_that_is_full_costs_nobody_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database itself says that it is full: it may not grow any more."""
    told: list[Event] = []
    async with journal(tmp_path, told) as one:
        one.take([event("a")])
        await all_told(one)
        writer = one._writer.store._writer
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages}")
        one.take([event(reason="x" * 200) for _ in range(100)])
        await all_told(one)
        assert one.failing is not None
        assert "full" in one.failing
        assert len(told) == 101, "told all the same"
        assert await stored(one) == told, "and can be read"
        one.take([event("a", "end")])
        await all_told(one)
        writer.execute("PRAGMA max_page_count = 1000000")
        running = asyncio.create_task(one.run())
        while one.failing is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        running.cancel()
        assert (one.lost, one.told, len(told)) == (0, 102, 102), "told once"
    with sqlite3.connect(tmp_path / "events" / "events.db") as db:
        assert db.execute("SELECT count(*) FROM messages").fetchone()[0] == 102
    db.close()


async def test_a_folder_that_another_server_has_or_that_can_not_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    async with journal(tmp_path / "good"):
        for folder, why in (
            (tmp_path / "good", "another server has"),
            (tmp_path / "file" / "below", "can't make the folder"),
        ):
            told: list[Event] = []
            async with journal(folder, told) as other:
                assert other.failing is not None
                assert why in other.failing
                other.take([event("a"), event("a", "end")])
                await all_told(other)
                assert await stored(other) == told
                assert [e.phase for e in told] == ["start", "end"]


def torn(path: Path) -> bytes:
    """A database with its header, as a copy that was made while a server wrote."""
    data = path.read_bytes()
    return data[:4096] + b"\xff" * (len(data) - 4096)


@pytest.mark.parametrize("damaged", [lambda _: b"this is no database" * 1000, torn], ids=["no database", "torn"])
async def test_files_that_are_damaged_are_put_aside(tmp_path: Path, damaged: Callable[[Path], bytes]) -> None:
    path = tmp_path / "events" / "events.db"
    async with journal(tmp_path) as one:
        one.take([event("a")])
        await all_told(one)
        (last,) = await stored(one)
    content = damaged(path)
    path.write_bytes(content)
    async with journal(tmp_path) as one:
        assert one.failing is None
        one.take([event("b")])
        await all_told(one)
        (first,) = await stored(one)
        assert first.number > last.number, "who had the last one misses nothing"
    assert (tmp_path / "events" / "events.db.bad").read_bytes() == content


async def test_numbers_grow_also_where_the_files_are_gone(tmp_path: Path) -> None:
    seen = [-1]
    for _ in range(3):
        async with journal(tmp_path) as one:
            one.take([event()])
            await all_told(one)
            seen += [e.number for e in await stored(one)]
        shutil.rmtree(tmp_path / "events")
    assert seen == sorted(set(seen))


async def test_an_event_that_can_not_be_stored_is_told_and_counted(tmp_path: Path) -> None:
    told: list[Event] = []
    async with journal(tmp_path, told) as one:
        one.take([event("a"), event("b", zone=5), event("c", at=float("nan")), event("d", reason="\ud800"), event("e")])
        one.take([replace(event("f", "end"), id={})])
        await all_told(one)
        assert [e.id for e in told] == ["a", "b", "c", "d", "e", {}]
        assert [e.id for e in await stored(one)] == ["a", "e"]
        assert one.lost == 4


async def test_a_fault_in_storing_costs_that_batch_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Event] = []
    async with journal(tmp_path, told) as one:
        for fault in (ValueError("ours"), sqlite3.IntegrityError("ours")):
            with monkeypatch.context() as patched:
                patched.setattr(one._writer.store, "_with_picture", raising(fault))
                one.take([event("a"), event("b")])
                await all_told(one)
            assert one.failing is not None
        one.take([event("c")])
        await all_told(one)
        assert (one.lost, one.failing, len(told)) == (4, None, 5)
        assert [e.id for e in await stored(one)] == ["c"]


def raising(error: Exception) -> Callable[[object], None]:
    def fail(_: object) -> None:
        raise error

    return fail


async def test_cursors_are_kept(tmp_path: Path) -> None:
    async with journal(tmp_path) as one:
        assert await one.cursor("webhook 1") is None
        await one.keep_cursor("webhook 1", 5)
        await one.keep_cursor("webhook 1", 7)
    async with journal(tmp_path) as one:
        assert await one.cursor("webhook 1") == 7


# Listeners


class Listener:
    """Takes what a feed has, at its own pace."""

    def __init__(self, one: Journal, size: int, wanted: EventFilter, after: int | None) -> None:
        self.feed = EventFeed(size, wanted, one, after)
        self.heard: list[Event] = []

    def tell(self, told: Event) -> None:
        self.feed.put(told)

    async def read(self, count: int) -> None:
        for _ in range(count):
            self.heard.append(await self.feed.get())


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["happens", "happens", "many", "read", "wait", "other"]), max_size=30),
    st.integers(2, 6),
    st.integers(0, 10),
    st.booleans(),
)
def test_a_slow_listener_that_comes_back_hears_each_event_once(
    steps: list[str], size: int, before: int, filtered: bool
) -> None:
    async def play(folder: Path) -> None:
        listeners: list[Listener] = []

        def tell(told: Event) -> None:
            for listener in listeners:
                listener.tell(told)

        one = Journal(load_settings(data=folder), tell)
        await one.open()
        one.take([event() for _ in range(before)])
        await all_told(one)
        known = await stored(one)
        had = known[len(known) // 2].number if known else -1
        wanted = EventFilter(stream="door") if filtered else EventFilter()
        listener = Listener(one, size, wanted, had)
        listeners.append(listener)
        for step in steps:
            if step in ("happens", "many", "other"):
                stream = "yard" if step == "other" else "door"
                one.take([event(stream=stream) for _ in range(3 * size if step == "many" else 1)])
            elif step == "wait":
                await all_told(one)
            elif len(listener.feed):
                await listener.read(1)
        await all_told(one)
        expected = [e for e in await stored(one) if e.number > had and wanted.takes(e)]
        await listener.read(len(expected) - len(listener.heard))
        assert listener.heard == expected
        assert listener.feed.dropped == 0
        listener.feed.end("over")
        with pytest.raises(StreamEnded):
            await listener.feed.get()
        await one.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


async def test_without_a_journal_it_is_a_mailbox() -> None:
    feed = EventFeed(2)
    for n in range(3):
        feed.put(event(str(n)))
    assert [(await feed.get()).id for _ in range(2)] == ["1", "2"]
    assert feed.dropped == 1
