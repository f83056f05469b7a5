"""Sightline beside its peers, in turns: each job, each round, one side after the other, the next round backwards.

Each peer has a virtual environment of its own in the user's cache folder, which the first run fills (minutes, some
GB). A peer that can't be installed, or fails at a job, is in the table with the reason. The model is yolox_nano in ONNX
Runtime for all, pictures are 640x360. Writes race.json and race.html into bench/results; --docs writes
docs/benchmarks.md as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from typing import Any

import psutil

from common import MODEL, RESULTS, ROOT, asset, save
from race.cameras import stamped_jpegs
from race.environments import NEEDS, PROGRAMS, Environment, contestant, prepared
from race.jobs import JOBS, Job, Race
from race.report import markdown, page, terminal

DOCS = ROOT / "docs" / "benchmarks.md"


def main() -> None:
    """Run the jobs and write what was found."""
    parser = argparse.ArgumentParser(
        prog="race", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=4, help="of each turn")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md as well")
    parser.add_argument("--report", action="store_true", help="only write the pages, from the last run's figures")
    args = parser.parse_args()
    unknown = set(args.jobs) - set(JOBS)
    if unknown:
        parser.error(f"no such job: {', '.join(sorted(unknown))}; expected some of {', '.join(JOBS)}")
    if not args.report:
        save(
            "race",
            run(args.jobs or list(JOBS), args.seconds, args.rounds),
            f"make race ARGS={' '.join(sys.argv[1:])!r}",
        )
    found = json.loads((RESULTS / "race.json").read_text())
    (RESULTS / "race.html").write_text(page(found))
    if args.docs:
        DOCS.write_text(markdown(found))
    print(terminal(found))
    print(f"\n{RESULTS / 'race.json'}\n{RESULTS / 'race.html'}")


def run(names: list[str], seconds: float, rounds: int) -> dict[str, Any]:
    """Run jobs. Returns the load of the machine, what could not be installed, and each side's figures by round."""
    jobs = {name: JOBS[name] for name in names}
    environments = {name: prepared(name) for name in NEEDS if any(name in job.peers.values() for job in jobs.values())}
    race = Race(str(asset(MODEL)), seconds, stamped_jpegs(), environments)
    found: dict[str, Any] = {"load_before": _load(), "seconds": seconds, "rounds": rounds, "jobs": {}}
    found["missing"] = {e.name: e.missing for e in environments.values() if e.missing}
    for name, job in jobs.items():
        with ExitStack() as stack:
            for peer in sorted({*job.peers.values()} & PROGRAMS.keys()):
                if name != "install" and not environments[peer].missing:
                    race.peers[peer] = stack.enter_context(contestant(peer, environments[peer].python))
            found["jobs"][name] = _turns(name, job, race, job.rounds or rounds)
    found["load_after"] = _load()
    return found


def _turns(name: str, job: Job, race: Race, rounds: int) -> dict[str, Any]:
    sides: dict[str, Any] = {side: {"rounds": [], "failed": ""} for side in job.sides}
    for number in range(rounds):
        for side in list(job.sides) if number % 2 == 0 else reversed(list(job.sides)):
            _turn(name, job, side, race, sides[side])
    return sides


def _turn(name: str, job: Job, side: str, race: Race, into: dict[str, Any]) -> None:
    environment: Environment | None = race.environments.get(job.peers.get(side, ""))
    if environment is not None and environment.missing:
        into["failed"] = f"not installed: {environment.missing}"
    if into["failed"]:
        return
    try:
        figures = job.sides[side](race)
    except Exception as e:  # noqa: BLE001 - whatever goes wrong with one side, the others run on
        into["failed"] = f"{type(e).__name__}: {e}"
        print(f"{name}: {side}: {into['failed']}", file=sys.stderr)
        return
    into["rounds"].append(figures)
    print(f"{name}: {side}: {', '.join(f'{k} {v:.2f}' for k, v in figures.items())}", file=sys.stderr, flush=True)


def _load() -> dict[str, float]:
    """The machine's load while nothing of ours runs: the average of a minute, and the busy share of 2 s in per cent."""
    return {"average": round(os.getloadavg()[0], 2), "busy": psutil.cpu_percent(2)}


if __name__ == "__main__":
    main()
