"""What comes from a cluster that does not do what it should: late, twice, for nobody, or garbage. No Ray is needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics.base import Pipeline
from sightline.core.errors import ConfigError, ModelError
from sightline.core.types import Encoded, Frame, FrameResult, ModelCard
from sightline.inference.place import InferenceOptions, LostReplica, ModelFacts, Outcome, Request
from sightline.inference.places.messages import AnswersMessage, FailedMessage, LoadRequest, ReadyMessage, packed
from sightline.inference.places.ray import RayPlace
from sightline.inference.places.ray_connect import check_installed, telling, words_for
from sightline.inference.places.ray_link import RayLink
from sightline.inference.places.ray_messages import (
    FindReplica,
    FromRay,
    Lost,
    Needs,
    ReplicaSaid,
    RunReplica,
    Started,
    StartReplica,
    ToRay,
)
from sightline.media import codecs
from sightline.settings.settings import load_settings
from sightline.zoo.options import LoadOptions

CARD = ModelCard("made", "made", "detect", ("thing",), None, "-", "-")
FACTS = ModelFacts(CARD, None, None, None, None, 1, False, False)
JPEG = Encoded(codecs.encode_jpeg(np.zeros((48, 64, 3), np.uint8)), 64, 48)
GOOD = packed(AnswersMessage((FailedMessage("looked at"),), 0))


class MadeLink(RayLink):
    """Answers a run with what a test says, at once."""

    def __init__(self, answers: Callable[[RunReplica], list[FromRay]]) -> None:
        super().__init__(load_settings())
        self.answers = answers
        self.runs: list[RunReplica] = []
        self.finds: list[FindReplica] = []

    async def join(self) -> None:
        self.problem = None

    def _write(self, message: ToRay) -> None:
        if isinstance(message, StartReplica):
            self.say(Started(message.number, message.replica, "n", "lab", packed(ReadyMessage(FACTS, 0))))
        if isinstance(message, FindReplica):
            self.finds.append(message)
        if isinstance(message, RunReplica):
            self.runs.append(message)
            for one in self.answers(message):
                self.say(one)

    def say(self, message: FromRay) -> None:
        asyncio.get_running_loop().call_soon(self._heard, message, asyncio.get_running_loop().create_future())


def said(run: RunReplica, body: bytes = GOOD, *, batch: int = 0, number: int = 0) -> ReplicaSaid:
    return ReplicaSaid(number or run.number, run.replica, batch or run.number, 0.01, body)


async def loaded(link: MadeLink) -> RayPlace:
    first = LoadRequest("made", "made", LoadOptions(), static_skip=False, memory_bytes=None, log_level=20)
    place = RayPlace(first, None, link=link, needs=Needs(1, 0, {}), load_s=5, name="made")
    await place.load()
    return place


async def asked(place: RayPlace) -> list[Outcome]:
    frame = Frame("door", 1, 1.0, time.monotonic(), JPEG)
    return await place.run([Request(frame, InferenceOptions(), Pipeline())])


async def test_an_answer_that_comes_twice_or_to_nobody_is_counted_and_harms_nothing() -> None:
    link = MadeLink(lambda run: [said(run), said(run), said(run, number=999, batch=999)])
    place = await loaded(link)
    for _ in range(3):
        (outcome,) = await asked(place)
        assert not isinstance(outcome, FrameResult)
        assert outcome.message == "looked at"
    await asyncio.sleep(0)
    place.forget()
    assert (place.strange, place.late) == (6, 0)


@pytest.mark.parametrize(
    "answer",
    [
        lambda run: said(run, batch=run.number + 1),
        lambda run: said(run, b"\0\0\0\1garbage"),
        lambda run: said(run, packed(AnswersMessage((), 0))),
        lambda run: said(run, packed(ReadyMessage(FACTS, 0))),
    ],
)
async def test_what_is_no_answer_costs_the_frame_and_the_replica(answer: Callable[[RunReplica], FromRay]) -> None:
    place = await loaded(MadeLink(lambda run: [answer(run)]))
    with pytest.raises(ModelError, match=r"can't be understood|answers to batch"):
        await asked(place)
    place.forget()
    assert place.strange == 1


@given(st.binary(max_size=60))
def test_bytes_gone_wild_are_an_error_and_no_more(body: bytes) -> None:
    async def try_it() -> None:
        place = await loaded(MadeLink(lambda run: [said(run, body)]))
        with pytest.raises(ModelError):
            await asked(place)

    asyncio.run(try_it())


async def test_a_late_answer_is_counted_and_the_replica_is_back() -> None:
    """The time of the first batch runs, and not that of all that it has: the second one waits no longer."""
    link = MadeLink(lambda _: [])
    place = await loaded(link)
    died: list[str | None] = []
    place.on_death = lambda: died.append(place.dead)
    place._deadline.may_take = 0.05
    first, second = await asyncio.gather(asked(place), asked(place), return_exceptions=True)
    assert [type(one) for one in (first, second)] == [LostReplica, LostReplica]
    assert died == ["the replica on lab did not answer in 0.1 s"]
    for run in link.runs:
        link.say(said(run))
    back = asyncio.create_task(place.back())
    await asyncio.sleep(0)
    (found,) = link.finds
    link.say(ReplicaSaid(found.number, found.replica, found.number, 0.0, b""))
    assert await back
    assert place.dead is None
    assert place._deadline.may_take == 0.1, "one that got slower for good must come to an end"
    place.forget()
    assert (place.late, place.strange) == (2, 0)


async def test_all_that_a_dead_replica_had_is_lost_at_once() -> None:
    link = MadeLink(lambda run: [Lost(run.number, run.replica, "the replica on lab is out: it died", True)])
    place = await loaded(link)
    with pytest.raises(LostReplica, match="it died"):
        await asked(place)
    assert place.dead == "the replica on lab is out: it died"
    with pytest.raises(LostReplica, match="it died"):
        await asked(place)


ANOTHER = """
  File "node.py", line 630, in check_version_info
RuntimeError: Version mismatch: The cluster was started with:
    Ray: 2.9.0
    Python: 3.10.1
This process on node 10.0.0.2 was started with:
    Ray: 2.60.0
    Python: 3.11.7
"""
ANOTHER_CLI = "RuntimeError: Ray version mismatch: cluster has Ray version 2.9.0 but local Ray version is 2.60.0\n"
"""What Ray prints: ``ray start`` and its commands."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(telling(ANOTHER)), r"version \(Ray 2.9.0, Python 3.10.1; here it is Ray 2.60.0, Python 3.11.7\)"),
        (RuntimeError(telling(ANOTHER_CLI)), r"version \(Ray 2.9.0; here it is Ray 2.60.0\): expected the same"),
        (RuntimeError("InvalidAuthToken: Authentication token is missing"), r"does not accept the cluster's token"),
        (ConnectionError("Could not find any running Ray instance."), r"no Ray runs on this machine: expected"),
        (ValueError("anything else\nand more"), r"can't be used: ValueError: anything else$"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_said(error: Exception, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        raise ConfigError(words_for(error, "auto"))


def test_the_package_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"ray is not installed; run: pip install 'sightline-vision\[cluster\]'"):
        check_installed()
