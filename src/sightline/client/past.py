"""What happened before: the pages of ``/api/events``."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import msgspec
from msgspec import Struct

from sightline.client.answers import error_of
from sightline.client.links import CONNECT_S, Address, untrusted
from sightline.core.errors import ConfigError, ProtocolError, Unreachable
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
    url = address.url.replace("ws", "http", 1) + f"/api/events?{urlencode(query)}"
    headers = {} if address.token is None else {"Authorization": f"Bearer {address.token}"}
    try:
        with urlopen(Request(url, headers=headers), timeout=CONNECT_S, context=address.context()) as answer:
            return _page.decode(answer.read())
    except HTTPError as e:
        with e:
            raise _refused(url, e) from None
    except msgspec.DecodeError as e:
        raise ProtocolError(f"{url} does not answer as Sightline does: {e}") from None
    except OSError as e:
        reason = e.reason if isinstance(e, URLError) else e
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise untrusted(address.url, reason) from None
        raise Unreachable(f"can't reach {address.url}: {reason}") from None


def _refused(url: str, answer: HTTPError) -> Exception:
    try:
        error = json.loads(answer.read())["error"]
        return error_of(error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return Unreachable(f"{url} answered with HTTP status {answer.code}: expected Sightline's server")
