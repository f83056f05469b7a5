"""The HTTP API of outputs: how each is doing, a test, and those that come and go while the server runs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import (
    FAULTS,
    BadRequest,
    BadSetting,
    Changed,
    ConfigError,
    LimitReached,
    NotFound,
    Shortage,
    cancelled,
    told,
)
from sightline.core.events import Event
from sightline.core.openapi import refusals
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs._kept import kinds, shown
from sightline.outputs.base import Item
from sightline.security.authorization import needs
from sightline.security.tokens import ALL
from sightline.server.api.checked import checked_by
from sightline.server.api.precondition import AsItWas
from sightline.server.api.setting_changes import HIDDEN
from sightline.server.api.stats import SinkStats, sink_stats
from sightline.server.state import ServerState, state_of
from sightline.wire.lines import encode


def _bad(problem: Mapping[str, Any]) -> BadSetting:
    """Convert a pydantic error. What was got may be a password, so it is not told again."""
    key = "kind" if "kind" in problem["loc"] else "body"
    expected = f"one of {', '.join(kinds())}" if key == "kind" else "an object of an output's keys"
    return BadSetting(f"{key}: expected {expected}", key, "", expected)


router = APIRouter(tags=["outputs"], dependencies=[needs("admin")], route_class=checked_by(_bad))

MOST_S = 15.0
"""Seconds for a test."""


class OutputReport(SinkStats):
    """One output."""

    id: str
    """A number for one of the settings file: its place there, from 1. Others were added here."""
    fixed: bool
    """True where the settings file has it, so that it is changed and removed there."""
    version: str
    """Another one with each change, for If-Match; empty for one of the settings file."""
    settings: dict[str, Any] | None
    """Its keys, with (hidden) in place of secrets; null for one of the settings file."""
    kind: str
    what: list[str]
    """Any of results, events and alerts; nothing for an output that does something else."""


class OutputsReport(BaseModel):
    """The outputs: those of the settings file in its order, then those that were added."""

    outputs: list[OutputReport]
    kinds: list[str]
    """Kinds that may be added here. Others run programs or write files, so only the settings file names those."""


class NewOutput(BaseModel):
    """An output to be added: its kind, and keys as a table `[[outputs]]` of that kind has them."""

    model_config = ConfigDict(extra="allow")
    kind: Annotated[str, Field(strict=True)]


class OutputChanges(BaseModel):
    """Keys of an output, without those that stay. A secret that is not given stays, too."""

    model_config = ConfigDict(extra="allow")


class OutputTest(BaseModel):
    """What became of a test."""

    sent: bool
    reason: str
    """Why it was not sent; empty where it was."""


@router.get("/api/outputs")
async def outputs(request: Request) -> OutputsReport:
    """The outputs, with what each has sent and lost."""
    state = state_of(request)
    return OutputsReport(outputs=[_report(state, id) for id in _by_id(state)], kinds=kinds())


@router.post(
    "/api/outputs", status_code=201, responses=refusals(BadRequest, BadSetting, ConfigError, LimitReached, Shortage)
)
async def add_output(request: Request, output: NewOutput) -> OutputReport:
    """Add an output, which begins with what happens now and is kept over restarts."""
    state = state_of(request)
    return _report(state, await state.kept_outputs.add(output.model_dump()))


@router.patch("/api/outputs/{id}", responses=refusals(BadRequest, BadSetting, Changed, ConfigError, NotFound, Shortage))
async def change_output(request: Request, id: str, changes: OutputChanges, expected: AsItWas) -> OutputReport:
    """Change an output that was added here, all that is given or nothing. Null is a key's default.

    What was stored and not sent goes to where it is then.
    """
    state = state_of(request)
    await state.kept_outputs.change(id, changes.model_extra or {}, partial(expected.check, f"the output {id!r}"))
    return _report(state, id)


@router.delete(
    "/api/outputs/{id}", status_code=204, responses=refusals(BadRequest, Changed, ConfigError, NotFound, Shortage)
)
async def remove_output(request: Request, id: str, expected: AsItWas) -> Response:
    """Remove an output that was added here."""
    await state_of(request).kept_outputs.remove(id, partial(expected.check, f"the output {id!r}"))
    return Response(status_code=204)


@router.post("/api/outputs/{id}/test", responses=refusals(NotFound, LimitReached))
async def send_test(request: Request, id: str) -> OutputTest:
    """Send an event of the kind `test` to an output, past those that wait. It is stored nowhere else."""
    by_id = _by_id(state_of(request))
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


def _by_id(state: ServerState) -> dict[str, Dispatcher]:
    return {str(number): one for number, one in enumerate(state.outputs, 1)} | state.kept_outputs.dispatchers


def _report(state: ServerState, id: str) -> OutputReport:
    one = _by_id(state)[id]
    kept = id in state.kept_outputs.dispatchers
    return OutputReport(
        id=id,
        fixed=not kept,
        version=state.kept_outputs.version(id) if kept else "",
        settings=shown(state.kept_outputs.settings(id), HIDDEN) if kept else None,
        kind=one.kind,
        what=list(one.what),
        **sink_stats(one).model_dump(),
    )


def _test_of(dispatcher: Dispatcher) -> Item:
    stream = "test" if dispatcher.stream == ALL else dispatcher.stream
    event = Event(id=f"test-{uuid.uuid4().hex}", stream=stream, phase="start", kind="test", at=time.time(), seq=0)
    return Item("events", stream, encode(event), event)
