"""Settings that can be changed while the server runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sightline.core.errors import BadSetting

PAGE_ORIGIN = (
    r"^(https://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])|http://(localhost|127\.0\.0\.1|\[::1\]))"
    r"(:\d{1,5})?/?$"
)
"""Origin of somebody's pages. It becomes a part of a header, so it has no letter that means something there."""

PageOrigin = Annotated[str, Field(pattern=PAGE_ORIGIN)]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
EventsDays = Annotated[float, Field(gt=0, le=3650)]
EventsGb = Annotated[float, Field(ge=0.01, le=100_000)]
MOST = 100
"""Hosts, and origins, that can be given while the server runs."""


class SettingChanges(BaseModel):
    """Settings that can be changed while the server runs. Null is the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed_hosts: Annotated[tuple[HostName, ...], Field(max_length=MOST)] | None = None
    allowed_origins: Annotated[tuple[PageOrigin, ...], Field(max_length=MOST)] | None = None
    log_level: LogLevel | None = None
    events_days: EventsDays | None = None
    events_gb: EventsGb | None = None

    def given(self) -> dict[str, Any]:
        """What is given, null or not."""
        return {key: getattr(self, key) for key in SettingChanges.model_fields if key in self.model_fields_set}


EXPECTED = {
    "allowed_hosts": f"a list of at most {MOST} names such as camera.lan, without scheme and port",
    "allowed_origins": f"a list of at most {MOST} origins: https://HOST, or http:// with localhost, 127.0.0.1 or [::1]",
    "log_level": "debug, info, warning or error",
    "events_days": "a number of days above 0, at most 3650",
    "events_gb": "a number of GB from 0.01 to 100000",
}
"""Expected values in words, by key."""


def bad_change(problem: Mapping[str, Any]) -> BadSetting:
    """Convert a pydantic error into a BadSetting in our words."""
    where = [part for part in problem["loc"] if part != "body"]
    key = str(where[0])[:40] if where else "body"
    return BadSetting.of(key, problem.get("input"), EXPECTED.get(key, f"one of the keys {', '.join(EXPECTED)}"))
