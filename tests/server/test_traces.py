"""Traces of frames: spans with their stages reach a collector, and one that is away bothers nobody."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import pytest

from sightline.core.errors import ConfigError
from sightline.core.types import Frame
from sightline.server import traces
from sightline.server.traces import FrameTrace, Traces, check_installed, parts
from support.collector import Collector, said
from support.inside import inside
from support.serving import peer, publish

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "EVERY_S", 0.02)
    monkeypatch.setattr(traces, "AGAIN_S", 0.05)


def frame(stream: str = "door", seq: int = 0) -> Frame:
    return Frame(stream, seq, time.time(), time.monotonic(), np.zeros((4, 4, 3), np.uint8))


async def test_each_frame_is_a_span_with_its_stages_below(tmp_path: Path) -> None:
    with Collector() as collector:
        async with inside(data=tmp_path, model="motion", traces_to=collector.url, traces_share=1) as server:
            async with peer(f"{server.ws}/ws/camera/door") as camera:
                await publish(camera, 5)
            async with httpx2.AsyncClient(base_url=server.http) as http:
                figures = (await http.get("/metrics", headers=OPENMETRICS)).text
                assert "trace_id" not in (await http.get("/metrics")).text, "the older format has no place for it"
        roots = collector.of(stream="door", model="motion")
    assert [said(one)["sightline.seq"] for one in roots] == [0, 1, 2, 3, 4]
    assert len({one.trace_id for one in roots}) == 5
    assert collector.resources[0]["service.name"] == "sightline"
    for root in roots:
        below = collector.below(root)
        names = [one.name for one in below if one.name != "receive"]
        assert names[0] == "queue"
        assert names[-1] == "deliver"
        assert {"decode", "infer"} <= set(names) or "compare" in names
        assert {one.trace_id for one in below} == {root.trace_id}
        times = [root.start_time_unix_nano]
        for one in below:
            assert one.start_time_unix_nano >= times[-1] - 1e6, "they follow each other"
            times += [one.start_time_unix_nano, one.end_time_unix_nano]
        assert max(times) <= root.end_time_unix_nano + 1e6
    (exemplar,) = re.findall(r'delivered_total\{stream="door"\} 5.0 # \{trace_id="(\w+)"\}', figures)
    assert exemplar == roots[-1].trace_id.hex()


async def test_frames_without_a_result_say_why() -> None:
    with Collector() as collector:
        traced = Traces(collector.url, 1)
        traced.take(frame(), None, "stale")
        await asyncio.to_thread(traced.close)
    assert collector.spans == collector.of(dropped="stale")
    assert len(collector.spans) == 1


async def test_a_share_of_the_frames_is_traced() -> None:
    with Collector() as collector:
        traced = Traces(collector.url + "/v1/traces", 0.25)
        for seq in range(1000):
            traced.take(frame(seq=seq), None, "stale")
        await asyncio.to_thread(traced.close)
    assert 150 < len(collector.of(stream="door")) < 350


async def test_a_collector_that_is_away_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as nobody, caplog.at_level(logging.INFO):
        nobody.bind(("127.0.0.1", 0))
        traced = Traces(f"http://127.0.0.1:{nobody.getsockname()[1]}", 1)
        traced._exporter._client._timeout = 0.1
        await lost(traced, caplog, lambda: bool(traced._lost))
        for seq in range(5000):
            traced.take(frame(seq=seq), None, "stale")
        assert len(traced._waiting) <= traces.MOST
        await asyncio.to_thread(traced.close)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "does not take them; they are lost until it does" in caplog.text


async def test_a_collector_that_is_back_is_told_of_what_comes(caplog: pytest.LogCaptureFixture) -> None:
    with Collector() as collector, caplog.at_level(logging.INFO):
        collector.status = 400
        traced = Traces(collector.url, 1)
        await lost(traced, caplog, lambda: bool(traced._lost))
        collector.status = 200
        await lost(traced, caplog, lambda: bool(collector.spans))
        await asyncio.to_thread(traced.close)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def lost(traced: Traces, caplog: pytest.LogCaptureFixture, over: Callable[[], bool]) -> None:
    """Hand frames over until it is so."""
    while not over():
        traced.take(frame(), None, "stale")
        await asyncio.sleep(0.01)


def test_parts_never_leave_their_frame() -> None:
    stages = {"queue": 5.0, "infer": 900.0, "encode": 100.0}
    for finished in (0.0, 10.0, 10.5, 11.5):
        trace = FrameTrace(1, 9.0, 10.0, finished, 11.0, stages, {})
        for _, start, end in parts(trace):
            assert 9 <= start <= end <= 11


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"OpenTelemetry is not installed; run: .*\[otel\]"):
        check_installed()
