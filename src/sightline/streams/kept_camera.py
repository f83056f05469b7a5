"""What the file of cameras has of each, and how it is read."""

from __future__ import annotations

import json
import unicodedata

import msgspec
from msgspec import Struct

from sightline.core.errors import BadRequest
from sightline.core.schedule import check_schedule
from sightline.core.types import STREAM_NAME
from sightline.recordings.recorder import Mode

MOST_CHARACTERS = 100
"""Of a name for people."""
UNSHOWN = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Kinds of characters that such a name can't have: control characters, halves of characters, ends of lines."""
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn around what stands beside them."""


def check_display_name(name: str) -> str:
    """Return a name for people without spaces around it. Raises ValueError for one that pages can't show as it is."""
    name = name.strip()
    if len(name) > MOST_CHARACTERS or any(unicodedata.category(c) in UNSHOWN or c in TURNING for c in name):
        raise ValueError(f"expected at most {MOST_CHARACTERS} characters, and no control characters")
    if name and not any(c.isprintable() and not c.isspace() for c in name):
        raise ValueError("expected something to see: these characters have no width")
    return name


class KeptCamera(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the file has of a camera."""

    source: str = ""
    """What the server pulls, with its password; empty for a camera that sends by itself, or is of the settings."""
    name: str = ""
    """What people call it; empty for the stream's own name."""
    paused: bool = False
    group: str = ""
    """Under what it is shown; empty for none."""
    order: int | None = None
    """Its place among all, from 1. Those without one come after them, by name."""
    record: Mode | None = None
    """What of it is recorded; None for what the settings say."""
    record_schedule: str | None = None
    """Times of the week at which it is, "" for all; None for what the settings say."""


def parse(data: bytes) -> dict[str, KeptCamera]:
    """Return the cameras of the file. Raises BadRequest, which says where it is wrong and has no word of what is there.

    What is there may be a password.
    """
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as e:
        raise BadRequest(f"line {e.lineno}, column {e.colno}: {e.msg}") from None
    except UnicodeError:
        raise BadRequest("this is no text in UTF-8") from None
    except (ValueError, RecursionError):
        raise BadRequest("a number is too long, or something lies too deep") from None
    if not isinstance(found, dict):
        raise BadRequest('expected an object with one entry for each camera: {"door": {"source": "rtsp://..."}}')
    return {name: _entry(number, name, given) for number, (name, given) in enumerate(found.items(), 1)}


def _entry(number: int, name: str, given: object) -> KeptCamera:
    if not STREAM_NAME.fullmatch(name):
        raise BadRequest(f"the name of entry {number}: expected 1 to 64 letters, digits, '_' or '-'")
    try:
        camera = msgspec.convert(given, KeptCamera)
        check_display_name(camera.name)
        check_display_name(camera.group)
        check_schedule(camera.record_schedule or "")
    except (msgspec.ValidationError, ValueError) as e:
        raise BadRequest(f"{name}: {e}") from None
    return camera
