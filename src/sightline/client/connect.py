"""Opens links for publishing, subscribing and listening, over what the server's address says."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from sightline.client.links import Address, Open
from sightline.wire.requests import Subscribe


def publishing(address: Address, stream: str) -> Open:
    """Return how to open links that publish a stream.

    A further one takes over from one that is lost, even where the server does not know of the loss yet.
    """
    session = secrets.token_urlsafe(12)
    if address.url.startswith("tcp"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(address, receiver, session=session)
    from sightline.client import ws  # only who uses it pays for its import

    path = f"/ws/camera/{quote(stream, safe='')}?session={session}"
    return lambda receiver: ws.connect(address, path, receiver, camera=True)


def subscribing(address: Address, stream: str, *, pictures: bool) -> Open:
    """Return how to open links that receive a stream's results."""
    if address.url.startswith("tcp"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(address, receiver, Subscribe(stream, pictures, still=pictures))
    from sightline.client import ws

    name = quote(stream, safe="")
    path = f"/ws/view/{name}?still=1" if pictures else f"/ws?stream={name}"
    return lambda receiver: ws.connect(address, path, receiver)


def listening(address: Address, stream: str | None) -> Open:
    """Return how to open links that receive the events of a stream, or of all."""
    if address.url.startswith("tcp"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(address, receiver, Subscribe(stream or "", events=True))
    from sightline.client import ws

    path = "/ws?events=1" + (f"&stream={quote(stream, safe='')}" if stream is not None else "")
    return lambda receiver: ws.connect(address, path, receiver)
