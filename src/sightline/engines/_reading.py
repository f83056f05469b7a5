"""Reading of weights and their metadata, as tensors and as JSON. No code in these files is run."""

from __future__ import annotations

import json
import math
import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sightline.core.errors import ConfigError, ModelError
from sightline.core.install import install_command
from sightline.engines.base import reason

INSTALL = f"run: {install_command('torch')}"
BROKEN = (
    *(RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError, AssertionError),
    *(MemoryError, OverflowError, struct.error),
)
"""Exceptions that reading a damaged file raises, besides the libraries' own."""
LARGEST_CONFIG = 4_000_000
"""Maximum size of a config.json in bytes; those with the names of some hundred classes have up to 100,000."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} if there is no such file. Raises ModelError for a broken one."""
    if not path.is_file():
        return {}
    if path.stat().st_size > LARGEST_CONFIG:
        raise ModelError(f"{path} has {path.stat().st_size} bytes; expected at most {LARGEST_CONFIG}")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as e:
        raise ModelError(f"{path}: expected JSON ({e})") from e
    return found if isinstance(found, dict) else {}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors by name. No code in the file is run: a pickle that needs more than tensors is refused.

    Raises ModelError, or ConfigError if safetensors is needed and not installed.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return load_file(path)
            except SafetensorError as e:
                raise ModelError(f"{path}: expected a safetensors file ({reason(e)})") from e
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old formats cause warnings; unreadable ones raise anyway
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        raise ModelError(f"{path}: expected PyTorch's tensors and nothing else ({reason(e)})") from e
    except ImportError as e:
        raise ConfigError(f"{path.name} needs safetensors, which is not installed; {INSTALL}") from e
    except BROKEN as e:
        raise ModelError(f"{path}: expected a file of PyTorch's tensors ({reason(e)})") from e
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"{path}: expected tensors by name, as torch.save writes a state_dict")
    return found


def numbers(path: Path, words: Mapping[str, str], key: str, usual: list[float]) -> list[float]:
    """Parse the numbers under ``key``, as many as in ``usual``, which is the default. Raises ModelError if it can't."""
    if key not in words:
        return usual
    try:
        read = json.loads(words[key])
        found = [float(number) for number in (read if isinstance(read, list) else [read])]
    except (ValueError, TypeError, RecursionError):
        found = []
    if len(found) != len(usual) or not all(map(math.isfinite, found)) or (key == "std" and 0 in found):
        raise ModelError(f"{path}: its {key!r} is {words[key][:60]!r}; expected {len(usual)} number(s)")
    return found
