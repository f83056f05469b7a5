"""WS-Discovery, by which ONVIF devices are found: one question to all, and what they answer."""

from __future__ import annotations

import uuid
from urllib.parse import SplitResult, unquote, urlsplit
from xml.etree.ElementTree import Element

from sightline.core.errors import SightlineError
from sightline.discovery import soap
from sightline.discovery.devices import NetworkCamera, words

GROUP = ("239.255.255.250", 3702)
DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
SCOPE = "onvif://www.onvif.org/"


def question() -> bytes:
    """Return a probe for devices that send video."""
    header = (
        f'<w:MessageID xmlns:w="{ADDRESSING}">urn:uuid:{uuid.uuid4()}</w:MessageID>'
        f'<w:To xmlns:w="{ADDRESSING}" s:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>'
        f'<w:Action xmlns:w="{ADDRESSING}" s:mustUnderstand="true">{DISCOVERY}/Probe</w:Action>'
    )
    types = '<d:Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl">dn:NetworkVideoTransmitter</d:Types>'
    return soap.envelope(f'<d:Probe xmlns:d="{DISCOVERY}">{types}</d:Probe>', header=header)


def devices(answer: bytes, sender: str) -> list[NetworkCamera]:
    """Return the devices of an answer. All are taken to be at the machine that sent it, whatever they say."""
    try:
        root = soap.parse(answer)
    except SightlineError:
        return []
    found = (_device(match, sender) for match in root.iterfind("Body/ProbeMatches/ProbeMatch"))
    return [device for device in found if device is not None]


def _device(match: Element, sender: str) -> NetworkCamera | None:
    services = [_parts(text) for text in soap.text_of(match, "XAddrs").split()[:8]]
    usable = [parts for parts in services if parts is not None and parts.scheme == "http"]
    usable.sort(key=lambda parts: parts.hostname != sender)
    if not usable:
        return None
    scopes = soap.text_of(match, "Scopes").split()
    name, hardware = _scope(scopes, "name"), _scope(scopes, "hardware")
    port, path = usable[0].port or 80, usable[0].path or "/onvif/device_service"
    return NetworkCamera(name or hardware or sender, "onvif", f"http://{sender}:{port}{path}", hardware)


def _parts(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def _scope(scopes: list[str], kind: str) -> str:
    told = (scope.removeprefix(f"{SCOPE}{kind}/") for scope in scopes if scope.startswith(f"{SCOPE}{kind}/"))
    return words(unquote(next(told, "")))
