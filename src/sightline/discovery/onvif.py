"""ONVIF devices: which streams they have, with their addresses.

Only what a device says of paths, ports and pictures is believed. Its host stays the one that was asked, so that no
device sends us, or its password, elsewhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from sightline.core.errors import SourceError
from sightline.discovery import soap
from sightline.discovery.devices import words
from sightline.discovery.http import post
from sightline.sources._foreign import Allowed, Refused, place_of

PATIENCE_S = 8.0
"""Seconds for all questions to a device."""
MOST_PROFILES = 12
MOST_DAYS = 36_500
"""That a device's clock may be away from ours: some count from 1970 after each start."""
LEAST = 320
"""Pixels of the longer side below which models see too little."""
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
ALLOWED = Allowed(("http",))
STREAMS = Allowed(("rtsp",))


@dataclass(frozen=True, slots=True)
class CameraStream:
    """One stream of a device."""

    name: str
    width: int
    height: int
    """Pixels; 0 where they are not told."""
    encoding: str
    fps: int
    """0 where it is not told."""
    source: str
    """rtsp://..., without user and password."""


async def profiles(address: str, user: str, password: str) -> list[CameraStream]:
    """Return the streams of the device at an http address, the one for models first. Raises SourceError."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.to_thread(ALLOWED.check, address)
            found = await _Device(address, user, password).profiles()
    except TimeoutError:
        raise SourceError(f"no whole answer came within {PATIENCE_S:g} s: check the address") from None
    if not found:
        raise SourceError("this device has no stream that is told: expected a camera that knows ONVIF")
    best = smallest(found)
    return [best, *(profile for profile in found if profile is not best)]


def smallest(found: list[CameraStream]) -> CameraStream:
    """Return the smallest stream that is large enough for models; the largest where none is."""
    enough = [profile for profile in found if max(profile.width, profile.height) >= LEAST]
    if enough:
        return min(enough, key=lambda profile: profile.width * profile.height)
    return max(found, key=lambda profile: profile.width * profile.height)


class _Device:
    def __init__(self, address: str, user: str, password: str) -> None:
        self._address, self._user, self._password = address, user, password
        self._ahead = timedelta()
        """How far the device's clock is ahead of ours."""

    async def profiles(self) -> list[CameraStream]:
        self._ahead = await self._clock()
        media = await self._media()
        answer = await self._ask(media, f'<GetProfiles xmlns="{MEDIA}"/>')
        found = []
        for profile in answer.findall("GetProfilesResponse/Profiles")[:MOST_PROFILES]:
            video = profile.find("VideoEncoderConfiguration")
            token = profile.get("token", "")
            if video is None or not token:
                continue
            source = await self._source(media, token)
            if source is not None:
                found.append(_profile(profile, video, source))
        return found

    async def _clock(self) -> timedelta:
        """Ask for the device's time, which it tells everybody. Ours where it is not told."""
        try:
            body = f'<GetSystemDateAndTime xmlns="{DEVICE}"/>'
            answer = soap.parse((await post(self._address, soap.envelope(body)))[1])
            told = answer.find("Body/GetSystemDateAndTimeResponse/SystemDateAndTime/UTCDateTime")
            numbers = [soap.number_of(told, "Date", part) for part in ("Year", "Month", "Day")]
            numbers += [soap.number_of(told, "Time", part) for part in ("Hour", "Minute", "Second")]
            year, month, day, hour, minute, second = numbers
            ahead = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - datetime.now(UTC)
        except (soap.NoAnswer, ValueError):
            return timedelta()
        return ahead if abs(ahead.days) < MOST_DAYS else timedelta()

    async def _media(self) -> str:
        """Return the address of the service that knows the streams."""
        answer = await self._ask(
            self._address, f'<GetCapabilities xmlns="{DEVICE}"><Category>Media</Category></GetCapabilities>'
        )
        told = soap.text_of(answer, "GetCapabilitiesResponse", "Capabilities", "Media", "XAddr")
        try:
            path = urlsplit(told).path
        except ValueError:
            path = ""
        return ALLOWED.check_form(
            urlsplit(self._address)._replace(path=path or "/onvif/media_service", query="").geturl()
        )

    async def _source(self, media: str, token: str) -> str | None:
        """Return the address of a stream, at this very machine; None where it can't be read."""
        body = (
            f'<GetStreamUri xmlns="{MEDIA}"><StreamSetup><Stream xmlns="{SCHEMA}">RTP-Unicast</Stream>'
            f'<Transport xmlns="{SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
            f"<ProfileToken>{escape(token)}</ProfileToken></GetStreamUri>"
        )
        told = soap.text_of(await self._ask(media, body), "GetStreamUriResponse", "MediaUri", "Uri")
        try:
            parts, port = urlsplit(told), place_of(told)[1]
            host = place_of(self._address)[0]
            place = f"[{host}]" if ":" in host else host
            source = parts._replace(netloc=f"{place}:{port}" if port else place, fragment="").geturl()
            return STREAMS.check_form(source)
        except (Refused, ValueError):
            return None

    async def _ask(self, url: str, body: str) -> Element:
        """Return the body of the answer. Raises SourceError, which says what a person can do."""
        header = soap.login(self._user, self._password, datetime.now(UTC) + self._ahead) if self._user else ""
        status, data = await post(url, soap.envelope(body, header=header))
        if status in (401, 403):
            raise SourceError("the device does not let this user in: check user and password")
        answer = soap.parse(data).find("Body")
        if answer is None:
            raise soap.NoAnswer("an answer without a body: expected that of an ONVIF device")
        fault = answer.find("Fault")
        if fault is not None:
            if any(word in part.text for part in fault.iter() if part.text for word in ("NotAuthorized", "FailedAuth")):
                raise SourceError("the device does not let this user in: check user and password")
            why = words(soap.text_of(fault, "Reason", "Text"))
            raise SourceError(f"the device refused the question: {why or 'it does not say why'}")
        return answer


def _profile(profile: Element, video: Element, source: str) -> CameraStream:
    return CameraStream(
        name=words(soap.text_of(profile, "Name")) or words(profile.get("token", "")),
        width=soap.number_of(video, "Resolution", "Width"),
        height=soap.number_of(video, "Resolution", "Height"),
        encoding=words(soap.text_of(video, "Encoding")),
        fps=soap.number_of(video, "RateControl", "FrameRateLimit", kind=float),
        source=source,
    )
