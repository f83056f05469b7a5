"""What schemathesis is told of this API that its description can't say. ``SCHEMATHESIS_HOOKS`` names this file."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response

HERE = "here"
"""The stream that is live while this runs."""
SOMETIMES = 3
BAD_REQUEST, UNPROCESSABLE, TOO_MANY = 400, 422, 429
RUNNING = ("model", "engine", "imgsz", "classes")
"""Settings whose values depend on what runs."""
OUTLINES = ("points", "ground")
"""No schema can say that an outline must not cross itself."""
RULES = ("hours", "zone", "line", "direction", "when")
"""Nor what of a rule goes together, or which zones there are to try it in."""
CAMERAS = ("name", "group", "paused", "source", "before", "record_schedule")
"""Nor which characters a name may have, which schedule there is, or which cameras there are and the server pulls."""
SPANS = (
    "/api/search",
    "/api/events",
    "/api/recordings/{stream}",
    *(f"/api/recordings/{{stream}}/{what}" for what in ("marks", "protected", "exports", "replays", "shares", "clips")),
)
"""Nor that a time ends after it began."""
KINDS = ("/api/outputs", "/api/outputs/{id}", "/api/imports")
"""Nor what an output of some kind needs, or which clips there are to import."""
SOURCES = ("/api/streams", "/api/sources/test", "/api/sources/profiles")
"""Which addresses are a camera's that may be asked."""
DEVICES = "/api/push/devices"
"""Which addresses are of a push service, and which keys are a point on its curve."""
BOTH = ("/api/streams/{stream}/rules/test", "/api/models/upload")
"""A rule may have the name test, and a model the name upload, so their methods are allowed there too."""


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def plain(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """What no library knows how to write goes as it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> Any:
    """Ask often for the stream that is there: of others there is nothing to say."""
    if path_parameters and "stream" in path_parameters and len(str(path_parameters["stream"])) % SOMETIMES:
        return path_parameters | {"stream": HERE}
    return path_parameters


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case[Any], response: Response
) -> bool:
    """Leave out refusals that no description foresees: which bytes are a picture, which models or versions exist."""
    if failure.title == "Unexpected response to invalid authentication":
        return response.status_code != TOO_MANY  # which follows on many wrong tokens
    if failure.title == "Allow header mismatch":
        return case.path not in BOTH
    if failure.title != "Schema-valid request rejected":
        return True
    if case.path == DEVICES or case.path in SOURCES + SPANS + KINDS:
        return False
    if {"if-match", "if-none-match"} & {name.lower() for name in case.headers or {}}:
        return False
    if response.status_code == BAD_REQUEST and isinstance(case.body, dict) and "source" in case.body:
        return False
    if case.media_type not in (None, "application/json"):
        return False
    error = response.json()["error"] if response.status_code == UNPROCESSABLE else {}
    return error.get("key") not in RUNNING + OUTLINES + RULES + CAMERAS
