"""Profiles: named models. A card ``profiles/NAME.json`` says what the weights are and where to get them.

The weights are not in the package: ``sightline.zoo.store`` keeps them. If a file's whole sha256 is unknown, the card
has only the digits that are known.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec

from sightline.core.errors import ConfigError
from sightline.core.types import Task

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER.parent / "weights"
"""Folder of the shipped models: ``NAME.onnx`` with its card ``NAME.json``."""
WEIGHTS_URL = "https://huggingface.co"
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
TENSORS = (".safetensors", ".pth", ".pt", ".bin", ".onnx")
"""Suffixes of files with weights. Only tensors are read from ``.pth``, ``.pt`` and ``.bin``; no code in them is run."""
SAFE = (*TENSORS, ".json")
"""Suffixes of the files that a profile may consist of."""
COMMIT = re.compile(r"[0-9a-f]{40}")


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a profile."""

    name: str
    """Name in the cache, and in the profile's repository on the hub."""
    url: str = ""
    """Address; empty if the file is in the profile's repository on the hub."""
    size: int = 0
    """Exact size in bytes; 0 if unknown."""
    about: int = 0
    """Approximate size in bytes, if the exact one is unknown."""
    sha256: str = ""
    """All 64 digits, or the first ones; empty if only the hub can tell."""
    git_sha1: str = ""
    """Git's hash of a small file on the hub."""

    def __post_init__(self) -> None:
        if not FILE_NAME.fullmatch(self.name) or PurePosixPath(self.name).suffix.lower() not in SAFE:
            raise ValueError(
                f"file name {self.name[:80]!r}: expected a plain name that ends in one of {', '.join(SAFE)}"
            )
        if not re.fullmatch(r"[0-9a-f]{8,64}|", self.sha256) or not re.fullmatch(r"[0-9a-f]{40}|", self.git_sha1):
            raise ValueError(f"file {self.name}: a hash is written in small hexadecimal digits")
        if self.url and len(self.sha256) < 8:
            raise ValueError(f"file {self.name}: a file that is not on the hub needs a sha256")

    @property
    def bytes(self) -> int:
        """Size of the download in bytes, as far as known."""
        return self.size or self.about


class Accuracy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Accuracy as its makers state it."""

    metric: str
    value: float
    on: str
    source: str


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model card with weights to download."""

    name: str
    description: str
    task: Task
    family: str
    """Name of the file in ``sightline/models/`` with its pre- and postprocessing."""
    architecture: str
    """``onnx`` if the weights are a graph; else the class or function that builds the network."""
    files: tuple[File, ...]
    labels: tuple[str, ...]
    input_size: tuple[int, int]
    """Width and height of the input that it was trained with or is used with here."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    licence_url: str
    source: str
    """Address of its makers' page."""
    accuracy: Accuracy
    revision: str = ""
    """Version of the files, a commit on the hub. Empty for the one that is newest at the first download."""
    repository: str = ""
    """Repository on the hub, OWNER/NAME."""
    scale: float = 1 / 255
    """Factor of pixels: a value of the input is (pixel x ``scale`` - ``mean``) / ``std``."""
    order: Literal["rgb", "bgr"] = "rgb"
    fit: Literal["stretch", "letterbox", "centre"] = "stretch"
    restricts_use: str = ""
    """Uses that its licence forbids, in a sentence; empty if it forbids none."""
    config: dict[str, Any] = {}
    """Configuration that the network's builder needs besides the files."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{1,40}", self.name):
            raise ValueError(f"profile name {self.name[:80]!r}: expected small letters, digits and '-'")
        if not re.fullmatch(r"([\w.-]+/[\w.-]+)?", self.repository):
            raise ValueError(f"repository {self.repository[:80]!r}: expected OWNER/NAME")
        if not self.repository and any(not file.url for file in self.files):
            raise ValueError("a file without an address needs a repository")
        if self.repository and self.revision and not COMMIT.fullmatch(self.revision):
            raise ValueError(f"revision {self.revision[:80]!r}: expected a commit, 40 hexadecimal digits")
        if sum(self._has_tensors(file) for file in self.files) != 1:
            raise ValueError("expected exactly one file with weights")

    @property
    def weights(self) -> File:
        """The file with the tensors or the graph."""
        return next(file for file in self.files if self._has_tensors(file))

    @property
    def bytes(self) -> int:
        """Size of the whole download in bytes, as far as known."""
        return sum(file.bytes for file in self.files)

    def address(self, file: File, hub: str = WEIGHTS_URL, revision: str = "") -> str:
        """Address of a file. ``revision`` is used if the card has none."""
        if file.url:
            return file.url
        return f"{hub.rstrip('/')}/{self.repository}/resolve/{self.revision or revision or 'main'}/{file.name}"

    def metadata(self) -> dict[str, str]:
        """Metadata under the keys of docs/models.md, for the family and for exported graphs."""
        axes = {"layout": "chw"} if self.family == "semantic" else {}
        return axes | {
            "family": self.family,
            "names": json.dumps(self.labels),
            "scale": repr(self.scale),
            "mean": json.dumps(self.mean),
            "std": json.dumps(self.std),
            "order": self.order,
            "fit": self.fit,
            "imgsz": json.dumps([self.input_size[1], self.input_size[0]]),
            "license": self.licence,
        }

    @staticmethod
    def _has_tensors(file: File) -> bool:
        return PurePosixPath(file.name).suffix.lower() in TENSORS


@cache
def names() -> tuple[str, ...]:
    """Names of all profiles: those for segmentation, then those for detection, each from small to large."""
    return tuple(sorted(_cards(), key=lambda name: (name.startswith("detect"), load(name).bytes)))


def shipped() -> dict[str, Path]:
    """Graphs of the models whose weights are in the package, by name."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx"))}


@cache
def load(name: str) -> Profile:
    """A profile's card. Raises ConfigError for an unknown name."""
    if name not in _cards():
        raise ConfigError(f"profile {name[:80]!r}: expected one of {', '.join(names())}")
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Profile)


def _cards() -> set[str]:
    return {path.stem for path in FOLDER.glob("*.json")}
