"""The HTTP API that looks for cameras in this network, on a person's word."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from sightline.core.errors import BadSetting, SourceError
from sightline.core.openapi import refusals
from sightline.discovery import onvif
from sightline.security.authorization import needs
from sightline.server.api.checked import discreet
from sightline.server.state import state_of

EXPECTED = {
    "address": "the http address of an ONVIF device's service, such as http://camera.lan/onvif/device_service",
    "user": "a text of at most 100 characters",
    "password": "a text of at most 200 characters",
}


router = APIRouter()
asked = APIRouter(route_class=discreet(EXPECTED))


class FoundDevice(BaseModel):
    """A camera that has answered. Its words are its own."""

    name: str
    kind: Literal["onvif", "rtsp"]
    address: str
    """onvif: of its service, of which `POST /api/sources/profiles` tells the streams. rtsp: a source."""
    hardware: str


class FoundDevices(BaseModel):
    """Cameras in the networks of the server's machine."""

    devices: list[FoundDevice]


@router.post("/api/sources/find", tags=["streams"], dependencies=[needs("admin")])
async def find_cameras(request: Request) -> FoundDevices:
    """Ask all machines in the server's networks whether they are cameras, by WS-Discovery and mDNS, for 1.5 s."""
    found = await state_of(request).search.find()
    return FoundDevices(
        devices=[FoundDevice(name=d.name, kind=d.kind, address=d.address, hardware=d.hardware) for d in found]
    )


class AskedDevice(BaseModel):
    """An ONVIF device, and who asks it."""

    model_config = ConfigDict(extra="forbid")

    address: Annotated[str, Field(strict=True, min_length=1, max_length=1000)]
    user: Annotated[str, Field(strict=True, max_length=100)] = ""
    password: Annotated[str, Field(strict=True, max_length=200)] = ""


class DeviceProfile(BaseModel):
    """One stream of a device."""

    name: str
    width: int
    height: int
    """Pixels; 0 where they are not told."""
    encoding: str
    fps: int
    """0 where it is not told."""
    source: str
    """What the server would pull, without user and password."""


class DeviceProfiles(BaseModel):
    """A device's streams. The first is the smallest one that is large enough for models."""

    profiles: list[DeviceProfile]


@asked.post(
    "/api/sources/profiles",
    tags=["streams"],
    responses=refusals(SourceError, BadSetting),
    dependencies=[needs("admin")],
)
async def camera_profiles(request: Request, device: AskedDevice) -> DeviceProfiles:
    """The streams of an ONVIF device, within 8 s. The password is not sent to it, but a digest."""
    found = await onvif.profiles(device.address, device.user, device.password)
    return DeviceProfiles(
        profiles=[
            DeviceProfile(name=p.name, width=p.width, height=p.height, encoding=p.encoding, fps=p.fps, source=p.source)
            for p in found
        ]
    )


router.include_router(asked)
