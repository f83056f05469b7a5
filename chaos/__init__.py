"""Programs that try to break a running server: fuzzers, floods, bombs, faults of the network and of the machine."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.common import Case, Finding

CASES = {
    "websocket": "fuzz_websocket",
    "tcp": "fuzz_tcp",
    "http": "fuzz_http",
    "offers": "fuzz_http",
    "schema": "schema",
    "tokens": "fuzz_http",
    "floods": "floods",
    "bombs": "bombs",
    "silence": "silence",
    "shortage": "shortage",
    "clocks": "clocks",
    "network": "network",
    "workers": "workers",
    "cluster": "cluster",
    "happenings": "happenings",
    "recordings": "recordings",
    "full_disk": "full_disk",
    "hubs": "hubs",
    "conformance": "conformance",
}
"""Each program's function by the module that has it, in the order in which they run."""


def load(name: str) -> Case:
    """The function of a program."""
    found: Case = getattr(importlib.import_module(f"chaos.{CASES[name]}"), name)
    return found


def run(name: str, *, short: bool) -> list[Finding]:
    """Run one program in this process."""
    return list(asyncio.run(load(name)(short)))
