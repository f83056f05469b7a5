"""How a command ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys
import sightline.cli
from sightline.__main__ import main

class Kept:
    def __del__(self):
        print("Python takes itself apart", flush=True)

def command():
    atexit.register(print, "what is to be done at the end is done")
    sys.kept = Kept()
    {ending}

sightline.cli.main = command
main()
"""


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(141)", 141, ""),
        ("sys.exit('no such thing')", 1, "no such thing\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("sys.stdout = None", 0, ""),
    ],
)
def test_a_command_ends_with_its_status_and_leaves_python_as_it_is(ending: str, status: int, error: str) -> None:
    """A thread in FFmpeg's code crashes a process that takes itself apart: a server that was told to stop, at times."""
    program = [sys.executable, "-c", PROGRAM.format(ending=ending)]
    ended = subprocess.run(program, check=False, capture_output=True, text=True)
    assert ended.returncode == status, ended.stderr
    assert ended.stdout == ("" if "stdout" in ending else "what is to be done at the end is done\n")
    assert ended.stderr.endswith(error)
    assert error or not ended.stderr
