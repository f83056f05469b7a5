"""Tables within the settings: those of streams, and of servers that help peers to find each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sightline.core.rules import MOST_RULES, Rule
from sightline.core.schedule import ScheduleText
from sightline.core.zones import MOST_SHAPES, CrossingLine, ShapeName, Zone
from sightline.settings.stream import Choices, Tracking


class StreamDefaults(Choices, Tracking):
    """Settings of one stream."""

    priority: int = Field(0, ge=-100, le=100)
    max_fps: float | None = Field(None, ge=0.1, le=240)
    record: Literal["off", "events", "always"] = "off"
    record_schedule: ScheduleText = ""
    """Times of the week at which ``record`` holds; empty for all."""
    record_days: float | None = Field(None, gt=0, le=3650)
    record_gb: float | None = Field(None, gt=0, le=1e6)
    stages: tuple[str, ...] = Field((), max_length=16)
    """Steps after the model, in order: names of files in ``analytics/``."""
    zones: dict[ShapeName, Zone] = Field({}, max_length=MOST_SHAPES)
    lines: dict[ShapeName, CrossingLine] = Field({}, max_length=MOST_SHAPES)
    rules: dict[ShapeName, Rule] = Field({}, max_length=MOST_RULES)


class IceServer(BaseModel):
    """A STUN or TURN server, used by the server and the pages."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    urls: tuple[Annotated[str, Field(pattern=r"^(stun|turn|turns):[^\s@]+$")], ...] = Field(min_length=1)
    username: str | None = None
    credential: SecretStr | None = None
