"""The ledger under any order of events, with the real stream and hub and a publisher that writes down its answers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadRequest, LimitReached, ShuttingDown, StreamBusy, StreamEnded, StreamNotFound
from sightline.core.events import Event
from sightline.core.predictions import Detections
from sightline.core.types import Frame, FrameResult
from sightline.streams.publisher import DropReason
from sightline.streams.stream import Stream
from sightline.wire.messages import Status
from support.streams import Recorder, balanced, frame, make_hub, result, until


@given(
    st.lists(
        st.sampled_from(["put", "begin", "refuse", "take", "deliver", "fail", "end", "start", "watch", "unwatch"])
    ),
    st.booleans(),
)
def test_the_ledger_balances_after_every_event(events: list[str], wants: bool) -> None:
    async def play() -> None:
        stream = Stream("door", make_hub().worker)
        publisher = Recorder(wants_results=wants)
        stream.start(publisher)
        hub = make_hub()
        taken: list[Frame] = []
        async with hub.subscribe_all(backlog=2) as listener:
            for seq, event in enumerate(events):
                if event == "put" and stream.publisher:
                    stream.put(frame(seq))
                elif event == "begin" and stream.publisher:
                    inferred = frame(seq)
                    taken += [inferred] if stream.begin(inferred) else []
                elif event == "refuse" and stream.publisher:
                    stream.refuse(frame(seq))
                elif event == "take":
                    got = stream.take()
                    taken += [got.frame] if got else []
                elif event == "deliver" and taken:
                    stream.deliver(result(taken.pop(0)))
                elif event == "fail" and taken:
                    stream.fail(taken.pop(0), "why")
                elif event == "end":
                    stream.end()
                elif event == "start" and stream.publisher is None:
                    stream.start(publisher)
                elif event == "watch":
                    stream.listeners.results.add(listener)
                elif event == "unwatch":
                    stream.listeners.results.discard(listener)
                assert balanced(stream)
                assert stream.in_flight == stream.waiting + len(taken)
        assert all(n == 1 for n in publisher.answers.values()), "one answer a frame"

    asyncio.run(play())


async def test_newest_frame_wins_before_it_is_decoded() -> None:
    stream, publisher = Stream("door", make_hub().worker), Recorder()
    stream.start(publisher)
    for seq in range(3):
        stream.put(frame(seq))
    taken = stream.take()
    assert taken is not None
    assert taken.frame.seq == 2
    assert publisher.reasons == {"replaced": 2}


async def test_a_stream_that_nobody_wants_is_not_given_to_the_worker() -> None:
    stream, publisher = Stream("door", make_hub().worker), Recorder(wants_results=False)
    stream.start(publisher)
    stream.put(frame(0))
    assert (stream.waiting, stream.in_flight, publisher.reasons) == (False, 0, {"unwatched": 1})


async def test_one_publisher_at_a_time_and_free_again_after() -> None:
    hub = make_hub()
    async with hub.publish("door", Recorder()):
        with pytest.raises(StreamBusy, match="'door' has a camera already"):
            async with hub.publish("door", Recorder()):
                pass
    async with hub.publish("door", Recorder()) as stream:
        assert stream.name == "door"


async def test_a_camera_takes_over_from_its_own_lost_connection_and_nobody_else_does() -> None:
    hub = make_hub()
    lost, back = Recorder(session="secret"), Recorder(session="secret")
    async with hub.publish("door", lost) as stream:
        for session in ("", "other"):
            with pytest.raises(StreamBusy):
                hub.take("door", Recorder(session=session))
        async with hub.publish("door", back):
            assert lost.ended is not None
            assert stream.publisher is back
    assert stream.publisher is None
    open_to_all = hub.take("door", Recorder())
    with pytest.raises(StreamBusy):
        hub.take("door", Recorder())
    hub.release(open_to_all, lost)
    assert open_to_all.publisher is not None, "who was taken over from ends nothing any more"


async def test_a_camera_that_seems_lost_gives_way() -> None:
    hub = make_hub()
    first, second = Recorder(), Recorder()
    stream = hub.take("door", first)
    first.is_lost = True
    assert stream.publisher is first
    assert hub.take("door", second).publisher is second
    assert first.ended is not None
    with pytest.raises(StreamBusy):  # which is not said of the second
        hub.take("door", Recorder())


async def test_a_camera_that_comes_back_gets_no_answers_to_its_predecessors_frames() -> None:
    stream, first, second = Stream("door", make_hub().worker), Recorder(), Recorder()
    stream.start(first)
    stream.put(frame(0))
    taken = stream.take()
    assert taken is not None
    stream.end()
    stream.start(second)
    stream.deliver(result(taken.frame))
    assert (first.answers, second.answers) == ({}, {})
    assert stream.meters.ledger.delivered == 1


async def test_a_subscriber_may_come_before_the_camera_and_sees_it_come_and_go() -> None:
    hub = make_hub()
    async with hub.subscribe("door", backlog=4) as viewer:
        async with hub.publish("door", Recorder()):
            pass
        came, went = await viewer.mailbox.get(), await viewer.mailbox.get()
    assert isinstance(came, Status)
    assert isinstance(went, Status)
    assert (came.state, went.state) == ("live", "ended")


@pytest.mark.parametrize("cut_off", [False, True])
async def test_a_camera_in_the_background_is_told_as_such_also_after_it_was_cut_off(cut_off: bool) -> None:
    """Fault 57."""
    hub = make_hub()
    stream = hub.take("door", camera := Recorder())
    async with hub.subscribe("door", backlog=8) as viewer:
        stream.hide(camera, True)
        if cut_off:
            hub.release(stream, camera)
        hidden = Status(
            state="waiting",
            message="Waiting for the camera: the camera's page is in the background.",
            reason="the camera's page is in the background",
        )
        assert [await viewer.mailbox.get() for _ in range(1 + cut_off)] == [hidden] * (1 + cut_off)
        assert stream.status == hidden
        if cut_off:
            hub.take("door", Recorder())  # the name is free
        else:
            stream.hide(camera, False)
        told = await viewer.mailbox.get()
        assert isinstance(told, Status)
        assert told.state == "live"
        assert stream.status == told


async def test_a_pause_is_told_again_after_the_results_that_come_later() -> None:
    hub = make_hub()
    stream = hub.take("door", camera := Recorder())
    async with hub.subscribe("door", backlog=1) as viewer:
        stream.put(frame(0))
        taken = stream.take()
        assert taken is not None
        stream.hide(camera, True)
        stream.deliver(result(taken.frame))
        assert await viewer.mailbox.get() == stream.status
        assert stream.status.state == "waiting"


async def test_limits_say_which_limit() -> None:
    hub = make_hub(max_streams=1, max_viewers=1)
    async with hub.publish("a", Recorder()):
        with pytest.raises(LimitReached, match="max_streams"):
            async with hub.publish("b", Recorder()):
                pass
        async with hub.subscribe("a"):
            with pytest.raises(LimitReached, match="max_viewers"):
                async with hub.subscribe_all(backlog=1):
                    pass


async def test_who_waits_for_cameras_that_do_not_exist_keeps_no_camera_out() -> None:
    hub = make_hub(max_streams=2, max_viewers=8)
    async with AsyncExitStack() as stack:
        for name in "stuvwxyz":
            await stack.enter_async_context(hub.subscribe(name))
        async with hub.publish("a", Recorder()), hub.publish("z", Recorder()):
            with pytest.raises(LimitReached, match="2 streams are live"):
                async with hub.publish("b", Recorder()):
                    pass
    assert len(hub.streams) <= 2


async def test_an_ended_stream_makes_room_and_stays_counted() -> None:
    hub = make_hub(max_streams=1)
    async with hub.publish("a", Recorder(wants_results=False)) as stream:
        stream.put(frame(0, "a"))
    async with hub.publish("b", Recorder()):
        assert list(hub.streams) == ["b"]
        assert (hub.past.received, hub.past.dropped) == (1, {"unwatched": 1})


async def test_who_looks_at_streams_forgets_none_and_time_forgets_those_that_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = make_hub()
    for name in "ab":
        async with hub.publish(name, Recorder(wants_results=False)) as stream:
            stream.put(frame(0, name))
    monkeypatch.setattr("sightline.streams.hub.REMEMBERED_S", 0.0)
    assert [name for name in hub.streams if hub.streams[name].publisher is None] == ["a", "b"]
    running = asyncio.create_task(hub.run())
    await until(lambda: not hub.streams)
    running.cancel()
    assert hub.past.received == 2


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ü", "x" * 65, "..", "a\n"])
async def test_a_bad_name_is_told(name: str) -> None:
    hub = make_hub()
    with pytest.raises(BadRequest, match="1 to 64 letters"):
        async with hub.publish(name, Recorder()):
            pass
    with pytest.raises((BadRequest, StreamNotFound)):
        hub.find(name)


async def test_close_ends_everybody_with_the_reason() -> None:
    hub = make_hub()
    publisher = Recorder()
    async with hub.publish("a", publisher), hub.subscribe("a") as viewer, hub.subscribe_all(backlog=1) as listener:
        hub.close("maintenance")
        for subscription in (viewer, listener):
            with pytest.raises(StreamEnded, match="maintenance"):
                await subscription.mailbox.get()
        assert publisher.ended == "maintenance"
        with pytest.raises(ShuttingDown, match="maintenance"):
            async with hub.subscribe("a"):
                pass


async def test_frames_without_a_model_wait_newest_first_and_are_closed_with_the_camera() -> None:
    hub = make_hub()
    publisher = Recorder()
    async with hub.publish("a", publisher) as stream:
        stream.put(frame(0, "a"))
        stream.put(frame(1, "a"))
        assert (stream.in_flight, balanced(stream)) == (1, True)
    assert publisher.reasons == {"replaced": 1, "closed": 1}
    assert stream.meters.ledger.dropped == {"replaced": 1, "closed": 1}
    assert balanced(stream)


def test_types_hold_arrays() -> None:
    assert len(Detections.empty(np.zeros((1, 1), np.uint8))) == 0


class Broken(Recorder):
    """A publisher whose callbacks raise."""

    def answer(self, result: FrameResult) -> None:
        raise ValueError("too long")

    def drop(self, frame: Frame, reason: DropReason) -> None:
        raise ValueError("too long")

    def fail(self, frame: Frame, message: str) -> None:
        raise ValueError("too long")

    def tell(self, status: Status) -> None:
        raise ValueError("too long")


@pytest.mark.parametrize("event", ["answer", "drop", "fail", "tell", "give back"])
async def test_a_publisher_that_raises_is_closed_and_the_ledger_stays_exact(event: str) -> None:
    stream, publisher = Stream("door", make_hub().worker), Broken()
    stream.start(publisher)
    stream.put(frame(0))
    if event == "drop":
        stream.put(frame(1))
    elif event == "tell":
        stream.tell(Status(state="ready", message="The model is ready."))
    else:
        taken = stream.take()
        assert taken is not None
        if event == "answer":
            stream.deliver(result(taken.frame))
        elif event == "fail":
            stream.fail(taken.frame, "why")
        else:
            stream.give_back(taken.frame)
    assert publisher.ended == "the answer could not be sent: ValueError: too long"
    assert balanced(stream)


async def test_detection_that_is_switched_off_costs_and_shows_nothing() -> None:
    hub = make_hub()
    async with hub.publish("door", Recorder()) as stream, hub.subscribe("door", backlog=9) as viewer:
        stream.put(frame(0))
        taken = stream.take()
        assert taken is not None
        stream.switch(False)
        stream.deliver(result(taken.frame))
        stream.put(frame(1))
        assert (stream.take(), stream.meters.ledger.dropped) == (None, {"unwatched": 1})
        off = Status(state="waiting", message="Detection is switched off.", reason="detection is switched off")
        told = [viewer.mailbox.take() for _ in range(3)]
        assert [one for one in told if isinstance(one, Status)] == [off, off], "the last word is not a late result"
        assert told[-1] == off
        stream.switch(True)
        assert viewer.mailbox.take() == Status(state="live", message="The camera is live.")
        stream.put(frame(2))
        assert stream.take() is not None


async def test_events_reach_those_who_listen_for_their_stream_and_make_it_wanted() -> None:
    hub = make_hub()
    async with hub.publish("door", Recorder(wants_results=False)) as stream:
        assert not stream.wanted
        async with hub.subscribe_events("yard") as yard, hub.subscribe_events() as everything:
            assert stream.wanted
            async with hub.subscribe_events("door") as door:
                event = Event(id="1", stream="door", phase="start", kind="object", at=1.0, seq=0)
                inferred = frame(0)
                assert stream.begin(inferred)
                stream.deliver(result(inferred).changed(events=(event,)))
                assert await door.get() is event
                assert await everything.get() is event
                assert not len(yard)
                hub.close("over")
                with pytest.raises(StreamEnded):
                    await door.get()
