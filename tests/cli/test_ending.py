"""How a command ends."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import atexit, gc, sys
from sightline.cli import main
atexit.register(lambda: print(gc.get_freeze_count() > 0))
sys.argv = ["sightline", *sys.argv[1:]]
main()
"""


def test_python_does_not_look_for_garbage_as_it_ends() -> None:
    """It took half a second of CPU, and on a machine without any to spare longer than a server may take to end."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, "--version"], check=True, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == "True"
