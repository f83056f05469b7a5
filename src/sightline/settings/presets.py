"""What pictures a camera sends to begin with, and at most, by the network between it and the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sightline.core.errors import BadRequest

PresetName: TypeAlias = Literal["lan", "default", "mobile", "ultra", "tunnel"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of network."""

    width: int
    """Pixels of the longer side."""
    quality: float
    """Of the JPEG, 0 to 1 as browsers count."""
    fps: float
    max_pending: int
    """Frames under way without an answer."""


PRESETS: dict[PresetName, Preset] = {
    "lan": Preset(1280, 0.7, 30, 2),
    "default": Preset(640, 0.5, 30, 2),
    "mobile": Preset(480, 0.4, 30, 2),
    "ultra": Preset(1280, 0.8, 60, 5),
    # A tunnel's way is long: more frames under way keep it busy, fewer a second keep it from filling.
    "tunnel": Preset(640, 0.4, 15, 4),
}


def preset_named(given: str | None) -> PresetName | None:
    """What a peer asked for. Raises BadRequest for a name that is none."""
    for name in PRESETS:
        if name == given:
            return name
    if given is not None:
        raise BadRequest(f"preset={given[:20]}: expected one of {', '.join(PRESETS)}")
    return None
