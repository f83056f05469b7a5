"""Events reach an output at least once, and in order, over lives of the server that end at any moment."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs, to_builtins

from sightline.core.events import Event, Phase
from sightline.events.journal import Journal
from sightline.outputs import _dispatcher
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs._service import dispatchers
from sightline.settings.outputs import OutputTable
from sightline.settings.settings import Settings
from sightline.streams.hub import Hub
from support.receivers import GARBAGE, hook
from support.streams import make_hub, until

EVENTS = 120


@asynccontextmanager
async def life(folder: Path, table: dict[str, Any]) -> AsyncGenerator[tuple[Hub, Dispatcher]]:
    """A life of a server, which dies without a word."""
    hub = make_hub()
    journal = Journal(Settings.model_validate({"data": folder}), hub.listeners.tell)
    await journal.open()
    hub.listeners.journal = journal
    begun = dispatchers(hub, [OutputTable.model_validate(table)])
    (only,) = await begun.__aenter__()
    try:
        yield hub, only
    finally:
        await hub.supervisor.close()
        await journal.close()


def event(seq: int, phase: Phase) -> Event:
    return Event(id=f"e{seq}", stream="door", phase=phase, kind="zone", at=1.5, seq=seq)


async def test_whoever_heard_of_a_rules_start_hears_of_its_end_after_a_crash(tmp_path: Path) -> None:
    async with hook(lambda _: 204) as web:
        table = {"kind": "webhook", "url": web.url, "every_s": 0}
        async with life(tmp_path, table) as (hub, _):
            await until(lambda: bool(hub.listeners.events))
            fired = structs.replace(event(1, "start"), kind="rule", rule="night", class_name="person")
            hub.listeners.emit(structs.replace(fired, actions=("webhook",)))
            hub.listeners.emit(structs.replace(fired, id="quiet", actions=("notify",)))
            hub.listeners.emit(structs.replace(fired, actions=("webhook",), phase="update", class_name="dog"))
            await until(lambda: web.bodies != [])
        async with life(tmp_path, table):
            await until(lambda: "end" in [one["phase"] for body in web.bodies for one in told(body)])
        heard = [one for body in web.bodies for one in told(body)]
    assert {one["id"] for one in heard} == {"e1"}, "it is the rule that says whom it tells"
    end = next(one for one in heard if one["phase"] == "end")
    assert (end["reason"], end["rule"], end["class_name"]) == ("the server was started anew", "night", "dog")
    assert (end["at"], end["seq"]) == (1.5, 1)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_missed_over_crashes_and_a_receiver_that_fails_at_random(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dispatcher, "FIRST_S", 0.005)
    monkeypatch.setattr(_dispatcher, "MOST_S", 0.01)
    chance = random.Random(seed)
    answers = [204, 204, 204, 500, 503, GARBAGE]
    emitted = 0
    async with hook(lambda _: chance.choice(answers)) as web:
        table = {"kind": "webhook", "url": web.url, "every_s": 0, "batch": 7, "retries": 20}
        async with life(tmp_path, table) as (hub, only):  # it is new, and begins with what happens from now on
            await until(lambda: bool(hub.listeners.events))
        while emitted < EVENTS:
            async with life(tmp_path, table) as (hub, only):
                for _ in range(chance.randrange(1, 30)):
                    hub.listeners.emit(event(emitted // 2, "end" if emitted % 2 else "start"))
                    emitted += 1
                    await asyncio.sleep(chance.choice([0, 0, 0.002]))
                await asyncio.sleep(chance.random() / 20)
                assert only.lost == 0
        async with life(tmp_path, table) as (hub, only):
            assert hub.journal is not None
            stored = [said(to_builtins(one)) for one in await hub.journal.after(-1, 2 * EVENTS)]
            await until(lambda: {said(one) for body in web.bodies for one in told(body)} >= set(stored))
            assert only.lost == 0
        taken = [said(one) for body in web.bodies for one in told(body)]
    assert len(stored) >= EVENTS - 2, "but for ends that came after a crash had ended it"
    assert list(dict.fromkeys(taken)) == stored, "in order, where what comes twice is left out"
    greatest = [one for n, one in enumerate(taken) if number(one) > max(map(number, taken[:n]), default=0)]
    assert greatest == stored, "whoever keeps the greatest number has each once"


def told(body: bytes) -> list[dict[str, Any]]:
    return list(json.loads(body)["events"])


def said(one: dict[str, Any]) -> str:
    return f"{one['number']} {one['id']} {one['phase']}"


def number(one: str) -> int:
    return int(one.split()[0])
