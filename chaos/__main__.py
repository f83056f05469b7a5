"""Runs the programs: all of them, or those whose names are given. Each says what was tried, the goal and the figure."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context

from chaos import CASES, run
from chaos.common import RESULTS, Finding


def main() -> None:
    """Run, print, write bench/results/chaos.json; status 1 if something broke."""
    from common import save

    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--short", action="store_true", help="seconds in place of minutes")
    args = parser.parse_args()
    if unknown := set(args.names) - set(CASES):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(CASES)}")
    RESULTS.mkdir(exist_ok=True)
    findings: dict[str, list[Finding]] = {}
    for name in args.names or CASES:
        began = time.monotonic()
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # which steps back, see common.step_back
            findings[name] = pool.submit(run, name, short=args.short).result()
        print(*(finding.line for finding in findings[name]), sep="\n")
        print(f"       ({name} took {time.monotonic() - began:.0f} s)", flush=True)
    save(
        "chaos",
        {name: [asdict(finding) for finding in found] for name, found in findings.items()},
        f"python -m chaos {' '.join(sys.argv[1:])}".rstrip(),
    )
    everything = [finding for found in findings.values() for finding in found]
    missed, broken = (
        sum(not good for good in which) for which in ([f.met for f in everything], [f.held for f in everything])
    )
    print(f"{len(everything)} findings: {missed} goals missed, {broken} broken")
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
