"""What is kept in a data folder changes only together with a thought of older versions: the forms are written down.

``python tests/server/test_kept_forms.py``, with ``tests`` on PYTHONPATH, writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, TypeAdapter

from sightline.core.events import Event, EventRecord
from sightline.core.rules import Rule
from sightline.core.types import ModelCard
from sightline.core.zones import CrossingLine, Zone
from sightline.events import store
from sightline.events.pictures import EventPicture
from sightline.notifications import devices
from sightline.recordings import index, lines, shares
from sightline.recordings.exports import Export
from sightline.security import tokens
from sightline.security.data_version import VERSION
from sightline.settings.changes import SettingChanges
from sightline.streams.boards import KeptStream
from sightline.streams.kept_camera import KeptCamera

GOLDEN = Path(__file__).parents[1] / "golden" / "kept.json"
KEPT: dict[str, tuple[Any, ...]] = {
    "cameras.json": (KeptCamera,),
    "zones.json": (KeptStream, Zone, CrossingLine, Rule),
    "settings.json": (SettingChanges,),
    "tokens.json": (tokens._File,),
    "shares.json": (shares._File,),
    "push.json": (devices._File,),
    "exports": (Export,),
    "models": (ModelCard,),
    "recordings": (lines.SegmentHeader, lines.FrameLine, lines.SegmentEnd),
    "events": (Event, EventRecord, EventPicture),
}


def found() -> Any:
    """What is kept, as JSON."""
    tables = {"events/events.db": store.TABLES, "recordings/index.sqlite": index.TABLES}
    made = {
        "version": VERSION,
        "forms": {file: [form(one) for one in kept] for file, kept in KEPT.items()},
        "tables": {file: " ".join(sql.split()) for file, sql in tables.items()},
    }
    return json.loads(json.dumps(made))


def form(kept: Any) -> Any:
    if issubclass(kept, BaseModel):
        return bare(TypeAdapter(kept).json_schema())
    return bare(msgspec.json.schema(kept))


def bare(schema: Any, *, fields: bool = False) -> Any:
    """A schema without its words. ``fields``: its keys are names of fields."""
    if isinstance(schema, list):
        return [bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    words = () if fields else ("title", "description")
    return {key: bare(value, fields=key == "properties") for key, value in schema.items() if key not in words}


def test_the_forms_are_those_that_are_written_down() -> None:
    assert found() == json.loads(GOLDEN.read_text()), (
        "what a data folder has is another. Does this version read the earlier form (test_older_folder.py)? Would an "
        "earlier version misread or lose the new one? Then VERSION of data_version.py grows, and that of tables"
    )


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(found(), indent=1) + "\n")
