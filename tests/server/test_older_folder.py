"""A data folder of an earlier version: all that it has is there. What is written here is what that version wrote."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from support.inside import inside

TOKEN = "slt_of-an-earlier-version"
AT = 1_796_067_748.0
LINK = "adc3564ac805.ilj6ch7uTdYtxm5AL2GmFuE2Ugwwkeop"
"""What the first version made of the share and the key below."""
BOX = {"points": [[0.02, 0.02], [0.98, 0.02], [0.98, 0.98]], "classes": None, "min_size": 0.0, "anchor": "bottom"}
COUNTED = {"into": {"person": 5}, "out": {"person": 4}}
FILES: dict[str, Any] = {
    "cameras.json": {
        "door": {"source": "rtsp://camera.invalid/1", "name": "Front door", "group": "Outside", "paused": True},
        "yard": {"order": 1, "record": "events"},
    },
    "zones.json": {
        "door": {
            "zones": {"drive": {**BOX, "color": None, "ground": None, "loiter_s": None}},
            "lines": {"gate": {"points": [[0.5, 0.0], [0.5, 1.0]], "classes": [], "color": None}},
            "rules": {
                "visitor": {
                    **{"enabled": True, "when": "object", "classes": ["person"], "zone": "drive", "line": None},
                    **{"direction": None, "at_least": 1, "for_s": 0.5, "hours": None, "outside": False, "days": None},
                    **{"cooldown_s": 5.0, "actions": ["notify", "webhook", "mqtt", "command"]},
                }
            },
            "counts": {
                "zones": {
                    "drive": {
                        **{"since": AT, "total": COUNTED, "hours": {"2026-11-30T19": COUNTED}},
                        **{"days": {"2026-11-30": COUNTED}, "most": 2},
                        "dwell": {"person": {"visits": 4, "seconds": 85.2, "longest": 25.3}},
                    }
                },
                "lines": {},
                "now": {"drive": {}},
            },
            "fired": {"visitor": {"fired": 5, "last": AT}},
        }
    },
    "settings.json": {"allowed_hosts": ["camera.lan"], "events_days": 3650.0},
    "tokens.json": {
        "tokens": [
            {
                **{"id": "6c38059f", "hash": hashlib.sha256(TOKEN.encode()).hexdigest(), "role": "admin"},
                **{"stream": "*", "created": AT, "expires": None, "kind": "token"},
            }
        ],
        "version": 1,
    },
    "shares.json": {
        "shares": [
            {
                **{"id": "adc3564ac805", "stream": "door", "start": AT, "end": AT + 10, "export": ""},
                **{"made_at": AT, "ends_at": 1e10, "by": "93eb79fd"},
            }
        ],
        "version": 1,
    },
    "push.json": {
        "devices": [
            {
                "id": "4e9bdab8bbe7189c00aebb0922fc49fe",
                "endpoint": "https://fcm.googleapis.com/fcm/send/abc",
                "p256dh": "BKHjgZG8hrbDfJhFD6fqI6GDBaF5kUZxGBThS2hnJhY-ZukFnF6B15eA9bYKRtXSIG1wEhSzAlhqdOEydeQojQw",
                **{"auth": "YeT8l3LwgOBE4bczn-fbTw", "streams": ["*"], "since": AT},
                "token": hashlib.sha256(TOKEN.encode()).hexdigest(),
            }
        ],
        "version": 1,
    },
    "outputs.json": {"webhook": {"kind": "webhook", "url": "http://127.0.0.1:9/", "stream": "door"}},
}
EVENTS = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, stream TEXT NOT NULL, kind TEXT NOT NULL,
    class_name TEXT NOT NULL, zone TEXT NOT NULL, rule TEXT NOT NULL, started REAL NOT NULL, ended REAL,
    body BLOB NOT NULL, picture INTEGER NOT NULL, shot BLOB, hidden INTEGER NOT NULL DEFAULT 0);
CREATE INDEX events_of ON events (stream, number);
CREATE INDEX lasting ON events (number) WHERE ended IS NULL;
CREATE INDEX pictures ON events (picture) WHERE picture > 0;
CREATE TABLE messages (number INTEGER PRIMARY KEY, id TEXT NOT NULL, phase TEXT NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX once ON messages (id, phase) WHERE phase != 'update';
CREATE INDEX messages_of ON messages (id);
CREATE TABLE cursors (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
PRAGMA user_version = 1;
"""
NUMBER = 1_796_067_748_369
BODY = (
    b'{"id":"fd-26","stream":"door","kind":"zone","class_name":"person","zone":"drive","rule":"","direction":"",'
    b'"track":15,"box":[3.3,5.0,45.8,17.2],"started_at":1796067748.3,"ended_at":1796067749.8,"seconds":0.5,'
    b'"speed":null,"reason":"it was seen no more","start_seq":764,"end_seq":803,'
    b'"snapshot":"/api/events/fd-26/picture.jpg"}'
)
SHOT = b'{"size":7,"detection":{"class_id":0,"class_name":"person","confidence":0.3,"xyxy":[2.3,1.4,38.7,26.6]}}'


def make(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "shares.key").write_bytes(bytes(range(32)))
    pictures = folder / "events" / "pictures" / str(NUMBER // 86_400_000)
    pictures.mkdir(parents=True)
    (pictures / f"{NUMBER}.jpg").write_bytes(b"picture")
    database = sqlite3.connect(folder / "events" / "events.db")
    database.executescript(EVENTS)
    row = (NUMBER, "fd-26", "door", "zone", "person", "drive", "", AT, AT + 1, BODY, 7, SHOT)
    database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", row)
    database.commit()
    database.close()


def put_aside(folder: Path) -> list[Path]:
    return [*folder.rglob("*.bad*")]


async def test_all_that_an_earlier_version_kept_is_there(tmp_path: Path) -> None:
    make(tmp_path)
    async with inside(data=tmp_path, tokens=True) as server:

        async def get(path: str) -> Any:
            request = Request(server.http + path, headers={"Authorization": f"Bearer {TOKEN}"})
            with await asyncio.to_thread(urlopen, request) as answer:
                return json.loads(answer.read()) if "json" in answer.headers["Content-Type"] else answer.read()

        streams = {one["name"]: one for one in (await get("/api/streams"))["streams"]}
        door = streams["door"]
        assert (door["display_name"], door["group"], door["state"]) == ("Front door", "Outside", "paused")
        zones = await get("/api/streams/door/zones")
        assert zones["zones"]["drive"]["counts"]["total"] == {"in": {"person": 5}, "out": {"person": 4}}
        assert zones["lines"]["gate"]["line"]["classes"] is None
        rule = (await get("/api/streams/door/rules"))["rules"]["visitor"]
        assert (rule["fired"], rule["last"]) == (5, AT)
        settings = {one["name"]: one["value"] for one in (await get("/api/settings"))["settings"]}
        assert (settings["events_days"], settings["allowed_hosts"]) == (3650, ["camera.lan"])
        assert [one["id"] for one in (await get("/api/shares"))["shares"]] == ["adc3564ac805"]
        assert (await get(f"/api/shared/{LINK}"))["name"] == "Front door"
        assert [one["id"] for one in (await get("/api/outputs"))["outputs"]] == ["webhook"]
        (happened,) = (await get("/api/events?zone=drive"))["events"]
        assert (happened["id"], happened["class_name"]) == ("fd-26", "person")
        assert await get("/api/events/fd-26/picture.jpg") == b"picture"
        assert (await get("/stats"))["push"]["devices"] == 1
    assert not put_aside(tmp_path)
