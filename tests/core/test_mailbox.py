from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import StreamEnded
from sightline.core.mailbox import Mailbox


async def test_newest_wins_and_losses_are_counted() -> None:
    box: Mailbox[int] = Mailbox(2)
    lost = [box.put(n) for n in range(5)]
    assert lost == [None, None, 0, 1, 2]
    assert [await box.get(), await box.get()] == [3, 4]
    assert (box.accepted, box.dropped) == (5, 3)


async def test_get_waits_for_put() -> None:
    box: Mailbox[str] = Mailbox()
    waiting = asyncio.create_task(box.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.put("late")
    assert await waiting == "late"


async def test_close_ends_waiting_and_later_readers() -> None:
    box: Mailbox[int] = Mailbox()
    waiting = asyncio.create_task(box.get())
    await asyncio.sleep(0)
    box.close("stopping")
    with pytest.raises(StreamEnded, match="stopping"):
        await waiting
    assert box.put(1) == 1
    with pytest.raises(StreamEnded):
        await box.get()


async def test_a_reader_without_a_task_is_told_and_takes() -> None:
    box: Mailbox[int] = Mailbox(2)
    taken: list[int | None] = []
    ends: list[str] = []

    def read() -> None:
        try:
            taken.append(box.take())
        except StreamEnded as e:
            ends.append(e.reason)

    box.on_change = read
    box.put(1)
    box.put(2)
    assert box.take() is None
    box.close("stopping")
    assert (taken, ends) == ([1, 2], ["stopping"])
    assert (box.accepted, box.dropped) == (2, 0)


async def test_after_its_end_what_waits_can_be_read() -> None:
    box: Mailbox[int] = Mailbox(2)
    box.put(1)
    box.end("stopping")
    assert box.put(2) == 2
    assert await box.get() == 1
    with pytest.raises(StreamEnded, match="stopping"):
        await box.get()
    assert (box.accepted, box.dropped) == (1, 0)


def test_size_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Mailbox(0)


@given(st.integers(1, 5), st.lists(st.sampled_from(["put", "get"])))
def test_accepted_is_read_plus_dropped_plus_waiting(size: int, steps: list[str]) -> None:
    async def play() -> None:
        box: Mailbox[int] = Mailbox(size)
        read = 0
        for n, step in enumerate(steps):
            if step == "put":
                box.put(n)
            elif len(box):
                await box.get()
                read += 1
            assert box.accepted == read + box.dropped + len(box)
            assert len(box) <= size

    asyncio.run(play())
