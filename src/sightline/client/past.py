"""What happened before: the pages of ``/api/events``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from sightline.client.asking import ask
from sightline.client.links import Address
from sightline.core.errors import ConfigError, ProtocolError
from sightline.core.events import EventFilter, EventRecord

PAGE = 100


class PastPage(Struct):
    """One answer: happenings, newest first, and where the next page begins."""

    events: list[EventRecord]
    next: str | None = None


_page = msgspec.json.Decoder(PastPage)


async def past_events(address: Address, wanted: EventFilter, **span: Any) -> AsyncGenerator[EventRecord]:
    """Yield happenings, newest first. ``span``: further keys of the query, None for those that are not asked for."""
    if not address.url.startswith("ws"):
        raise ConfigError(f"address {address.url!r}: past events come over HTTP; expected ws://HOST:PORT or wss://HOST")
    query = {"class" if key == "class_name" else key: value for key, value in wanted.given.items()}
    query |= {key: str(value).lower() for key, value in span.items() if value is not None}
    query["limit"] = str(PAGE)
    while True:
        page = await asyncio.to_thread(_ask, address, query)
        for one in page.events:
            yield one
        if page.next is None:
            return
        query["before"] = page.next


def _ask(address: Address, query: dict[str, str]) -> PastPage:
    path = f"/api/events?{urlencode(query)}"
    try:
        return _page.decode(ask(address, path))
    except msgspec.DecodeError as e:
        raise ProtocolError(f"{address.url} does not answer as Sightline does: {e}") from None
