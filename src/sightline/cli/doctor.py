"""``sightline doctor``: report what is installed, what works, what is wrong and how to fix it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.text import Text

from sightline.cli.doctor_checks import examine
from sightline.cli.tables import print_table

COLOURS = {"ok": "green", "note": "yellow", "problem": "bold red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Check this installation and say how to fix it. Ends with status 1 if `sightline serve` can't work."""
    findings = list(examine())
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        rows = [(Text(f.state, COLOURS[f.state]), f.what, f.detail) for f in findings]
        print_table(("", "what", "found"), rows)
        for finding in findings:
            if finding.mend:
                typer.echo(f"\n{finding.state}, {finding.what}: to fix it\n  {finding.mend}")
        problems = sum(finding.state == "problem" for finding in findings)
        stopping = sum(finding.stops_serve for finding in findings)
        typer.echo(
            f"\nProblems: {problems}, of which {stopping} stop `sightline serve`." if problems else "\nAll is well."
        )
    if any(finding.stops_serve for finding in findings):
        raise typer.Exit(1)
