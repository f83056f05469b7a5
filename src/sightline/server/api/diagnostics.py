"""The HTTP API of the server's own condition: version, tasks, troubles, log, and what the doctor finds."""

from __future__ import annotations

import logging
import platform
import time
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from sightline.core.errors import BadRequest, BadSetting, ConfigError, LimitReached
from sightline.core.openapi import StreamQuery, refusals
from sightline.core.types import check_stream_name
from sightline.core.version import __version__
from sightline.security.authorization import needs
from sightline.server.api.cluster_stats import ClusterStats, cluster_stats
from sightline.server.api.streams import readiness
from sightline.server.doctor import examine
from sightline.server.recent_log import RECENT, LogLine
from sightline.server.state import state_of
from sightline.settings.changes import LogLevel

router = APIRouter(tags=["health"], dependencies=[needs("admin")])

MOST_LINES = 500


class ServerTask(BaseModel):
    """A task that the server keeps going."""

    name: str
    restarts: int
    trouble: str
    """Why it fails at the moment; empty while all is well."""


class ServerReport(BaseModel):
    """The server's condition."""

    version: str
    python: str
    system: str
    uptime_s: float
    ready: bool
    reason: str
    tasks: list[ServerTask]
    troubles: dict[str, str]
    """What fails at the moment, and why: tasks, outputs, and parts of streams."""
    cluster: ClusterStats | None
    """Null where no model runs on a cluster."""


class LoggedLine(BaseModel):
    """A line of the log."""

    number: int
    """Place in the log since the server's start."""
    at: float
    """Milliseconds since 1970."""
    level: str
    logger: str
    text: str
    """Message in one line, whatever a peer put in it, and its traceback in further ones."""


class LogReport(BaseModel):
    """Lines of the last hour, the oldest first."""

    lines: list[LoggedLine]
    next: int
    """``after`` for what is logged from now on."""


class Diagnosis(BaseModel):
    """Outcome of one check."""

    what: str
    state: Literal["ok", "note", "problem"]
    detail: str
    mend: str
    """Command or step that fixes it; empty where there is nothing to fix."""


class Diagnoses(BaseModel):
    """What `sightline doctor` finds with the settings of this server."""

    findings: list[Diagnosis]


@router.get("/api/server")
async def server(request: Request) -> ServerReport:
    """Version, tasks and troubles."""
    state = state_of(request)
    ready, troubles, supervisor = readiness(state), state.troubles, state.hub.supervisor
    return ServerReport(
        version=__version__,
        python=platform.python_version(),
        system=platform.platform(),
        uptime_s=round(time.monotonic() - state.started_at, 1),
        ready=ready.ready,
        reason=ready.reason,
        tasks=[
            ServerTask(name=name, restarts=supervisor.restarts[name], trouble=troubles.get(name, ""))
            for name in supervisor.names
        ],
        troubles=troubles,
        cluster=cluster_stats(state.hub.pool),
    )


@router.get("/api/logs", responses=refusals(BadRequest, BadSetting))
async def logs(
    response: Response,
    stream: StreamQuery = None,
    level: Annotated[LogLevel, Query()] = "debug",
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> LogReport:
    """The log of the last hour: at least of that level, and about that stream. At most 500 lines, the newest."""
    response.headers["Cache-Control"] = "no-store"
    name = None if stream is None else check_stream_name(stream)
    lowest = logging.getLevelNamesMapping()[level.upper()]
    found = RECENT.lines(level=lowest, stream=name, after=after)
    return LogReport(lines=[_told(line) for line in found[-MOST_LINES:]], next=found[-1].number if found else after)


@router.post("/api/doctor", responses=refusals(ConfigError, LimitReached))
async def doctor(request: Request) -> Diagnoses:
    """Check this installation as `sightline doctor` does, which loads the model once more. Takes seconds."""
    state = state_of(request)
    found = await examine(state.settings.now, state.examinations)
    return Diagnoses(findings=[Diagnosis.model_validate(msgspec.structs.asdict(one)) for one in found])


def _told(line: LogLine) -> LoggedLine:
    level = logging.getLevelName(line.level).lower()
    return LoggedLine(number=line.number, at=line.at * 1000, level=level, logger=line.logger, text=line.text)
