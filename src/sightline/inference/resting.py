"""The worker's tasks that have nothing to do, and whom to wake for a frame."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeAlias

from sightline.inference.instance import Instance

Resting: TypeAlias = "tuple[Instance, asyncio.Future[None]]"


class Rest:
    """Where tasks wait for work, each for its instance. Who is woken and leaves frames has to wake the next.

    To wake all for each frame would cost the loop some 5 us a task, and 16 cores have 32 of them.
    """

    def __init__(self) -> None:
        self._resting: deque[Resting] = deque()

    async def woken(self, instance: Instance) -> None:
        """Wait until there may be something to do."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        one = instance, woken
        self._resting.append(one)
        try:
            await woken
        except asyncio.CancelledError:
            if one in self._resting:
                self._resting.remove(one)
            raise

    def wake_one(self, rather: Instance | None = None) -> None:
        """Wake one, of an instance that could begin at once if there is such a one, and rather of this one."""
        if not self.wake_idle(rather) and self._resting:
            _wake(self._resting.popleft())

    def wake_idle(self, rather: Instance | None = None) -> bool:
        """Wake one of an instance that could begin at once. Returns whether there was one."""
        idle = [one for one in self._resting if one[0].idle]
        if not idle:
            return False
        one = next((one for one in idle if one[0] is rather), idle[0])
        self._resting.remove(one)
        _wake(one)
        return True

    def wake_all(self) -> None:
        """Wake all: something has changed for each."""
        while self._resting:
            _wake(self._resting.popleft())


def _wake(one: Resting) -> None:
    if not one[1].done():  # it may be cancelled, and not know it yet
        one[1].set_result(None)
