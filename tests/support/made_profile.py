"""Profiles of made files, for the tests of weights."""

from __future__ import annotations

import hashlib
import random

import msgspec

from sightline import profiles
from sightline.profiles import File, Profile
from support.made_hub import MadeHub

TENSORS = random.Random(1).randbytes(300_000)
CONFIG = b'{"model_type": "made"}'
SHA256 = hashlib.sha256(TENSORS).hexdigest()


def of_a_server(hub: MadeHub, *, sha256: str = SHA256, size: int = len(TENSORS)) -> Profile:
    """As torchvision's: one file, its address and its hash in the card."""
    hub.files["made.pth"] = TENSORS
    file = File("made.pth", f"{hub.url}/made.pth", size, 0, sha256)
    return msgspec.structs.replace(profiles.load("fast"), name="made", files=(file,))


def of_the_hub(hub: MadeHub, name: str = "accurate", **changes: object) -> Profile:
    """With the card of a real profile, for whose files no hash is known: only the hub can tell."""
    profile = profiles.load(name)
    for file in profile.files:
        hub.files[f"{profile.repository}/{file.name}"] = TENSORS if file is profile.weights else CONFIG
    return msgspec.structs.replace(profile, **changes)
