"""Runs one peer's program: ``python -m race.contestants NAME``.

A job comes as a line of JSON, and its answer goes as one.
"""

from __future__ import annotations

import importlib
import json
import os
import sys


def main() -> None:
    """Do the jobs of standard input until it ends. Prints of the libraries go to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    jobs = importlib.import_module(f"race.contestants.{sys.argv[1]}").JOBS
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = jobs[job["job"]](job)
        except Exception as e:  # noqa: BLE001 - a peer's own failure is a result of the race
            answer = {"error": f"{type(e).__name__}: {e}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
