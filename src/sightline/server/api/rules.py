"""The HTTP API of rules: what a stream has, what has fulfilled them, and how they are set."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from sightline.core.errors import BadRequest, BadSetting, LimitReached, ModelError, TooLarge
from sightline.core.openapi import refusals
from sightline.core.rule_words import sentence
from sightline.core.rules import Rule, bad_rule, lacking, parse_rule
from sightline.core.versions import version_of
from sightline.security.authorization import needs
from sightline.server.api.checked import checked_by
from sightline.server.api.items import ItemKind, item_routes, unknown_classes
from sightline.server.forms import form_of
from sightline.server.state import state_of
from sightline.streams.boards import Boards
from sightline.streams.clip_trial import MOST_BYTES
from sightline.streams.hub import Hub
from sightline.streams.rule_trial import Trial, boards_for, replayed

router = APIRouter(tags=["rules"], route_class=checked_by(bad_rule))

CLIP_PATH = "/api/streams/[^/]+/rules/test/clip"
FIELD_BYTES = 64 << 10
"""Most bytes of a rule in a form."""
LARGEST_BODY = MOST_BYTES + 4 * FIELD_BYTES
_CLIP_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "rule": {"type": "string", "contentMediaType": "application/json"},
                    "clip": {"type": "string", "format": "binary"},
                },
                "required": ["rule", "clip"],
            }
        }
    },
}


class RuleReport(BaseModel):
    """A rule and what has fulfilled it."""

    rule: Rule
    version: str
    """Another one with each change, for If-Match."""
    sentence: str
    """The rule as a sentence."""
    troubles: list[str]
    """Why it is not fulfilled as it is; nothing where all that it names is there."""
    fired: int
    """How often it was fulfilled."""
    last: float | None
    """Seconds since 1970 of the last time, on the server's clock; null while there is none."""


class FiredOnce(BaseModel):
    """A time at which a rule would have been fulfilled."""

    at: float
    """Seconds since 1970, on the frames' clock; of a clip from its beginning."""
    seconds: float | None
    """How long it lasted; null where it still does."""
    track: int | None
    class_name: str
    box: tuple[float, float, float, float] | None
    """Left, top, right and bottom in pixels."""


class TrialReport(BaseModel):
    """What a rule would have told."""

    seconds: float
    """How long was looked at."""
    fired: list[FiredOnce]
    """At most the first 1,000."""


class RulesOfStream(BaseModel):
    """A stream's rules by name."""

    rules: dict[str, RuleReport]


@router.get(
    "/api/streams/{stream}/rules",
    responses=refusals(BadRequest),
    dependencies=[needs("view", "publish")],
)
async def rules_of_stream(request: Request, stream: str) -> RulesOfStream:
    """The rules of a stream, live or not, and what has fulfilled them."""
    hub = state_of(request).hub
    boards = hub.boards.of(stream)
    return RulesOfStream(rules={name: _report(hub, boards, name) for name in boards.rules.rules})


@router.post(
    "/api/streams/{stream}/rules/test",
    responses=refusals(BadRequest, BadSetting),
    dependencies=[needs("publish")],
)
async def test_rule(request: Request, stream: str, rule: Rule) -> TrialReport:
    """Try a rule on what was seen over the last minutes, up to ten, while the stream was processed.

    The rule need not be set. It is tried as if it were switched on, with the zones and lines of now.
    """
    boards = state_of(request).hub.boards.of(stream)
    _check_trial(boards, rule)
    return _trial(await asyncio.to_thread(replayed, boards_for(rule, boards), boards.zones.recent()))


@router.post(
    "/api/streams/{stream}/rules/test/clip",
    responses=refusals(BadRequest, BadSetting, TooLarge, LimitReached, ModelError),
    openapi_extra={"requestBody": _CLIP_BODY},
    dependencies=[needs("publish")],
)
async def test_rule_on_clip(request: Request, stream: str) -> TrialReport:
    """Try a rule on a video: the form's ``rule`` as JSON, and the file as ``clip``.

    The stream's model looks at its first two minutes, ten pictures a second; live streams come first. The clip has no
    time of day, so the rule's hours are left aside. One clip at a time; it is kept nowhere.
    """
    state = state_of(request)
    boards = state.hub.boards.of(stream)
    async with state.clips.turns.take(), form_of(request, files=1, fields=4, field_bytes=FIELD_BYTES) as form:
        rule, clip = form.get("rule"), form.get("clip")
        if not isinstance(rule, str):
            raise BadSetting.of("rule", None if rule is None else "a file", "a rule as JSON, in a field of the form")
        if not isinstance(clip, UploadFile):
            raise BadSetting.of("clip", clip, "a video, as in curl -F clip=@clip.mp4")
        given = parse_rule(_json(rule))
        _check_trial(boards, given)
        with TemporaryDirectory(prefix="sightline-") as folder:
            path = Path(folder) / "clip"
            await asyncio.to_thread(_save, clip, path)
            return _trial(await state.clips.run(stream, given, path))


def _check_trial(boards: Boards, rule: Rule) -> None:
    """Raise BadSetting for a rule of which nothing can be seen."""
    if rule.when != "object":
        raise BadSetting.of("when", rule.when, "object, as only objects are known of the last minutes and of clips")
    for key, name, there in (("zone", rule.zone, boards.zones.zones), ("line", rule.line, boards.zones.lines)):
        if name is not None and name not in there:
            raise BadSetting.of(key, name, f"a {key} of the stream: {', '.join(there) or 'it has none yet'}")


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as e:
        raise BadSetting.of("rule", text, f"a rule as JSON ({e})") from None


def _save(clip: UploadFile, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(clip.file, file)


def _trial(trial: Trial) -> TrialReport:
    fired = [
        FiredOnce(at=one.at, seconds=one.seconds, track=one.track, class_name=one.class_name, box=one.box)
        for one in trial.fired
    ]
    return TrialReport(seconds=trial.seconds, fired=fired)


def _report(hub: Hub, boards: Boards, name: str) -> RuleReport:
    rule, tally = boards.rules.rules[name], boards.rules.tallies()[name]
    return RuleReport(
        rule=rule,
        version=version_of(rule.model_dump_json()),
        sentence=sentence(rule),
        troubles=_troubles(hub, boards, rule),
        fired=tally.fired,
        last=tally.last,
    )


def _troubles(hub: Hub, boards: Boards, rule: Rule) -> list[str]:
    """Return what keeps a rule from being fulfilled, each with what can be done."""
    unknown = unknown_classes(hub, boards.stream, rule.classes)
    found = lacking(rule, boards.zones.zones, boards.zones.lines, unknown)
    live = hub.streams.get(boards.stream)
    if live is not None and rule.when == "object" and not live.tracking.track:
        found.append("track is off, so objects have no ids, unless a stage of yours gives them: set track to true")
    if live is not None and rule.when == "object" and not live.detect:
        found.append("detection is switched off: switch it on")
    return found


router.include_router(
    item_routes(
        ItemKind(
            kind="rules",
            called="rule",
            item=Rule,
            bad=bad_rule,
            report=RuleReport,
            reported=_report,
            setting="Set a rule. It takes the place of the one of this name. One that names what is not there is kept, "
            "and says so in its troubles.",
            removing="Remove a rule. What lasts by it ends.",
        )
    )
)
