"""Comparison of engines for ``sightline bench engines``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

from sightline.core.errors import ConfigError, SightlineError
from sightline.core.registry import load, names
from sightline.engines.base import cores, unavailable
from sightline.models.base import GraphModel
from sightline.zoo.loader import load_model
from sightline.zoo.options import LoadOptions

TOGETHER_S = 1.0
"""Seconds for which several instances run at once."""


class Case(msgspec.Struct, frozen=True):
    """An engine and the precision it computes in."""

    engine: str
    precision: str = ""


class Unavailable(Case, frozen=True):
    """A case that does not work here, and why."""

    why: str = ""


class Auto(Case, frozen=True):
    """The case that is chosen if nobody names an engine, and why."""

    reason: str = ""


class Row(Case, frozen=True, kw_only=True):
    """Measurements of a case."""

    load_s: float
    least_ms: float
    median_ms: float
    p95_ms: float
    cpu_ms: float
    """Least CPU time of all threads; the most reliable figure if other programs are busy."""
    fps_together: float
    """Frames per second of all instances together, each with one thread."""


class Comparison(msgspec.Struct, frozen=True):
    """Results of the comparison, the fastest row first."""

    model: str
    device: str
    threads: int
    instances: int
    rows: list[Row]
    unavailable: list[Unavailable]
    auto: Auto | None


def compare(
    spec: str,
    options: LoadOptions,
    *,
    instances: int | None,
    rounds: int,
    progress: Callable[[Case, str], None],
) -> Comparison:
    """Every engine and precision that works on the options' device. Raises ConfigError."""
    device, threads, instances = options.device, options.threads or cores(), instances or cores()
    models: dict[Case, tuple[GraphModel, float]] = {}
    lacking: list[Unavailable] = []
    for case in _cases(device):
        if isinstance(case, Unavailable):
            lacking.append(case)
            continue
        progress(case, "loading")
        started = time.perf_counter()
        try:
            model = _load(spec, case, threads, options)
        except SightlineError as e:
            lacking.append(Unavailable(case.engine, case.precision, e.message.splitlines()[0]))
            continue
        models[case] = (model, time.perf_counter() - started)
    if not models:
        raise ConfigError("; ".join(dict.fromkeys(case.why for case in lacking)))
    try:
        times = _in_turns({case: model for case, (model, _) in models.items()}, rounds, progress)
        rows = []
        for case, (_, load_s) in models.items():
            progress(case, f"{instances} at once")
            together = _together(lambda case=case: _load(spec, case, 1, options), instances)  # type: ignore[misc]
            rows.append(_row(case, load_s, times[case], together))
        name = next(iter(models.values()))[0].card.name
    finally:
        for model, _ in models.values():
            model.close()
    rows.sort(key=lambda row: row.least_ms)
    return Comparison(name, device, threads, instances, rows, lacking, _auto(spec, threads, options))


def _cases(device: str) -> Iterator[Case]:
    for engine in names("engines"):
        missing = unavailable(engine, device)
        if missing is not None:
            yield Unavailable(engine, why=missing)
            continue
        yield from (Case(engine, precision) for precision in load("engines", engine).precisions(device))


def _load(spec: str, case: Case, threads: int, options: LoadOptions) -> GraphModel:
    model = load_model(spec, options, engine=case.engine, precision=case.precision, threads=threads)
    if not isinstance(model, GraphModel):
        model.close()
        raise ConfigError(f"model {spec!r} has no graph that an engine could run")
    return model


def _in_turns(
    models: dict[Case, GraphModel], rounds: int, progress: Callable[[Case, str], None]
) -> dict[Case, list[tuple[float, float]]]:
    """Wall time and CPU time of each case's inferences in milliseconds. Each round runs every case once."""
    times: dict[Case, list[tuple[float, float]]] = {case: [] for case in models}
    for number in range(-2, rounds):
        for case, model in models.items():
            progress(case, f"run {max(0, number) + 1} of {rounds}")
            took = _infer(model)
            if number >= 0:  # the first runs are slower
                times[case].append(took)
    return times


def _infer(model: GraphModel) -> tuple[float, float]:
    feeds = model.graph.feeds(model.tensor[:1])
    started, used = time.perf_counter(), time.process_time()
    model.engine.run(feeds)
    return (time.perf_counter() - started) * 1000, (time.process_time() - used) * 1000


def _together(opened: Callable[[], GraphModel], instances: int) -> float:
    """Frames per second of several instances, each with a thread of its own."""
    models: list[GraphModel] = []
    try:
        models.extend(opened() for _ in range(instances))
        end = time.perf_counter() + TOGETHER_S

        def work(model: GraphModel) -> int:
            done = 0
            while time.perf_counter() < end:
                _infer(model)
                done += 1
            return done

        with ThreadPoolExecutor(instances) as pool:
            return sum(pool.map(work, models)) / TOGETHER_S
    finally:
        for model in models:
            model.close()


def _row(case: Case, load_s: float, times: list[tuple[float, float]], together: float) -> Row:
    took = [ms for ms, _ in times]
    return Row(
        case.engine,
        case.precision,
        load_s=round(load_s, 2),
        least_ms=round(min(took), 2),
        median_ms=round(statistics.median(took), 2),
        p95_ms=round(float(np.percentile(took, 95)), 2),
        cpu_ms=round(min(cpu for _, cpu in times), 2),
        fps_together=round(together, 1),
    )


def _auto(spec: str, threads: int, options: LoadOptions) -> Auto | None:
    try:
        model = _load(spec, Case("auto", "auto"), threads, options)
    except SightlineError:
        return None
    chosen = Auto(model.engine.name, model.engine.precision, model.engine_reason)
    model.close()
    return chosen
