"""A network of its own for processes of this machine, which stands for another machine's, and can be cut.

Needs the right to make one: root, or ``unshare --map-root-user --net`` before.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE, THERE = "10.231.0.1", "10.231.0.2"
NOBODY = "02:00:00:00:00:01"
"""An address that no card has: what is sent there is lost without a word, as where a cable was pulled."""


@dataclass(frozen=True)
class OwnNetwork:
    """Reached from here at ``THERE``; from there this side is ``HERE``."""

    holder: int
    """A process that is in it."""

    @property
    def prefix(self) -> list[str]:
        """What comes before a command that is to run in it."""
        return ["nsenter", f"--target={self.holder}", "--net"]

    def cut(self) -> None:
        """Lose all that is sent, both ways, silently."""
        _run("ip", "neigh", "replace", THERE, "lladdr", NOBODY, "dev", "sight0", "nud", "permanent")
        _run(*self.prefix, "ip", "neigh", "replace", HERE, "lladdr", NOBODY, "dev", "sight1", "nud", "permanent")

    def mend(self) -> None:
        """Let all through again."""
        _run("ip", "neigh", "del", THERE, "dev", "sight0")
        _run(*self.prefix, "ip", "neigh", "del", HERE, "dev", "sight1")


def permitted() -> bool:
    """Whether such a network can be made here."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        return False
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@contextmanager
def own_network() -> Iterator[OwnNetwork]:
    """One such network, as long as it lasts."""
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as holder:
        try:
            network = OwnNetwork(holder.pid)
            _until_apart(holder.pid)
            _run("ip", "link", "set", "lo", "up")
            _run("ip", "link", "add", "sight0", "type", "veth", "peer", "name", "sight1", "netns", str(holder.pid))
            _run("ip", "address", "add", f"{HERE}/24", "dev", "sight0")
            _run("ip", "link", "set", "sight0", "up")
            for words in (["link", "set", "lo", "up"], ["address", "add", f"{THERE}/24", "dev", "sight1"]):
                _run(*network.prefix, "ip", *words)
            _run(*network.prefix, "ip", "link", "set", "sight1", "up")
            yield network
        finally:
            subprocess.run(["ip", "link", "delete", "sight0"], capture_output=True, check=False)
            holder.kill()


def _until_apart(process: int) -> None:
    """Wait until it has left this network."""
    own = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{process}/ns/net").readlink() == own:
        time.sleep(0.01)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
