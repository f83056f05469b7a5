"""Presets of a camera's initial and maximum picture settings, by the network between it and the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sightline.core.errors import BadRequest

PresetName: TypeAlias = Literal["lan", "default", "mobile", "ultra", "tunnel"]


@dataclass(frozen=True, slots=True)
class Preset:
    """Picture settings for one kind of network."""

    width: int
    """Length of the longer side in pixels."""
    quality: float
    """JPEG quality, 0 to 1 as in browsers."""
    fps: float
    max_pending: int
    """Maximum number of frames without an answer."""


PRESETS: dict[PresetName, Preset] = {
    "lan": Preset(1280, 0.7, 30, 2),
    "default": Preset(640, 0.5, 30, 2),
    "mobile": Preset(480, 0.4, 30, 2),
    "ultra": Preset(1280, 0.8, 60, 5),
    # A tunnel has high latency: more frames under way keep it busy, fewer per second keep it from filling up.
    "tunnel": Preset(640, 0.4, 15, 4),
}


def preset_named(given: str | None) -> PresetName | None:
    """The preset that a peer asked for; None if it asked for none. Raises BadRequest for an unknown name."""
    for name in PRESETS:
        if name == given:
            return name
    if given is not None:
        raise BadRequest(f"preset={given[:20]}: expected one of {', '.join(PRESETS)}")
    return None
