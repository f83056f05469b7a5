"""Training loop shared by both tasks: a long cosine schedule, a moving average of the weights, checkpoints.

A run lives in one folder. Ctrl-C finishes the step, saves and returns; the same command with ``--resume`` continues.
"""

from __future__ import annotations

import copy
import json
import math
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.core.errors import ConfigError
from sightline.train.team import Team
from sightline.train.weights import Weights, borrow, calibrate, load_checkpoint

Batch = dict[str, NDArray[Any]]
EPOCHS = 100
LEAST_STEPS = 200
"""Steps of a run whose epochs nobody named; for a dozen photos a hundred epochs are too few."""
WARM_UP = 300
"""Steps in which the learning rate of a long run rises."""
CALIBRATION = 4
"""Batches of 32 pictures that give the weights of an exported file their normalisation back."""


class Task(Protocol):
    """Interface between the loop and a task (detection or segmentation)."""

    kind: str
    classes: tuple[str, ...]

    def network(self) -> nn.Module: ...
    def batch(self, size: int, rng: np.random.Generator, progress: float) -> Batch: ...
    def loss(self, net: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]: ...
    def validate(self, net: nn.Module) -> dict[str, float]: ...


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Training options. The schedule ends after ``epochs`` or ``minutes``, whichever comes first."""

    epochs: float | None = None
    """How often each photo is seen. None leaves it to ``minutes``; without those it is ``EPOCHS`` times, or more often
    so that it makes ``LEAST_STEPS``."""
    minutes: float | None = None
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    device: str = "auto"
    checks: int = 12
    """Number of validation checks in a run."""
    seed: int = 0
    processes: int = 1
    """Processes that train together, for CPUs with several cores; they share ``batch_size``."""


@dataclass
class TrainRun:
    """A training run and everything needed to continue it."""

    folder: Path
    net: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def save(self, about: dict[str, Any]) -> None:
        """Write the checkpoint; a crash while writing keeps the older one."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            **about,
        }
        torch.save(state, self.folder / "checkpoint.part")
        (self.folder / "checkpoint.part").replace(self.folder / "checkpoint.pt")
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1), "utf-8")

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint. Raises ConfigError for one of another network."""
        try:
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            path = self.folder / "checkpoint.pt"
            raise ConfigError(
                f"--resume: {path} holds another network, of another version; begin a new run with --start-from {path}"
            ) from error
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]


def pick_device(wanted: str) -> torch.device:
    """Resolve ``cpu``, ``cuda`` or ``auto`` (cuda if available). Raises ConfigError."""
    there = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if there else "cpu")
    if wanted not in ("cpu", "cuda"):
        raise ConfigError(f"device {wanted!r}: expected cpu, cuda or auto")
    if wanted == "cuda" and not there:
        raise ConfigError("device 'cuda': this torch sees no CUDA device; use --device cpu or auto")
    return torch.device(wanted)


def _optimizer(net: nn.Module, options: TrainOptions) -> torch.optim.Optimizer:
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)


def _batches(
    task: Task, options: TrainOptions, run: TrainRun, team: Team, progress: Callable[[], float]
) -> Iterator[Batch]:
    """Batches made by one thread ahead of the network (OpenCV releases the GIL meanwhile)."""
    ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=3)
    stop = threading.Event()

    def put(item: Batch | BaseException) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def make() -> None:
        rng = np.random.default_rng((options.seed, run.step, team.rank))
        size = max(1, options.batch_size // team.size)
        try:
            while not stop.is_set():
                put(task.batch(size, rng, progress()))
        except BaseException as error:  # noqa: BLE001 - passed to the loop, which raises it
            put(error)

    thread = threading.Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C sets, in place of an exception in the middle of a step."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _average(average: nn.Module, net: nn.Module, step: int) -> None:
    """Move the averaged weights towards the trained ones: a little, and further in the first steps."""
    keep = min(0.999, (1 + step) / (20 + step))
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - keep)
            else:
                mine.copy_(theirs)


def steps(options: TrainOptions, photos: int) -> float:
    """Number of steps of a run, unless its minutes end it earlier."""
    if options.epochs is None:
        if options.minutes is not None:
            return math.inf
        return max(LEAST_STEPS, round(EPOCHS * photos / options.batch_size))
    return max(1, round(options.epochs * photos / options.batch_size))


def share(done: float, step: int) -> float:
    """Share of the learning rate at this progress (0 to 1): a cosine down to 2 %.

    It rises in the first ``WARM_UP`` steps, or in the first tenth of a run that its steps or its minutes end early.
    """
    return (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2) * min(1.0, max((step + 1) / WARM_UP, done * 10))


def train(
    task: Task,
    folder: Path,
    options: TrainOptions,
    *,
    photos: int,
    resume: bool = False,
    start: Weights | None = None,
    team: Team = Team(),  # noqa: B008 - frozen
) -> tuple[nn.Module, list[dict[str, float]], bool]:
    """Train. Returns the averaged network, the history of losses and checks, and whether the schedule completed.

    ``photos`` is the number of photos in an epoch. Raises ConfigError for a missing checkpoint or device.
    """
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    device = pick_device(options.device)
    run = _begun(task, folder, options, device, resume=resume, start=start)
    team.copy(list(run.net.state_dict().values()))
    folder.mkdir(parents=True, exist_ok=True)
    about = {"kind": task.kind, "classes": list(task.classes), "options": asdict(options)}
    total = steps(options, photos)
    started = time.monotonic() - run.seconds
    saved = time.monotonic()
    means = _Means()
    next_check = (int(run.history[-1]["progress"] * options.checks) + 1 if run.history else 1) / options.checks

    def progress() -> float:
        spent = (time.monotonic() - started) / (options.minutes * 60) if options.minutes else 0.0
        return min(1.0, max(run.step / total, spent))

    batches = _batches(task, options, run, team, progress)
    with _interruptible() as asked:
        while True:
            done, stop = team.decide(progress(), asked.is_set())
            if done >= 1 or stop:
                break
            rate = options.learning_rate * share(done, run.step)
            for group in run.optimizer.param_groups:
                group["lr"] = rate
            means.add(_step(task, run, next(batches), device, team))
            run.seconds = time.monotonic() - started
            if not team.leads:
                continue
            if run.step % 10 == 0:
                show(task.kind, done, run, options, means.values())
            if done >= next_check or time.monotonic() - saved > 60:
                if done >= next_check:
                    next_check = (int(done * options.checks) + 1) / options.checks
                    run.history.append(_check(task, run, options, done, rate, means))
                run.save(about)
                saved = time.monotonic()
    batches.close()  # type: ignore[attr-defined]
    if team.leads:
        if done >= 1 and not (run.history and run.history[-1]["step"] == run.step):
            run.history.append(_check(task, run, options, done, 0.0, means))
        run.save(about)
    return run.average.eval(), run.history, done >= 1


def _begun(
    task: Task, folder: Path, options: TrainOptions, device: torch.device, *, resume: bool, start: Weights | None
) -> TrainRun:
    """A run at its first step, or at that of its checkpoint."""
    net = task.network().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start is not None and not resume:
        _borrow(net, start, task, device, options.seed)
    run = TrainRun(folder, net, copy.deepcopy(net).requires_grad_(False), _optimizer(net, options))
    if resume:
        run.restore(load_checkpoint(folder / "checkpoint.pt"))
    return run


def _borrow(net: nn.Module, start: Weights, task: Task, device: torch.device, seed: int) -> None:
    """Begin with others' weights, and say how much of them."""
    borrowed = borrow(net, start, task.classes)
    sys.stderr.write(f"begins with {start.source}: {borrowed}\n")
    rng = np.random.default_rng(seed)
    batches = (torch.from_numpy(task.batch(32, rng, 0.0)["pixels"]) for _ in range(CALIBRATION))
    calibrate(borrowed.norms, net, (pixels.to(device).permute(0, 3, 1, 2) for pixels in batches))


class _Means:
    """Running means of the loss parts."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, parts: dict[str, float]) -> None:
        for name, part in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + part
        self._count += 1

    def values(self) -> dict[str, float]:
        return {name: value / self._count for name, value in self._sums.items()}

    def clear(self) -> None:
        self._sums, self._count = {}, 0


def _step(task: Task, run: TrainRun, arrays: Batch, device: torch.device, team: Team) -> dict[str, float]:
    """Train on one batch. Returns the loss parts."""
    batch = {k: torch.from_numpy(v).to(device) for k, v in arrays.items()}
    run.net.train()
    with torch.autocast(device.type, torch.bfloat16):
        parts = task.loss(run.net, batch)
    loss = torch.stack(list(parts.values())).sum()
    if not torch.isfinite(loss):
        raise ConfigError(f"the loss is {loss.item()} at step {run.step}: lower --learning-rate")
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    team.agree(run.net)
    nn.utils.clip_grad_norm_(run.net.parameters(), 10.0)
    run.optimizer.step()
    run.step += 1
    if team.leads:
        _average(run.average, run.net, run.step)
    return {name: part.item() for name, part in parts.items()}


def _check(
    task: Task, run: TrainRun, options: TrainOptions, done: float, rate: float, means: _Means
) -> dict[str, float]:
    """A history row: progress, mean losses since the last row, and figures of the validation split."""
    row = {"progress": done, "step": run.step, "pictures": run.step * options.batch_size}
    row |= {"minutes": run.seconds / 60, "learning rate": rate}
    row |= {f"loss {name}": value for name, value in means.values().items()}
    row |= task.validate(run.average.eval())
    means.clear()
    sys.stderr.write("\n" + "  ".join(f"{k} {v:.4g}" for k, v in row.items()) + "\n")
    return row


def show(kind: str, done: float, run: TrainRun, options: TrainOptions, losses: dict[str, float]) -> None:
    """Show a progress line on stderr: bar, losses, speed and time left."""
    left = run.seconds * (1 - done) / max(done, 1e-6)
    bar = "#" * int(done * 24)
    pace = run.step * options.batch_size / max(run.seconds, 1e-6)
    text = "  ".join(f"{k} {v:.3f}" for k, v in losses.items())
    sys.stderr.write(f"\r{kind} [{bar:<24}] {done:4.0%}  {text}  {pace:.0f} pictures/s  {left / 60:.1f} min left  ")
    sys.stderr.flush()
