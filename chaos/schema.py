"""schemathesis against ``/openapi.json``: every route with what its description permits, and with what it does not."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.common import RESULTS, Finding, Watched, watched
from chaos.schema_hooks import HERE
from sightline.security.tokens import Store
from support.serving import ROOT, camera

EXAMPLES, SHORT = 30, 5
"""Requests of each route and kind, at most."""
SEED = 20_26
ENDLESS = r"^(/mjpeg/|/api/events/live)"
RATE = "300/s"
"""Below the limit of a connection, which this would reach on a quick machine."""
PATIENCE_S = "60"
"""An examination of the installation takes longer than the 10 s that are usual, where others use the machine too."""
NEEDS_TOKENS = "/api/tickets"
"""What a server without tokens refuses, however it is asked."""


async def described(house: Watched, *options: str) -> dict[str, Any]:
    """Run it; its report. What it found stands in bench/results."""
    with tempfile.TemporaryDirectory() as folder:
        description, report = Path(folder) / "openapi.json", Path(folder) / "report.json"
        description.write_bytes((await house.server.http.get("/openapi.json")).content)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", str(description), "--url", house.server.url, *options),
            *("--seed", str(SEED), "--exclude-path-regex", ENDLESS, "--rate-limit", RATE),
            *("--request-timeout", PATIENCE_S),
            *("--continue-on-failure", "--no-color", "--report", "json", "--report-json-path", str(report)),
            env=os.environ | {"SCHEMATHESIS_HOOKS": "chaos.schema_hooks", "PYTHONPATH": _path()},
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert report.exists(), printed.decode()
        found: dict[str, Any] = json.loads(report.read_bytes())
        if found["failures"] or found["errors"]:
            RESULTS.mkdir(parents=True, exist_ok=True)
            (RESULTS / "found-schema.txt").write_bytes(printed)
        return found


def _path() -> str:
    return os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])


async def tried(house: Watched, who: str, *options: str) -> Finding:
    """One run."""
    report = await described(house, *options)
    wrong = report["failures"] + report["errors"]
    alive = await house.alive()
    found = "; ".join(f"{one['title']} ({one['count']}: {', '.join(one.get('operations', []))})" for one in wrong)
    return Finding(
        f"schemathesis {who}: {report['test_cases']['generated']} requests to {report['operations']['tested']} routes",
        "every answer as described, what is allowed taken, what is not refused",
        f"{found or 'all as described'}; {'alive' if alive else 'NOT alive'}",
        not wrong and alive,
        not wrong and alive and report["complete"],
    )


async def schema(short: bool) -> Sequence[Finding]:
    """As a stranger and with an admin's token; without tokens as well where there is time."""
    options = ("--max-examples", str(SHORT), "--phases", "coverage") if short else ("--max-examples", str(EXAMPLES))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        token, _ = Store(Path(folder)).create("admin", "*", lifetime=None)
        async with watched("--model", "motion", env={"SIGHTLINE_TOKENS": "1"}, data=Path(folder)) as house:
            house.server.http.headers["authorization"] = f"Bearer {token}"
            found.append(await tried(house, "of a stranger", *options))
            found.append(await tried(house, "with a token", *options, "-H", f"Authorization: Bearer {token}"))
    if not short:
        async with watched("--model", "person") as house, camera(house.server, HERE):
            found.append(await tried(house, "without tokens", *options, "--exclude-path", NEEDS_TOKENS))
    return found
