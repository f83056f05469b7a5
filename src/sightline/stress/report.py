"""Report of one run or a sweep, as JSON and for a terminal."""

from __future__ import annotations

import time

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sightline.stress.figures import Figures, LatencySpread
from sightline.stress.run import machine
from sightline.stress.verdict import Goal, Verdict, sweep_verdict, verdict

PAPER = 160
"""Width in columns if standard output is not a terminal."""
BAR = 40
"""Length of the longest bar in characters."""


class Report(Struct, frozen=True):
    """Everything that a run or a sweep found."""

    when: str
    machine: str
    source: str
    sweep: bool
    goal: Goal
    verdict: Verdict
    runs: list[Figures]


def report(runs: list[Figures], goal: Goal, *, source: str, sweep: bool) -> Report:
    """Judge the runs. ``source`` names the pictures, in a form that may be shown."""
    judged = sweep_verdict(runs, goal) if sweep else verdict(runs[0], goal)
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return Report(when, machine(), source, sweep, goal, judged, runs)


def as_json(found: Report) -> str:
    """The report as JSON, for programs."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode()


def show(found: Report) -> None:
    """Print the report on standard output, for people."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PAPER
    if found.sweep:
        _show_sweep(found, console)
    else:
        _show_run(found.runs[0], console)
    console.print()
    for check in found.verdict.checks:
        mark = "[green]ok [/]" if check.ok else "[bold red]bad[/]"
        console.print(f"{mark} [bold]{check.name:<11}[/]{escape(check.words)}", soft_wrap=True)
    color = "green" if found.verdict.ok else "red"
    console.print(f"\n[bold {color}]{escape(found.verdict.words)}[/]", soft_wrap=True)


def reasons(dropped: dict[str, int]) -> str:
    """Dropped frames by reason, in words."""
    return ", ".join(f"{n} {reason}" for reason, n in sorted(dropped.items(), key=lambda d: -d[1])) or "0"


def overview(run: Figures) -> list[tuple[str, str]]:
    """One run as a few lines of name and text."""
    cpu, ram = [s.cpu for s in run.samples], [s.ram_mb for s in run.samples]
    busy = f"CPU {sum(cpu) / len(cpu):.0f} % of a core, at most {max(cpu):.0f} %" if cpu else "not seen"
    held = f"; memory {ram[0]:.0f} MB, at most {max(ram):.0f} MB" if ram else ""
    return [
        ("server", f"{server_of(run)}; {busy}{held}"),
        (
            "offered",
            f"{run.offered:.1f} frames/s over {run.streams_planned} streams ({run.sent} frames of "
            f"{run.picture_bytes / 1000:.0f} KB), {run.late} sent late",
        ),
        (
            "delivered",
            f"{run.throughput:.1f} frames/s ({run.delivered} frames"
            + (f", {run.reused} reused)" if run.reused else ")"),
        ),
        ("dropped", reasons(run.dropped)),
        ("latency", f"{line(run.latency)}; the server's part {line(run.server)}"),
        ("fairness", f"{run.fairness:.4f} (Jain's index of delivered frames)"),
        ("clients", f"publishers and viewers took {run.clients_cpu:.0f} % of a core"),
        *([("viewers", _viewers(run))] if run.viewers else []),
    ]


def server_of(run: Figures) -> str:
    """The server's model, engine and transport."""
    return f"{run.model}{f' with {run.engine}' if run.engine else ''}, over {run.transport}"


def line(ms: LatencySpread) -> str:
    """A spread in words."""
    return f"p50 {ms.p50:.1f}, p95 {ms.p95:.1f}, p99 {ms.p99:.1f}, max {ms.max:.1f} ms"


def _viewers(run: Figures) -> str:
    seen = [viewer.seen for viewer in run.viewers]
    worst = max(viewer.latency.p95 for viewer in run.viewers)
    return f"{len(seen)}, which saw {min(seen)} to {max(seen)} pictures each; p95 from sending to seeing {worst:.1f} ms"


def _show_run(run: Figures, console: Console) -> None:
    for name, words in overview(run):
        console.print(f"[bold]{name:<10}[/]{escape(words)}", soft_wrap=True)
    console.print()
    table = _table("stream", "sent", "late", "delivered", "dropped", "p50", "p95", "p99", "max", "server p95", "gap s")
    for s in run.streams:
        latency = [f"{ms:.1f}" for ms in (s.latency.p50, s.latency.p95, s.latency.p99, s.latency.max, s.server.p95)]
        counts = [str(n) for n in (s.sent, s.late, s.delivered)]
        table.add_row(s.name, *counts, str(sum(s.dropped.values())), *latency, f"{s.longest_gap_s:.2f}")
    console.print(table)


def _show_sweep(found: Report, console: Console) -> None:
    first = found.runs[0]
    console.print(f"[bold]server    [/]{escape(server_of(first))}", soft_wrap=True)
    console.print()
    table = _table(
        "fps each",
        "offered/s",
        "late",
        "delivered/s",
        "no result",
        "p50",
        "p95",
        "p99",
        "fairness",
        "CPU %",
        "clients %",
        "MB",
    )
    for run in found.runs:
        cpu, ram = [s.cpu for s in run.samples] or [0.0], [s.ram_mb for s in run.samples] or [0.0]
        latency = [f"{ms:.1f}" for ms in (run.latency.p50, run.latency.p95, run.latency.p99)]
        table.add_row(
            *(f"{run.fps:g}", f"{run.offered:.0f}", f"{run.late / max(run.sent, 1):.1%}", f"{run.throughput:.1f}"),
            *(
                f"{run.lost_share:.1%}",
                *latency,
                f"{run.fairness:.4f}",
                f"{sum(cpu) / len(cpu):.0f}",
                f"{run.clients_cpu:.0f}",
                f"{max(ram):.0f}",
            ),
        )
    console.print(table)
    console.print()
    _show_curve(found, console)


def _show_curve(found: Report, console: Console) -> None:
    """Print latency as a bar for each load, with a mark at the target."""
    target = found.goal.p95_ms
    most = max(1e-3, target or 0.0, *(run.latency.p95 for run in found.runs))
    for run in found.runs:
        ms = run.latency.p95
        drawn = ("#" * round(BAR * ms / most)).ljust(BAR)
        if target is not None:
            at = min(BAR - 1, round(BAR * target / most))
            drawn = f"{drawn[:at]}|{drawn[at + 1 :]}"
        color = "red" if target is not None and ms > target else "green"
        console.print(f"{run.offered:>7.0f}/s [{color}]{drawn}[/] {ms:.1f} ms", soft_wrap=True)
    console.print("p95 of latency by load" + ("" if target is None else f"; |: the target, {target:g} ms"))


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
