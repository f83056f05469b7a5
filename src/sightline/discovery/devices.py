"""What is said of a camera that was found. All of it comes from the network: whoever is there may have said it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

MOST_CHARACTERS = 100
MOST_DEVICES = 256
"""Cameras that are told of one search."""
MOST_OF_ONE = 8
"""Cameras that one address is taken for."""


@dataclass(frozen=True, slots=True)
class NetworkCamera:
    """A camera that has answered."""

    name: str
    """What it calls itself; its address where it does not say."""
    kind: Literal["onvif", "rtsp"]
    address: str
    """onvif: of its service, http://...; rtsp: of its pictures. Always at the machine that has answered."""
    hardware: str = ""


def words(text: str) -> str:
    """Return what a stranger said, fit for a page: one line without control characters, not too long."""
    plain = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text[: 4 * MOST_CHARACTERS])
    return " ".join(plain.split())[:MOST_CHARACTERS]
