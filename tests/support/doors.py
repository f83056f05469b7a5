"""What each door of a server needs: each HTTP route, socket, TCP message and message of a data channel.

``tests/security/test_authorization_walk.py`` tries them all. Whoever adds a door says here what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sightline.security.tokens import Role

HERE, THERE = "here", "there"
"""The stream that is asked for, and another one."""


@dataclass(frozen=True)
class Needs:
    """One of these roles on the stream that is asked for."""

    roles: tuple[Role, ...] = ()
    every: bool = False
    """On all streams."""
    own: bool = False
    """On any stream: one sees what is of one's own."""
    public: bool = False

    def allows(self, role: Role | None, stream: str) -> bool:
        if self.public or role is None:
            return self.public
        if not self.roles:
            return True
        return (role in self.roles or role == "admin") and (
            self.own or stream == "*" or (stream == HERE and not self.every)
        )


PUBLIC = Needs(public=True)
ANYBODY_KNOWN = Needs()
VIEW, PUBLISH, ADMIN = Needs(("view",)), Needs(("publish",)), Needs(("admin",))
EITHER = Needs(("view", "publish"))
PUBLISH_ALL = Needs(("publish",), every=True)
VIEW_ALL = Needs(("view",), every=True)
ADMIN_ALL = Needs(("admin",), every=True)

NEEDS = {
    "GET /": PUBLIC,
    "GET /events": PUBLIC,
    "GET /wall": PUBLIC,
    "GET /models": PUBLIC,
    "GET /timeline": PUBLIC,
    "GET /away": PUBLIC,
    "GET /join": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /help": PUBLIC,
    "GET /help/{name}": PUBLIC,
    "GET /help/images/{file:path}": PUBLIC,
    "GET /settings": PUBLIC,
    "GET /trust": PUBLIC,
    "GET /share/{link}": PUBLIC,
    "GET /api/shared/{link}": PUBLIC,  # and a link that is good: tests/recordings/test_shares.py
    "GET /api/shared/{link}/file": PUBLIC,
    "WS /ws/shared/{link}": PUBLIC,
    "GET /camera/{stream}": PUBLIC,
    "GET /view/{stream}": PUBLIC,
    "GET /embed/{stream}": PUBLIC,
    "GET /embed.js": PUBLIC,
    "GET /favicon.ico": PUBLIC,
    "GET /language.json": PUBLIC,
    "GET /static": PUBLIC,
    "GET /ca.crt": PUBLIC,
    "GET /ca.mobileconfig": PUBLIC,
    "GET /health": PUBLIC,
    "GET /ready": PUBLIC,
    "GET /api/trust": PUBLIC,
    "GET /api/session": PUBLIC,
    "POST /api/session": PUBLIC,
    "DELETE /api/session": PUBLIC,
    "GET /openapi.json": ANYBODY_KNOWN,
    "POST /api/tickets": ADMIN,
    "GET /api/tokens": ADMIN_ALL,
    "POST /api/tokens": ADMIN_ALL,
    "DELETE /api/tokens/{id}": ADMIN_ALL,
    "GET /api/settings": ADMIN_ALL,
    "PATCH /api/settings": ADMIN_ALL,
    "GET /api/lan": ADMIN_ALL,
    "POST /api/lan": ADMIN_ALL,  # and at the server's own machine: tests/server/test_lan_mode.py
    "DELETE /api/lan": ADMIN_ALL,
    "GET /api/server": ADMIN_ALL,
    "GET /api/hubs": ADMIN_ALL,
    "GET /api/hubs/state": PUBLIC,
    "GET /api/hubs/shared": PUBLIC,
    "GET /api/logs": ADMIN_ALL,
    "POST /api/doctor": ADMIN_ALL,
    "GET /api/outputs": ADMIN_ALL,
    "POST /api/outputs": ADMIN_ALL,
    "PATCH /api/outputs/{id}": ADMIN_ALL,
    "DELETE /api/outputs/{id}": ADMIN_ALL,
    "POST /api/outputs/{id}/test": ADMIN_ALL,
    "GET /stats": VIEW_ALL,
    "GET /metrics": VIEW_ALL,
    "GET /api/streams": ANYBODY_KNOWN,
    "POST /api/sources/test": Needs(("admin",), every=True),
    "POST /api/sources/find": Needs(("admin",), every=True),
    "POST /api/sources/profiles": Needs(("admin",), every=True),
    "POST /api/streams": Needs(("admin",), every=True),
    "DELETE /api/streams/{stream}": ADMIN,
    "GET /api/streams/{stream}": EITHER,
    "PATCH /api/streams/{stream}": PUBLISH,
    "GET /api/streams/{stream}/thumbnail.jpg": VIEW,
    "GET /api/streams/{stream}/in-browser": PUBLISH,
    "GET /api/streams/{stream}/history": VIEW,
    "GET /api/recordings/{stream}/thumbnail.jpg?at=1": VIEW,
    "GET /api/streams/{stream}/zones": EITHER,
    "GET /api/streams/{stream}/heatmap.png": VIEW,
    "PUT /api/streams/{stream}/zones/{name}": PUBLISH,
    "GET /api/streams/{stream}/rules": EITHER,
    "PUT /api/streams/{stream}/rules/{name}": PUBLISH,
    "DELETE /api/streams/{stream}/rules/{name}": PUBLISH,
    "POST /api/streams/{stream}/rules/test": PUBLISH,
    "POST /api/streams/{stream}/rules/test/clip": PUBLISH,
    "PUT /api/streams/{stream}/lines/{name}": PUBLISH,
    "POST /api/streams/{stream}/zones/{name}/reset": PUBLISH,
    "POST /api/streams/{stream}/lines/{name}/reset": PUBLISH,
    "DELETE /api/streams/{stream}/zones/{name}": PUBLISH,
    "DELETE /api/streams/{stream}/lines/{name}": PUBLISH,
    "GET /api/events": Needs(("view",), own=True),
    "GET /api/events?stream={stream}": VIEW,
    "GET /api/events/live": Needs(("view",), own=True),
    "GET /api/events/live?stream={stream}": VIEW,
    "GET /api/events/{id}": Needs(("view",), own=True),
    "GET /api/events/{id}/picture.jpg": Needs(("view",), own=True),
    "GET /api/events/{id}/clip": Needs(("view",), own=True),
    "GET /api/events/{id}/clip.mp4": Needs(("view",), own=True),
    "GET /api/events/{id}/crop.jpg": Needs(("view",), own=True),
    "DELETE /api/events/{id}": Needs(("publish",), own=True),
    "GET /api/recordings": ANYBODY_KNOWN,
    "GET /api/search": Needs(("view",), own=True),
    "GET /api/search?class=dog&stream={stream}": VIEW,
    "GET /api/recordings/{stream}": VIEW,
    "GET /api/recordings/{stream}/marks": VIEW,
    "GET /api/recordings/{stream}/segments/{id}.mp4": VIEW,
    "GET /api/recordings/{stream}/segments/{id}.jsonl": VIEW,
    "POST /api/recordings/{stream}/record": PUBLISH,
    "POST /api/recordings/{stream}/clips": PUBLISH,
    "PUT /api/recordings/{stream}/protected": PUBLISH,
    "DELETE /api/recordings/{stream}": ADMIN,
    "POST /api/recordings/{stream}/exports": PUBLISH,
    "POST /api/recordings/{stream}/replays": PUBLISH,
    "GET /api/replays": ANYBODY_KNOWN,
    "GET /api/replays/{id}": ANYBODY_KNOWN,
    "GET /api/replays/{id}/outcome": Needs(("view",), own=True),
    "DELETE /api/replays/{id}": Needs(("publish",), own=True),
    "POST /api/imports": ADMIN_ALL,
    "GET /api/imports": ADMIN_ALL,
    "GET /api/imports/{id}": ADMIN_ALL,
    "DELETE /api/imports/{id}": ADMIN_ALL,
    "POST /api/recordings/{stream}/shares": ADMIN,
    "GET /api/shares": ANYBODY_KNOWN,  # of the streams whose admin one is
    "DELETE /api/shares/{id}": Needs(("admin",), own=True),
    "GET /api/exports": ANYBODY_KNOWN,
    "GET /api/exports/{id}": ANYBODY_KNOWN,
    "GET /api/exports/{id}/file": Needs(("view",), own=True),
    "DELETE /api/exports/{id}": Needs(("publish",), own=True),
    "GET /api/camera/{stream}/stats": EITHER,
    "GET /api/models": ANYBODY_KNOWN,
    "GET /api/models/{name}/file": ANYBODY_KNOWN,
    "GET /api/push": ANYBODY_KNOWN,
    "POST /api/push/devices": VIEW,
    "DELETE /api/push/devices/{device}": ANYBODY_KNOWN,  # only of those that subscribed by this very token
    "POST /api/predict": PUBLISH_ALL,
    "POST /api/models/{name}/weights": ADMIN_ALL,
    "DELETE /api/models/{name}/weights": ADMIN_ALL,
    "DELETE /api/models/{name}": ADMIN_ALL,
    "POST /api/models/upload": ADMIN_ALL,
    "POST /api/models/upload/{upload}": ADMIN_ALL,
    "DELETE /api/models/upload/{upload}": ADMIN_ALL,
    "GET /mjpeg/{stream}": VIEW,
    "GET /video/{stream}.mp4": VIEW,
    "GET /snapshot/{stream}.jpg": VIEW,
    "GET /api/webrtc": ANYBODY_KNOWN,
    "OPTIONS /whip/{stream}": ANYBODY_KNOWN,
    "POST /whip/{stream}": PUBLISH,
    "PATCH /whip/{stream}/{session}": PUBLISH,
    "DELETE /whip/{stream}/{session}": PUBLISH,
    "OPTIONS /whep/{stream}": ANYBODY_KNOWN,
    "POST /whep/{stream}": VIEW,
    "PATCH /whep/{stream}/{session}": VIEW,
    "DELETE /whep/{stream}/{session}": VIEW,
    "WS /ws/camera/{stream}": PUBLISH,
    "WS /ws/view/{stream}": VIEW,
    "WS /ws/tiles": ANYBODY_KNOWN,  # and view of each stream that it names
    "WS /ws/playback/{stream}": VIEW,
    "WS /ws": VIEW_ALL,
    "WS /ws?stream={stream}": VIEW,
    "WS /ws?events=1": VIEW_ALL,
    "WS /ws?events=1&stream={stream}": VIEW,
}
"""What each door needs. Those with a query are the door ``/ws``."""

GUEST = "https://home.example"
"""Origin of the pages that may show streams."""
OPEN_TO_GUESTS = {
    "GET /embed.js",
    "GET /embed/{stream}",
    "GET /static",
    "GET /api/webrtc",
    "GET /api/streams/{stream}/thumbnail.jpg",
    "GET /api/streams/{stream}/zones",
    "GET /mjpeg/{stream}",
    "GET /video/{stream}.mp4",
    "GET /snapshot/{stream}.jpg",
    "OPTIONS /whep/{stream}",
    "POST /whep/{stream}",
    "PATCH /whep/{stream}/{session}",
    "DELETE /whep/{stream}/{session}",
    "WS /ws/view/{stream}",
    "WS /ws",
    "WS /ws?stream={stream}",
    "WS /ws?events=1",
    "WS /ws?events=1&stream={stream}",
}
"""What those pages may ask for, with a token that has the right."""

TCP_NEEDS = {
    "auth": ANYBODY_KNOWN,
    "frame": PUBLISH,
    "close": ANYBODY_KNOWN,
    "subscribe": VIEW,
    "subscribe to all events": VIEW_ALL,
    "unsubscribe": ANYBODY_KNOWN,
    "settings": ANYBODY_KNOWN,  # of a stream that this very connection publishes, which needed publish
    "ping": ANYBODY_KNOWN,
}
"""What each message of a TCP peer needs, by its type."""

CHANNELS = {"whip": {"ping", "clock", "settings", "background"}, "whep": {"ping", "ack", "performance_stats", "look"}}
"""What a data channel takes: a viewer's takes nothing that changes a stream."""

BODIES: dict[str, Any] = {
    "POST /api/tickets": {"role": "view", "stream": HERE},
    "POST /api/push/devices": {
        "endpoint": "https://nowhere.example",
        "keys": {"p256dh": "-", "auth": "-"},
        "streams": [HERE],
    },
    "PATCH /api/streams/{stream}": {"max_fps": 5},
    "PUT /api/streams/{stream}/zones/{name}": {"points": [[0, 0], [1, 0], [1, 1]]},
    "PUT /api/streams/{stream}/lines/{name}": {"points": [[0, 0], [1, 0]]},
}
