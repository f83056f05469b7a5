"""``sightline doctor`` for a running server: in a process of its own, as it loads the model and may meet a fault."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from sightline.core.errors import ConfigError
from sightline.core.processes import start_process
from sightline.core.turns import Turns
from sightline.settings.environment import environment_of_server
from sightline.settings.settings import Settings

MOST_S = 120.0
"""Seconds for all its checks."""


class DoctorFinding(msgspec.Struct, frozen=True):
    """Outcome of one check, as the command prints it."""

    what: str
    state: str
    detail: str
    mend: str = ""


async def examine(settings: Settings, turns: Turns) -> list[DoctorFinding]:
    """Return what the doctor finds. Raises LimitReached while it is at work, or ConfigError where it finds no end."""
    async with turns.take():
        command = (sys.executable, "-m", "sightline", "doctor", "--json")
        process = await start_process(*command, env=environment_of_server(settings))
        assert process.stdout is not None
        try:
            async with asyncio.timeout(MOST_S):
                said = await process.stdout.read()
                await process.wait()
            found = msgspec.json.decode(said, type=list[DoctorFinding])
        except TimeoutError:
            raise ConfigError(f"the doctor found no end within {MOST_S:g} s: run `sightline doctor`") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ConfigError("the doctor does not come to its end here: run `sightline doctor`") from None
        finally:
            if process.returncode is None:
                process.kill()
    return [finding for finding in found if finding.what != "port"]  # the server has it
