"""A complete training run, from a data folder to an ONNX file with its report, as ``sightline train`` runs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from sightline.core.errors import ConfigError
from sightline.core.types import Image
from sightline.core.version import __version__
from sightline.train import augment, detect, pictures, segment
from sightline.train.cache import Photos
from sightline.train.confidence import correct, correction, right
from sightline.train.export import export
from sightline.train.loop import TrainOptions, pick_device, train
from sightline.train.nets import DetectorNet
from sightline.train.records import Task, read
from sightline.train.teacher import guided, teach
from sightline.train.team import Team, gathered
from sightline.train.weights import Weights, find, load_checkpoint

SAMPLES = 12
TYPICAL = 100
"""Number of photos that say which values the network's maps take."""
RATE, BORROWED_RATE = 2e-3, 5e-4
"""Learning rates of a run from scratch, and of one that begins with others' weights."""
FIGURES = ("mAP", "AP50", "IoU")
FEW = 20
"""Photos kept aside below which scores are called rough."""


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """A training run: the task, its data, its options and its folder."""

    task: Task
    data: Path
    out: Path
    options: TrainOptions
    teacher: str | None = None
    """Detector whose boxes stand in for the classes that the photos are not annotated for."""
    start_from: str = "auto"
    """Weights that are the starting point, see ``weights.find``; a run that is resumed has its own."""
    resume: bool = False
    learning_rate: float | None = None
    """Takes the place of that of ``options``; None is the usual one for a run of this beginning."""


def run(plan: TrainPlan, say: Callable[[str], None]) -> Path | None:
    """Train and export. Returns the ONNX file, or None if Ctrl-C came first. Raises ConfigError."""
    if plan.teacher is not None and plan.task == "segment":
        raise ConfigError("--teacher: a segmenter learns from masks alone; leave it out")
    if plan.options.processes > 1 and pick_device(plan.options.device).type != "cpu":
        raise ConfigError(f"--processes {plan.options.processes}: expected 1 on a GPU")
    start = None if plan.resume else find(plan.start_from, plan.task)
    plan = replace(plan, options=replace(plan.options, learning_rate=_rate(plan, start)))
    task = prepare(plan, say)
    with gathered(plan.options.processes, _help, plan) as team:
        net, history, finished = _learn(team, plan, task, start)
    if not finished:
        return None
    if isinstance(task, detect.DetectTask):
        _mean_it(task, net)
    path = plan.out / f"{plan.out.resolve().name}.onnx"
    figures = {k: round(v, 4) for k, v in history[-1].items() if k.startswith(FIGURES)}
    about = {"source": f"trained with Sightline {__version__}", "figures": json.dumps(figures)}
    export(net, plan.task, task.classes, task.size, path, about, _typical(task))
    report(plan, task, net, history, figures, path)
    return path


def prepare(plan: TrainPlan, say: Callable[[str], None]) -> detect.DetectTask | segment.SegmentTask:
    """Read and decode the data and run the teacher, skipping what is already done."""
    data = read(plan.data, plan.task)
    learn, keep = data.part(validation=False), data.part(validation=True)
    if not learn.records or not keep.records:
        raise ConfigError(
            f"{len(learn.records)} photos to learn from and {len(keep.records)} kept aside for validation: expected at "
            "least one of each, so two with something to find"
        )
    if plan.resume:
        _same_classes(plan.out / "checkpoint.pt", data.classes)
    few = " (few: the scores are rough)" if len(keep.records) < FEW else ""
    say(f"{len(learn.records)} photos to learn from, {len(keep.records)} kept aside{few}, {len(data.classes)} classes")
    cache = plan.out / "cache"
    photos, kept = Photos(learn, cache), Photos(keep, cache)
    if plan.task == "segment":
        return segment.SegmentTask(photos, kept)
    if plan.teacher is None:
        return detect.DetectTask(photos, kept)
    return detect.DetectTask(photos, kept, teach(photos, plan.teacher, cache), guided(plan.teacher, data.classes))


def _rate(plan: TrainPlan, start: Weights | None) -> float:
    """The learning rate at the start. A run that is resumed has the one that it began with."""
    if plan.learning_rate is not None:
        return plan.learning_rate
    if plan.resume:
        return float(load_checkpoint(plan.out / "checkpoint.pt")["options"]["learning_rate"])
    return RATE if start is None else BORROWED_RATE


def _mean_it(task: detect.DetectTask, net: nn.Module) -> None:
    """Correct a detector's confidences by what it finds in the photos kept aside."""
    assert isinstance(net, DetectorNet)
    photos = task.validation
    correct(net, *correction(*right(photos.data, photos.boxes, detect.predict(net, photos))))


def _typical(task: detect.DetectTask | segment.SegmentTask) -> Iterator[Image]:
    """Photos from all over the data set, as the finished network gets them."""
    photos = task.train
    for i in np.linspace(0, len(photos) - 1, min(TYPICAL, len(photos))).astype(int).tolist():
        image = photos.image(i)
        yield detect.boxed(image, augment.letterbox(image.shape, task.size, task.size), task.size)


def _learn(
    team: Team, plan: TrainPlan, task: detect.DetectTask | segment.SegmentTask, start: Weights | None
) -> tuple[nn.Module, list[dict[str, float]], bool]:
    photos = len(task.train)
    return train(task, plan.out, plan.options, photos=photos, resume=plan.resume, start=start, team=team)


def _help(team: Team, plan: TrainPlan) -> None:
    """Train in another process of the team, on the data that member 0 prepared and from the weights that it has."""
    _learn(team, plan, prepare(plan, lambda _: None), None)


def _same_classes(checkpoint: Path, classes: tuple[str, ...]) -> None:
    before = load_checkpoint(checkpoint)["classes"]
    if list(classes) != before:
        raise ConfigError(f"--resume: the run learnt {before[:5]} ..., the data set has {list(classes[:5])} ...")


def report(
    plan: TrainPlan,
    task: detect.DetectTask | segment.SegmentTask,
    net: nn.Module,
    history: list[dict[str, float]],
    figures: dict[str, float],
    path: Path,
) -> None:
    """Write ``report.md`` with ``losses.png``, ``scores.png`` and ``samples.jpg`` into the run's folder."""
    x = [h["pictures"] / 1000 for h in history]
    losses = [k for k in history[-1] if k.startswith("loss")] if history else []
    for name, keys in (("losses", losses), ("scores", list(figures))):
        lines = {k: [h.get(k, 0.0) for h in history] for k in keys}
        cv2.imwrite(str(plan.out / f"{name}.png"), pictures.curves(name, x, lines, "thousand pictures"))
    cv2.imwrite(str(plan.out / "samples.jpg"), samples(task, net))
    seen = history[-1] if history else {"pictures": 0.0, "minutes": 0.0}
    lines_out = [
        f"# {path.stem}: a {'detector' if plan.task == 'detect' else 'segmenter'}, classes: {len(task.classes)}",
        "",
        f"{seen['pictures']:,.0f} pictures in {seen['minutes']:.1f} minutes from {len(task.train):,} photos; judged on "
        f"{len(task.validation):,} photos kept aside. {path.stat().st_size / 1e6:.2f} MB.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value:.3f} |" for name, value in figures.items()),
        "",
        "![losses](losses.png) ![scores](scores.png)",
        "",
        "What is found in photos kept aside (green: the truth, red: found):",
        "",
        "![samples](samples.jpg)",
        "",
        "Settings: " + ", ".join(f"{name} {v}" for name, v in asdict(plan.options).items() if v is not None) + ".",
    ]
    (plan.out / "report.md").write_text("\n".join(lines_out) + "\n", "utf-8")


def samples(task: detect.DetectTask | segment.SegmentTask, net: nn.Module) -> Image:
    """A sheet of held-out photos, evenly spaced, with the truth and the network's findings."""
    photos = task.validation
    chosen = np.linspace(0, len(photos) - 1, min(SAMPLES, len(photos))).astype(int).tolist()
    if isinstance(task, detect.DetectTask):
        found = detect.predict(net, photos)
        drawn = [
            pictures.boxes_drawn(photos.image(i), photos.boxes[i], found[i][found[i][:, 5] > 0.3], task.classes)
            for i in chosen
        ]
    else:
        device = next(net.parameters()).device
        drawn = [
            pictures.mask_drawn(photos.image(i), photos.mask(i), segment.predict(net, photos.image(i), device))
            for i in chosen
        ]
    return pictures.sheet(drawn)
