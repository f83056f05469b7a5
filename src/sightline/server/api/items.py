"""Routes that all kinds of what a stream has by name share: zones, lines and rules are set and removed alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sightline.core.errors import BadRequest, BadSetting, Changed, LimitReached, NotFound, Shortage
from sightline.core.events import Event
from sightline.core.openapi import refusals
from sightline.core.versions import version_of
from sightline.security.authorization import needs
from sightline.server.api.checked import checked_by
from sightline.server.api.precondition import AsItWas, Precondition
from sightline.server.state import state_of
from sightline.streams.boards import Boards, Item, Kept
from sightline.streams.hub import Hub

_FINDING = refusals(BadRequest, NotFound, Shortage)
_REMOVING = _FINDING | refusals(Changed)
_SETTING = refusals(BadRequest, BadSetting, Changed, LimitReached, Shortage)


class ItemKind(NamedTuple):
    """One kind of what a stream has by name."""

    kind: Kept
    called: str
    item: type[BaseModel]
    """What a request's body has."""
    bad: Callable[[Mapping[str, Any]], BadSetting]
    """Convert a pydantic error into a BadSetting."""
    report: type[BaseModel]
    """What an answer has."""
    reported: Callable[[Hub, Boards, str], BaseModel]
    setting: str
    """What it means to set one, in words."""
    removing: str
    resetting: str = ""
    """What it means to have one count from nothing; empty for what does not count."""


def item_routes(of: ItemKind) -> APIRouter:
    """Return the routes by which those of a kind are set, removed and, where they count, reset."""
    router = APIRouter(route_class=checked_by(of.bad), dependencies=[needs("publish")])
    path = f"/api/streams/{{stream}}/{of.kind}/{{name}}"

    def check(hub: Hub, stream: str, name: str, expected: Precondition) -> None:
        there = hub.boards.of(stream).of(of.kind).get(name)
        expected.check(f"the {of.called} {name[:80]!r}", None if there is None else version_of(there.model_dump_json()))

    async def put(
        request: Request, response: Response, stream: str, name: str, item: Item, expected: AsItWas
    ) -> BaseModel:
        hub = state_of(request).hub
        check(hub, stream, name, expected)
        ended = hub.boards.put(stream, of.kind, name, item)
        report = of.reported(hub, hub.boards.of(stream), name)  # while it is saved, somebody may remove it
        response.headers["ETag"] = f'"{version_of(item.model_dump_json())}"'
        await keep(hub, stream, ended)
        return report

    async def remove(request: Request, stream: str, name: str, expected: AsItWas) -> Response:
        hub = state_of(request).hub
        hub.boards.find(stream, of.kind, name)
        check(hub, stream, name, expected)
        await keep(hub, stream, hub.boards.remove(stream, of.kind, name))
        return Response(status_code=204)

    async def reset(request: Request, stream: str, name: str) -> BaseModel:
        hub = state_of(request).hub
        boards = hub.boards.find(stream, of.kind, name)
        boards.zones.reset("line" if of.kind == "lines" else "zone", name)
        report = of.reported(hub, boards, name)
        await keep(hub, stream)
        return report

    put.__annotations__["item"] = of.item  # each kind has its own keys, in the checks and in the description
    router.put(
        path,
        name=f"put_{of.called}",
        description=of.setting,
        response_model=of.report,
        responses=_SETTING,
    )(put)
    router.delete(path, name=f"remove_{of.called}", description=of.removing, status_code=204, responses=_REMOVING)(
        remove
    )
    if of.resetting:
        router.post(
            f"{path}/reset",
            name=f"reset_{of.called}",
            description=of.resetting,
            response_model=of.report,
            responses=_FINDING,
        )(reset)
    return router


async def keep(hub: Hub, stream: str, ended: tuple[Event, ...] = ()) -> None:
    """Tell what a change has ended, and save it."""
    hub.emit_ends(stream, *ended)
    await hub.boards.save()


def unknown_classes(hub: Hub, stream: str, classes: Sequence[str] | None) -> list[str]:
    """Return those classes that a stream's model does not have; none while no model is there."""
    live = hub.streams.get(stream)
    model = (hub.worker if live is None else live.model.next_worker).model
    return [] if model is None else [name for name in classes or () if name not in model.card.labels]
