"""The HTTP API of outputs: how each is doing, and a test for whoever set one up."""

from __future__ import annotations

import asyncio
import time
import uuid

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sightline.core.errors import FAULTS, LimitReached, NotFound, cancelled, told
from sightline.core.events import Event
from sightline.core.openapi import refusals
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs.base import Item
from sightline.security.authorization import needs
from sightline.security.tokens import ALL
from sightline.server.api.stats import SinkStats, sink_stats
from sightline.server.state import state_of
from sightline.wire.lines import encode

router = APIRouter(tags=["outputs"], dependencies=[needs("admin")])

MOST_S = 15.0
"""Seconds for a test."""


class OutputReport(SinkStats):
    """One of the operator's outputs."""

    id: str
    """Its place in the settings, from 1."""
    kind: str
    what: list[str]
    """Any of results, events and alerts; nothing for an output that does something else."""


class OutputsReport(BaseModel):
    """The operator's outputs, in the order of the settings."""

    outputs: list[OutputReport]


class OutputTest(BaseModel):
    """What became of a test."""

    sent: bool
    reason: str
    """Why it was not sent; empty where it was."""


@router.get("/api/outputs")
async def outputs(request: Request) -> OutputsReport:
    """The outputs, with what each has sent and lost."""
    return OutputsReport(
        outputs=[
            OutputReport(id=str(number), kind=one.kind, what=list(one.what), **sink_stats(one).model_dump())
            for number, one in enumerate(state_of(request).dispatchers, 1)
        ]
    )


@router.post("/api/outputs/{id}/test", responses=refusals(NotFound, LimitReached))
async def send_test(request: Request, id: str) -> OutputTest:
    """Send an event of the kind `test` to an output, past those that wait. It is stored nowhere else."""
    by_id = {str(number): one for number, one in enumerate(state_of(request).dispatchers, 1)}
    if id not in by_id or not by_id[id].what:
        raise NotFound(f"no output {id[:10]!r} sends anything: expected one of {', '.join(by_id) or 'none'}")
    try:
        async with asyncio.timeout(MOST_S):
            await by_id[id].send_past(_test_of(by_id[id]))
    except LimitReached:
        raise
    except TimeoutError:
        return OutputTest(sent=False, reason=f"nobody took it within {MOST_S:g} s")
    except OSError as e:
        return OutputTest(sent=False, reason=str(e))
    except FAULTS as e:  # it is foreign code
        if cancelled(e):
            raise
        return OutputTest(sent=False, reason=told(e))
    return OutputTest(sent=True, reason="")


def _test_of(dispatcher: Dispatcher) -> Item:
    stream = "test" if dispatcher.stream == ALL else dispatcher.stream
    event = Event(id=f"test-{uuid.uuid4().hex}", stream=stream, phase="start", kind="test", at=time.time(), seq=0)
    return Item("events", stream, encode(event), event)
