"""Commands that come over MQTT: what they may say, and what they do."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from sightline.core.errors import BadRequest, SightlineError
from sightline.outputs.mqtt.discovery import OFF, ON, NodeNames
from sightline.settings.stream import check
from sightline.streams.hub import Hub

log = logging.getLogger(__name__)

MOST_BYTES = 256
"""Longest payload of a command."""
MOST_PENDING = 8
"""Commands that may be under way, as a model may have to be loaded."""
TELL_S = 1.0
"""Least time between two lines of the log about refused commands."""


class Commands:
    """Carries out commands, one after the other for those that are quick. What is refused is counted."""

    def __init__(self, names: NodeNames, hub: Hub, stream: str) -> None:
        """``stream``: the only one that may be commanded, or ``*``."""
        self.refused = 0
        self._names, self._hub, self._stream = names, hub, stream
        self._pending = 0
        self._told = -TELL_S

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics to subscribe to."""
        return tuple(self._names.command("+", entity) for entity in ("detection", "model", "rule.+"))

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Carry out a command, now or soon. Raises nothing.

        A retained one is an order of long ago, which would come again with each connection.
        """
        try:
            if retained:
                raise BadRequest("it is retained: expected one that is sent once")
            if len(payload) > MOST_BYTES:
                raise BadRequest(f"{len(payload)} bytes: expected at most {MOST_BYTES}")
            if self._pending >= MOST_PENDING:
                raise BadRequest(f"{MOST_PENDING} are under way: expected no more")
            stream, *entity = topic.removeprefix(f"{self._names.node}/").removesuffix("/set").split("/")
            self._obey(stream, entity, payload.decode("utf-8", "replace"))
        except SightlineError as e:
            self._refuse(topic, e.message)

    def _obey(self, stream: str, entity: list[str], told: str) -> None:
        if self._stream not in ("*", stream):
            raise BadRequest(f"stream {stream[:80]!r}: expected {self._stream}")
        match entity:
            case ["detection"]:
                self._hub.find(stream).switch(_is_on(told))
            case ["model"]:
                self._hub.find(stream)
                self._later(f"{stream}/model", partial(self._choose, stream, told))
            case ["rule", name]:
                self._enable(stream, name, _is_on(told))
            case _:
                raise BadRequest("no such command: expected detection, model or rule")

    def _enable(self, stream: str, name: str, on: bool) -> None:
        rule = self._hub.boards.find(stream, "rules", name).rules.rules[name]
        ended = self._hub.boards.put(stream, "rules", name, rule.model_copy(update={"enabled": on}))
        self._hub.emit_ends(stream, *ended)
        self._later(f"{stream}/rule", self._hub.boards.save)

    def _later(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        self._pending += 1
        self._hub.supervisor.spawn(f"command {what}", self._carry_out(what, work))

    async def _carry_out(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except SightlineError as e:
            self._refuse(what, e.message)
        finally:
            self._pending -= 1

    async def _choose(self, stream: str, model: str) -> None:
        await self._hub.change(self._hub.find(stream), check({"model": model}).given())

    def _refuse(self, topic: str, why: str) -> None:
        self.refused += 1
        now = time.monotonic()
        if now - self._told >= TELL_S:
            self._told = now
            log.warning("command %r: %s (%d refused so far)", topic[:200], why, self.refused)


def _is_on(told: str) -> bool:
    if told not in (ON, OFF):
        raise BadRequest(f"{told[:40]!r}: expected {ON} or {OFF}")
    return told == ON
