"""What hubs tell each other, as JSON under their seal."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from sightline.core.errors import ProtocolError
from sightline.core.version import __version__
from sightline.recordings.shares import MOST as MOST_SHARES
from sightline.security.tokens import MOST as MOST_TOKENS
from sightline.security.tokens import TokenRecord
from sightline.settings.cluster import MOST_HUBS
from sightline.streams.cameras import MOST as MOST_CAMERAS
from sightline.streams.kept_camera import KeptCamera

PROTOCOL = 1
"""Number of this form of messages: hubs of another one don't understand each other."""
MOST_BYTES = 16 << 20
"""Bytes of an answer."""
MOST_STREAMS = 4096
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
Short = Annotated[str, Meta(max_length=300)]
ShareId = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z")]
T = TypeVar("T")


class Version(Struct, frozen=True):
    """The part of a hub's words that never changes its form."""

    protocol: int
    version: Short
    refused: Short = ""
    """Why it tells no more to a hub that it knows; empty where it does."""


class HubState(Struct, frozen=True):
    """How a hub is, once a second."""

    protocol: int
    version: Short
    instance: Short
    """Random, made with its start."""
    up_s: Annotated[float, Meta(ge=0)]
    hubs: Annotated[tuple[Short, ...], Meta(max_length=MOST_HUBS)]
    """The list in its settings."""
    tokens: bool
    """Whether it asks for tokens."""
    tcp_port: Annotated[int, Meta(ge=1, le=65535)] | None
    ready: bool
    reason: Short
    shared: Short
    """Changes whenever what it shares does."""
    sources: Annotated[tuple[Name, ...], Meta(max_length=MOST_CAMERAS)]
    """Streams whose source its settings name."""
    streams: Annotated[tuple[Raw, ...], Meta(max_length=MOST_STREAMS)]
    """Figures of its streams, as `GET /api/streams` tells them."""


class Shared(Struct, frozen=True):
    """What the others keep of a hub, so that they can do without it."""

    tokens: Annotated[tuple[TokenRecord, ...], Meta(max_length=MOST_TOKENS)]
    """Who may sign in: hashes only."""
    cameras: Annotated[dict[Name, KeptCamera], Meta(max_length=MOST_CAMERAS)]
    shares: Annotated[tuple[ShareId, ...], Meta(max_length=MOST_SHARES)] = ()
    """Share links that have not ended: which of them there are, not what they are good for."""


def decode(data: bytes, kind: type[T]) -> T:
    """Return a message. Raises ProtocolError, also where a newer or older version sent it."""
    try:
        if kind is HubState:
            _check(msgspec.json.decode(data, type=Version))
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ProtocolError(f"it said something that no hub says: {e}"[:300]) from None


def _check(said: Version) -> None:
    if said.refused:
        raise ProtocolError(f"it refuses this hub: {said.refused}")
    if said.protocol != PROTOCOL:
        raise ProtocolError(
            f"it is version {said.version[:40]}, whose hubs speak form {said.protocol}; expected form {PROTOCOL}, that "
            f"of version {__version__}"
        )
