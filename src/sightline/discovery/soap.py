"""SOAP messages as ONVIF devices take them, and a reader of their answers that nobody can harm by what is in them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape

from sightline.core.errors import SourceError

MOST_BYTES = 1 << 20
MOST_ELEMENTS = 20_000
MOST_DEEP = 40
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"


class NoAnswer(SourceError):
    """What came is no answer of an ONVIF device."""


def envelope(body: str, *, header: str = "") -> bytes:
    """Return a message. Raises nothing: both are XML already."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def login(user: str, password: str, now: datetime) -> str:
    """Return the header that says who asks, by WS-Security's digest. The password itself is not in it.

    ``now``: the device's time, as it refuses what is too old.
    """
    nonce, created = secrets.token_bytes(16), now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
    return (
        f'<Security s:mustUnderstand="1" xmlns="{SECURITY}-wssecurity-secext-1.0.xsd"><UsernameToken>'
        f"<Username>{escape(user)}</Username>"
        f'<Password Type="{SECURITY}-username-token-profile-1.0#PasswordDigest">{_text(digest)}</Password>'
        f'<Nonce EncodingType="{SECURITY}-soap-message-security-1.0#Base64Binary">{_text(nonce)}</Nonce>'
        f'<Created xmlns="{SECURITY}-wssecurity-utility-1.0.xsd">{created}</Created>'
        "</UsernameToken></Security>"
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def parse(data: bytes) -> Element:
    """Return the root; names of elements and attributes are without their namespaces. Raises NoAnswer.

    No document type is taken, so no entity stands for others or for a file.
    """
    if len(data) > MOST_BYTES:
        raise NoAnswer(f"an answer of {len(data)} bytes: expected at most {MOST_BYTES}")
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    number = depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal number, depth
        number, depth = number + 1, depth + 1
        if number > MOST_ELEMENTS or depth > MOST_DEEP:
            raise NoAnswer("an answer with too many parts: expected that of a camera")
        builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(name))

    def refuse(*_: object) -> None:
        raise NoAnswer("an answer with a document type: expected that of a camera")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError):
        raise NoAnswer("an answer that is no XML: expected that of an ONVIF device") from None


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def text_of(element: Element | None, *path: str) -> str:
    """Return the text of a part, found by the names on the way to it; empty where there is none."""
    for name in path:
        element = None if element is None else element.find(name)
    return "" if element is None else (element.text or "").strip()


def number_of(element: Element | None, *path: str, kind: Callable[[str], float] = int) -> int:
    """Return the whole number there; 0 where there is none."""
    try:
        return max(0, min(1 << 20, round(kind(text_of(element, *path)))))
    except (ValueError, OverflowError):
        return 0
