"""The report as one HTML file: no scripts, no external resources, light and dark themes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from sightline.stress.charts import ChartLine, bar_chart, line_chart
from sightline.stress.figures import Figures
from sightline.stress.report import Report, line, overview, reasons, server_of

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --panel: #fff; --text: #16191d; --soft: #59616b; --line: #dfe3e8;
  --good: #17703d; --bad: #b3261e; --c1: #1f62d0; --c2: #17803f; --c3: #c2410c; --c4: #8b3fc4 }
@media (prefers-color-scheme: dark) {
  :root { --page: #101317; --panel: #191d23; --text: #e8ebef; --soft: #9aa4b0; --line: #2e343d;
    --good: #5fd08a; --bad: #ff8a80; --c1: #6ea8ff; --c2: #58c985; --c3: #ff9f5a; --c4: #c792f5 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1240px; padding: 24px; background: var(--page); color: var(--text);
  font: 15px/24px system-ui, sans-serif; font-variant-numeric: tabular-nums }
h1 { font-size: 24px; line-height: 32px; margin: 0 } h2 { font-size: 18px; margin: 32px 0 8px }
p { margin: 8px 0 } .soft, figcaption + p { color: var(--soft) }
section, figure { margin: 0; padding: 16px; background: var(--panel); border: 1px solid var(--line);
  border-radius: 8px }
.verdict { margin: 16px 0; border-left: 4px solid var(--good); font-size: 17px }
.verdict.bad { border-left-color: var(--bad) }
.ok { color: var(--good) } .no { color: var(--bad) } .ok, .no { font-weight: 600 }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 16px }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { padding: 4px 12px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600 } tr:last-child td { border-bottom: 0 }
th:first-child, td:first-child, .words td, .words th { text-align: left } .words td { white-space: normal }
figcaption { font-weight: 600 } figure > svg { display: block; width: 100%; height: auto }
figure ul { display: flex; flex-wrap: wrap; gap: 0 16px; margin: 0; padding: 0; list-style: none; color: var(--soft) }
li svg { margin-right: 6px; vertical-align: middle }
.grid { stroke: var(--line) } .tick, .label { fill: var(--soft); font-size: 12px }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round } line { stroke-width: 2 } .grid { stroke-width: 1 }
.dashed { stroke-dasharray: 5 4 } .target { stroke: var(--bad); stroke-dasharray: 3 3 } .bar { fill: var(--c1) }
""" + "".join(f".c{i} {{ stroke: var(--c{i}) }} circle.c{i} {{ fill: var(--c{i}) }}\n" for i in (1, 2, 3, 4))

PERCENTILES = ("p50", "p95", "p99", "max", "server p95")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(found: Report) -> str:
    """The complete HTML file."""
    what = "Load sweep" if found.sweep else "Stress test"
    kind = "" if found.verdict.ok else " bad"
    first = found.runs[0]
    told = f"{found.when} · {found.machine} · pictures: {found.source} · {first.streams_planned} streams"
    body = _sweep(found) if found.sweep else _run(found, first)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sightline: {what.lower()}</title><style>{STYLE}</style></head><body>"
        f'<h1>{what}</h1><p class="soft">{escape(told)}</p>'
        f'<section class="verdict{kind}">{escape(found.verdict.words)}</section>'
        f"{body}<h2>What was checked</h2>{_checks(found)}</body></html>\n"
    )


def _run(found: Report, run: Figures) -> str:
    seconds = [s for s in run.seconds if s.s < run.duration_s]
    charts = [
        line_chart(
            "Frames a second",
            [
                ChartLine("sent", [(s.s, s.sent) for s in seconds], 1, dashed=True),
                ChartLine("delivered", [(s.s, s.delivered) for s in seconds], 2),
                ChartLine("dropped", [(s.s, s.dropped) for s in seconds], 3),
            ],
            x="seconds",
            y="frames/s",
        ),
        line_chart(
            "Latency from sending to the result",
            [
                ChartLine("p50", [(s.s, s.latency.p50) for s in seconds if s.delivered], 1),
                ChartLine("p95", [(s.s, s.latency.p95) for s in seconds if s.delivered], 3),
            ],
            x="seconds",
            y="ms",
            target=found.goal.p95_ms,
        ),
        line_chart(
            "The server's CPU", [ChartLine("CPU", [(s.s, s.cpu) for s in run.samples], 4)], x="seconds", y="% of a core"
        ),
        line_chart(
            "The server's memory",
            [ChartLine("resident", [(s.s, s.ram_mb) for s in run.samples], 4)],
            x="seconds",
            y="MB",
        ),
        bar_chart("Delivered frames of each stream", [(s.name, s.delivered) for s in run.streams], y="frames"),
        bar_chart("p95 latency of each stream", [(s.name, s.latency.p95) for s in run.streams], y="ms"),
    ]
    head: tuple[str, ...] = ("stream", "planned", "sent", "late", "delivered", "reused", "dropped")
    head += (*PERCENTILES, "longest gap s")
    rows = [
        (
            *(s.name, s.planned, s.sent, s.late, s.delivered, s.reused, reasons(s.dropped)),
            *(f"{ms:.1f}" for ms in (s.latency.p50, s.latency.p95, s.latency.p99, s.latency.max, s.server.p95)),
            f"{s.longest_gap_s:.2f}",
        )
        for s in run.streams
    ]
    viewers = ""
    if run.viewers:
        seen = [(v.stream, v.seen, v.skipped, line(v.latency)) for v in run.viewers]
        viewers = "<h2>Viewers</h2>" + _table(("looks at", "pictures", "skipped", "from sending to seeing"), seen)
    summary = _table((), overview(run), kind="words")
    return (
        f'{summary}<h2>Over time</h2><div class="charts">{"".join(charts)}</div>'
        f"<h2>Streams</h2>{_table(head, rows)}{viewers}"
    )


def _sweep(found: Report) -> str:
    runs = found.runs
    charts = [
        line_chart(
            "Throughput",
            [
                ChartLine("offered", [(r.offered, r.offered) for r in runs], 1, dashed=True),
                ChartLine("delivered", [(r.offered, r.throughput) for r in runs], 2),
            ],
            x="offered frames/s",
            y="frames/s",
        ),
        line_chart(
            "Latency from sending to the result",
            [
                ChartLine("p50", [(r.offered, r.latency.p50) for r in runs], 1),
                ChartLine("p95", [(r.offered, r.latency.p95) for r in runs], 3),
                ChartLine("p99", [(r.offered, r.latency.p99) for r in runs], 4, dashed=True),
            ],
            x="offered frames/s",
            y="ms",
            target=found.goal.p95_ms,
        ),
        line_chart(
            "Frames without a result",
            [ChartLine("no result", [(r.offered, round(100 * r.lost_share, 2)) for r in runs], 3)],
            x="offered frames/s",
            y="%",
            target=None if found.goal.lost is None else 100 * found.goal.lost,
        ),
        line_chart(
            "CPU",
            [
                ChartLine("server", [(r.offered, _mean(s.cpu for s in r.samples)) for r in runs], 4),
                ChartLine("publishers and viewers", [(r.offered, r.clients_cpu) for r in runs], 1, dashed=True),
            ],
            x="offered frames/s",
            y="% of a core",
        ),
    ]
    head = ("fps each", "offered/s", "late", "delivered/s", "dropped", *PERCENTILES, "fairness", "memory MB")
    rows = [
        (
            *(f"{r.fps:g}", f"{r.offered:.1f}", r.late, f"{r.throughput:.1f}", reasons(r.dropped)),
            *(f"{ms:.1f}" for ms in (r.latency.p50, r.latency.p95, r.latency.p99, r.latency.max, r.server.p95)),
            *(f"{r.fairness:.4f}", f"{max((s.ram_mb for s in r.samples), default=0):.0f}"),
        )
        for r in runs
    ]
    about = f"{server_of(runs[0])}, {runs[0].duration_s:g} s at each load"
    drawn = f'<div class="charts">{"".join(charts)}</div>'
    return f'<p class="soft">{escape(about)}</p>{drawn}<h2>Loads</h2>{_table(head, rows)}'


def _checks(found: Report) -> str:
    rows = "".join(
        f'<tr><td class="{"ok" if c.ok else "no"}">{"ok" if c.ok else "bad"}</td>'
        f"<td>{escape(c.name)}</td><td>{escape(c.words)}</td></tr>"
        for c in found.verdict.checks
    )
    return f'<section class="scroll"><table class="words"><tbody>{rows}</tbody></table></section>'


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], kind: str = "") -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    cells = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    table = f'<table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{cells}</tbody></table>'
    return f'<section class="scroll">{table}</section>'


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return round(sum(found) / max(1, len(found)), 1)
