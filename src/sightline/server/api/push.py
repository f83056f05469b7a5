"""The HTTP API of Web Push: which devices are notified of what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sightline.core.errors import BadRequest, ConfigError, LimitReached, NotFound, Shortage
from sightline.core.openapi import refusals
from sightline.core.types import STREAM_OR_ALL
from sightline.notifications.devices import MOST_ENDPOINT, MOST_STREAMS
from sightline.notifications.key import public_half
from sightline.security.authorization import access_of
from sightline.security.tokens import ALL
from sightline.server.state import state_of

router = APIRouter()

DeviceKey = Annotated[str, StringConstraints(min_length=1, max_length=200)]
StreamOrAll = Annotated[str, StringConstraints(pattern=STREAM_OR_ALL)]


class WebPush(BaseModel):
    """Whether this server sends Web Push."""

    key: str | None
    """Key that browsers subscribe with (`applicationServerKey`, base64url); null where it sends none."""
    reason: str
    """Why it sends none; empty where it does."""


class DeviceKeys(BaseModel):
    """Keys by which only the device can read what is sent to it, in base64url."""

    model_config = ConfigDict(extra="forbid")
    p256dh: DeviceKey
    auth: DeviceKey


class WantedPush(BaseModel):
    """What a browser's `PushSubscription` says, and of which streams the device is to be notified."""

    model_config = ConfigDict(extra="forbid")
    endpoint: str = Field(min_length=1, max_length=MOST_ENDPOINT)
    keys: DeviceKeys
    streams: list[StreamOrAll] = Field(min_length=1, max_length=MOST_STREAMS)
    """Names of streams; * for all."""


class NotifiedDevice(BaseModel):
    """A device that is notified, until its token ends."""

    id: str
    streams: list[str]


@router.get("/api/push", tags=["notifications"], responses=refusals(Shortage))
async def push(request: Request, response: Response) -> WebPush:
    """Whether devices can be notified where no page is open."""
    access_of(request).require(request, stream=None)
    response.headers["Cache-Control"] = "no-store"
    try:
        return WebPush(key=public_half(await state_of(request).push.key()), reason="")
    except (NotFound, ConfigError) as e:
        return WebPush(key=None, reason=e.message)


@router.post(
    "/api/push/devices",
    tags=["notifications"],
    responses=refusals(BadRequest, NotFound, LimitReached, Shortage),
)
async def add_device(request: Request, wanted: WantedPush) -> NotifiedDevice:
    """Have a device notified of streams that one may view. It takes the place of what the device asked for before."""
    access = access_of(request)
    for stream in wanted.streams:
        identity = access.require(request, "view", stream=None if stream == ALL else stream)
    state = state_of(request).push
    await state.key()
    keys = wanted.keys
    made = await state.devices.put(identity, wanted.endpoint, keys.p256dh, keys.auth, wanted.streams)
    return NotifiedDevice(id=made.id, streams=list(made.streams))


@router.delete(
    "/api/push/devices/{device}", tags=["notifications"], status_code=204, responses=refusals(NotFound, Shortage)
)
async def remove_device(request: Request, device: str) -> Response:
    """Notify a device no longer. For whoever has the token by which it subscribed."""
    identity = access_of(request).require(request, stream=None)
    state = state_of(request).push
    await state.key()
    await state.devices.remove(identity, device)
    return Response(status_code=204)
