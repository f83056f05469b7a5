"""Life of the operator's outputs: they are checked, opened, and sent to while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from sightline.core import registry
from sightline.core.errors import FAULTS, ConfigError, cancelled
from sightline.outputs.base import OutputSettings, Resident
from sightline.settings.outputs import OutputTable

if TYPE_CHECKING:  # ``doctor`` checks outputs and must not need the hub's imports
    from sightline.outputs._dispatcher import Dispatcher
    from sightline.streams.hub import Hub
    from sightline.streams.rendering import Drawing

log = logging.getLogger(__name__)

GOODBYE_S = 2.0
"""Maximum time in seconds for what an output does besides sending to end by itself."""
CLOSE_S = 0.5
"""Maximum time in seconds for an output to release its resources."""


def check_outputs(tables: Sequence[OutputTable]) -> list[OutputSettings]:
    """Check the outputs' settings by their plugins. Raises ConfigError, which names the output and its key."""
    checked = []
    for number, table in enumerate(tables, 1):
        try:
            checked.append(check_output(table))
        except ConfigError as e:
            which = f"output number {number}" + (f" ({table.kind})" if table.kind else "")
            raise ConfigError(f"{which}: {e.message}") from None
    return checked


def check_output(table: OutputTable) -> OutputSettings:
    """Check an output's settings by its plugin. Raises ConfigError, which names the key."""
    if not table.kind:
        raise ConfigError(f"kind is missing: expected one of {', '.join(registry.plugins('outputs'))}")
    plugin = registry.load("outputs", table.kind)
    try:
        settings: OutputSettings = plugin.Settings.model_validate(table.model_dump())
    except ValidationError as e:
        described = (_described(plugin.Settings, dict(problem)) for problem in e.errors())
        raise ConfigError("; ".join(described)) from None
    plugin.check(settings)
    return settings


def _described(settings: type[BaseModel], problem: dict[str, Any]) -> str:
    """Message for pydantic's problem. It shows no values, as addresses, passwords and whole tables may be secret."""
    key = ".".join(str(part) for part in problem["loc"])
    if not key:
        return str(problem["ctx"]["error"])  # of several keys together, in a plugin's own words
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key!r}: expected one of {', '.join(settings.model_fields)}"
    return f"{key}: {problem['msg']}"


@asynccontextmanager
async def dispatchers(
    hub: Hub, tables: Sequence[OutputTable], drawing: Drawing | None = None
) -> AsyncGenerator[list[Dispatcher]]:
    """Send to the outputs until the block ends. After ``hub.close`` each has LAST_S for the items it has taken."""
    from sightline.outputs._dispatcher import Dispatcher

    found: list[Dispatcher] = []
    names: Counter[str] = Counter()
    for given in check_outputs(tables):
        output = registry.load("outputs", given.kind).open(given)
        cursor = f"output {output.name} {given.stream} {' '.join(given.what)}"
        names[cursor] += 1  # an address is not told whole, so two may have the same name
        named = f"{cursor} {names[cursor]}"
        found.append(Dispatcher(output, given.stream, given.what, given.kind, named))
    residents = start_residents(hub, drawing, found)
    tasks = start(hub, found)
    try:
        yield found
    finally:
        await asyncio.gather(part(residents), finish(found, tasks))


def start_residents(hub: Hub, drawing: Drawing | None, found: Sequence[Dispatcher]) -> list[asyncio.Task[None]]:
    """Start what outputs do besides sending."""
    return [
        hub.supervisor.start(f"output {output.name}: more", partial(output.run, hub, drawing))
        for output in (one.output for one in found)
        if isinstance(output, Resident)
    ]


async def part(residents: Sequence[asyncio.Task[None]]) -> None:
    """Give residents time to end by themselves."""
    if residents:
        _, hanging = await asyncio.wait(residents, timeout=GOODBYE_S)
        for task in hanging:
            task.cancel()


def start(hub: Hub, found: Sequence[Dispatcher]) -> list[asyncio.Task[None]]:
    """Start sending."""
    return [
        hub.supervisor.start(f"output {dispatcher.output.name}", partial(dispatcher.run, hub))
        for dispatcher in found
        if dispatcher.what
    ]


async def finish(found: Sequence[Dispatcher], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the last items, and release what the outputs have."""
    from sightline.outputs._dispatcher import LAST_S

    if tasks:
        await asyncio.wait(tasks, timeout=LAST_S + 1)
    for dispatcher in found:
        try:
            async with asyncio.timeout(CLOSE_S):
                await dispatcher.output.close()
        except FAULTS as e:
            if cancelled(e):
                raise
            log.exception("output %s could not be closed", dispatcher.output.name)
