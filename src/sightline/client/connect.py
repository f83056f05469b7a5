"""Links by what they are for and by the scheme of the server's address."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from sightline.client.links import Open, Place
from sightline.wire import msgpack as frames


def publishing(place: Place, stream: str) -> Open:
    """Opens links that publish a stream. The next one takes over from one that is lost, though the server may not know
    that yet."""
    session = secrets.token_urlsafe(12)
    if place.url.startswith("tcp"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(place, receiver, session=session)
    from sightline.client import ws  # only who uses it pays for its import

    path = f"/ws/camera/{quote(stream, safe='')}?session={session}"
    return lambda receiver: ws.connect(place, path, receiver, camera=True)


def subscribing(place: Place, stream: str, *, pictures: bool) -> Open:
    """Opens links that receive a stream."""
    if place.url.startswith("tcp"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(place, receiver, frames.Subscribe(stream, pictures, still=pictures))
    from sightline.client import ws

    name = quote(stream, safe="")
    path = f"/ws/view/{name}?still=1" if pictures else f"/ws?stream={name}"
    return lambda receiver: ws.connect(place, path, receiver)
