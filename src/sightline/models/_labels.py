"""Class names from the file's metadata, from a text file beside it, or from a known data set."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.core.errors import ModelError

MAX_TEXT = 200_000
"""Maximum number of characters in a list of names; 10,000 classes fit."""
MAX_NAME = 200
"""Maximum number of characters in a name, which goes with every result and is drawn beside every object."""

_COCO = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot,
hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote,
keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush"""
COCO = tuple(name.strip() for name in _COCO.split(","))
"""The 80 classes of COCO, in the order that all detectors trained on it use."""


def labels_for(
    path: Path, metadata: Mapping[str, str], classes: int, known: tuple[tuple[str, ...], ...] = (COCO,)
) -> tuple[str, ...]:
    """One name per class. If the file tells none, the names of the set in ``known`` with as many classes, or numbers.

    Raises ModelError if a list of names is broken or has another length.
    """
    names, where = told_labels(path, metadata)
    if names:
        return _checked(names, classes, where)
    return next((names for names in known if len(names) == classes), tuple(f"class {i}" for i in range(classes)))


def settled(path: Path, metadata: Mapping[str, str], classes: int) -> bool:
    """Whether something says that numbers are classes: names, or that they are as many as the classes of COCO.

    Without that, they may be an angle or keypoints. Names of another count are for ``labels_for`` to refuse.
    """
    return bool(told_labels(path, metadata)[0]) or classes == len(COCO)


def told_labels(path: Path, metadata: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """The names from the metadata or a text file beside the graph, and where they were found; () if there are none."""
    if "names" in metadata:
        return parse_names(metadata["names"], path), _own(path)
    for beside in (path.with_suffix(".labels.txt"), path.with_name("labels.txt")):
        if beside.is_file():
            return _lines(beside), str(beside)
    return (), ""


def parse_names(text: str, path: Path) -> tuple[str, ...]:
    """Parse names written as ``{0: 'person', 1: ...}`` or ``['person', ...]``, in JSON or Python syntax.

    Raises ModelError for anything else; ``path`` is for its message.
    """
    where = _own(path)
    if len(text) > MAX_TEXT:
        raise ModelError(f"{where} has {len(text)} characters; expected at most {MAX_TEXT}")
    names = _literal(text)
    if isinstance(names, dict):
        try:
            by_id = {int(key): str(name) for key, name in names.items()}
        except (TypeError, ValueError):
            by_id = {}
        if by_id and sorted(by_id) == list(range(len(by_id))):
            return _short(tuple(by_id[i] for i in range(len(by_id))), where)
    if isinstance(names, list | tuple) and names:
        return _short(tuple(map(str, names)), where)
    raise ModelError(f"{where} is {text[:60]!r}; expected {{0: 'first', 1: 'second'}} or a list")


def _own(path: Path) -> str:
    return f"{path}: its metadata 'names'"


def _short(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    for i, name in enumerate(names):
        if len(name) > MAX_NAME:
            raise ModelError(
                f"{where} calls class {i} {name[:60]!r}..., {len(name)} characters; expected at most {MAX_NAME} a name"
            )
    return names


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text("utf-8-sig") if path.stat().st_size <= MAX_TEXT else None
    except UnicodeDecodeError as e:
        raise ModelError(f"{path}: expected UTF-8 text, one name a line ({e.reason} at byte {e.start})") from e
    except OSError as e:
        raise ModelError(f"{path}: {e.strerror}") from None
    if text is None:
        raise ModelError(f"{path} has {path.stat().st_size} bytes; expected one name a line, at most {MAX_TEXT} bytes")
    return _short(tuple(line.strip() for line in text.rstrip().splitlines()), str(path))


def _checked(names: tuple[str, ...], classes: int, where: str) -> tuple[str, ...]:
    if len(names) != classes:
        raise ModelError(f"{where} has {len(names)} names, but the graph has {classes} classes")
    return names
