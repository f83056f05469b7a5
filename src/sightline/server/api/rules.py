"""The HTTP API of rules: what a stream has, what has fulfilled them, and how they are set."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sightline.core.errors import BadRequest
from sightline.core.openapi import refusals
from sightline.core.rule_words import sentence
from sightline.core.rules import Rule, bad_rule
from sightline.security.authorization import needs
from sightline.server.api.items import ItemKind, item_routes, unknown_classes
from sightline.server.state import state_of
from sightline.streams.boards import Boards
from sightline.streams.hub import Hub

router = APIRouter(tags=["rules"])


class RuleReport(BaseModel):
    """A rule and what has fulfilled it."""

    rule: Rule
    sentence: str
    """The rule as a sentence."""
    troubles: list[str]
    """Why it is not fulfilled as it is; nothing where all that it names is there."""
    fired: int
    """How often it was fulfilled."""
    last: float | None
    """Seconds since 1970 of the last time, on the server's clock; null while there is none."""


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


def _report(hub: Hub, boards: Boards, name: str) -> RuleReport:
    rule, tally = boards.rules.rules[name], boards.rules.tallies()[name]
    return RuleReport(
        rule=rule,
        sentence=sentence(rule),
        troubles=_troubles(hub, boards, rule),
        fired=tally.fired,
        last=tally.last,
    )


def _troubles(hub: Hub, boards: Boards, rule: Rule) -> list[str]:
    """Return what keeps a rule from being fulfilled, each with what can be done."""
    found = []
    zones, lines = boards.zones.zones, boards.zones.lines
    shape = zones.get(rule.zone or "") or lines.get(rule.line or "")
    if rule.zone is not None and rule.zone not in zones:
        found.append(f"there is no zone {rule.zone}: set it, or choose another")
    if rule.line is not None and rule.line not in lines:
        found.append(f"there is no line {rule.line}: set it, or choose another")
    if unknown := unknown_classes(hub, boards.stream, rule.classes):
        found.append(f"the stream's model has no class {', '.join(unknown)}: choose others, or another model")
    if shape is not None and shape.classes is not None and not set(rule.classes or shape.classes) & set(shape.classes):
        found.append(f"{rule.zone or rule.line} counts no {', '.join(rule.classes or ())}: add them to its classes")
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
