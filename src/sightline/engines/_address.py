"""Addresses of models that run on somebody's inference server. Only the operator's settings name them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sightline.core.errors import ConfigError

PREFIX = "kserve:"
SUFFIX = ".kserve"
"""Of a file that has an address in it."""
MOST = 2000
EXPECTED = "kserve:http://HOST:PORT/MODEL, or the same with https"
_PATH = re.compile(r"/(?:v2/models/)?([\w.-]{1,200})(?:/versions/([\w.-]{1,40}))?/?", re.ASCII)


class ModelAddress(NamedTuple):
    """A model of an inference server."""

    tls: bool
    host: str
    port: int
    model: str
    version: str | None

    @property
    def path(self) -> str:
        """Path of the model in the protocol."""
        return f"/v2/models/{self.model}" + ("" if self.version is None else f"/versions/{self.version}")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.tls}://{host}:{self.port}{self.path}"


def parse(text: str) -> ModelAddress:
    """Read an address, with ``kserve:`` before it or without. Raises ConfigError."""
    refused = ConfigError(f"model {text[:200]!r}: expected {EXPECTED}")
    try:
        url = urlsplit(text.removeprefix(PREFIX))
        port = url.port
    except ValueError:
        raise refused from None
    path = _PATH.fullmatch(url.path)
    plain = not (url.query or url.fragment or "@" in url.netloc) and text.isascii() and text.isprintable()
    if url.scheme not in ("http", "https") or not url.hostname or path is None or not plain or " " in text:
        raise refused
    model, version = path.groups()
    if model.strip(".") == "" or (version is not None and version.strip(".") == ""):
        raise refused
    tls = url.scheme == "https"
    return ModelAddress(tls, url.hostname, port or (443 if tls else 80), model, version)


def read(path: Path) -> ModelAddress:
    """Read the address in a file. Raises ConfigError."""
    try:
        text = path.read_bytes()[:MOST].decode("ascii").strip()
    except (OSError, ValueError):
        raise ConfigError(f"{path} can't be read: expected one line, {EXPECTED}") from None
    return parse(text)
