"""Metadata of a model, from its graph and from the files beside it, under the same keys.

Models exported from transformers lie beside a ``config.json`` (classes, kind of model) and a
``preprocessor_config.json`` (normalisation, input size), or in a folder ``onnx`` below them. For a model file without
metadata of its own, ``FILE.metadata.json`` beside it can give them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.core.errors import ModelError

MAX_BYTES = 2_000_000
"""Maximum size of a metadata file; the names of 10,000 classes fit."""


def metadata_of(path: Path, own: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a graph (``own``) merged with that of the files beside it. Raises ModelError for a broken file.

    ``FILE.metadata.json`` overrides the graph's metadata, which overrides the publisher's files.
    """
    folders = [path.parent.parent, path.parent] if path.parent.name == "onnx" else [path.parent]
    told: dict[str, str] = {}
    for folder in folders:
        told |= _kind(read_json(folder / "config.json")) | _input(read_json(folder / "preprocessor_config.json"))
    words = read_json(path.with_suffix(".metadata.json")).items()
    return told | dict(own) | {key: value if isinstance(value, str) else json.dumps(value) for key, value in words}


def _kind(config: dict[str, Any]) -> dict[str, str]:
    told = {"model_type": config["model_type"]} if isinstance(config.get("model_type"), str) else {}
    names = config.get("id2label")
    if isinstance(names, dict) and names and set(map(str, names.values())) != {f"LABEL_{i}" for i in range(len(names))}:
        told["names"] = json.dumps(names)
    return told


def _input(config: dict[str, Any]) -> dict[str, str]:
    told: dict[str, str] = {}
    if "do_rescale" in config or "rescale_factor" in config:
        told["scale"] = str(config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1)
    if config.get("do_normalize") is False:
        told |= {"mean": "[0, 0, 0]", "std": "[1, 1, 1]"}
    elif "image_mean" in config and "image_std" in config:
        told |= {"mean": json.dumps(config["image_mean"]), "std": json.dumps(config["image_std"])}
    size = config.get("size")
    sides = [size.get("height"), size.get("width")] if isinstance(size, dict) else []
    if sides and all(isinstance(side, int) and side % 32 == 0 and 64 <= side <= 2048 for side in sides):
        told["imgsz"] = json.dumps(sides)
    return told


def read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes; expected at most {MAX_BYTES}")
        found = json.loads(path.read_bytes())
    except OSError as e:
        raise ModelError(f"{path}: {e.strerror}") from None
    except (ValueError, RecursionError) as e:
        raise ModelError(f"{path}: expected JSON ({e})") from e
    return found if isinstance(found, dict) else {}
