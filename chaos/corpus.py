"""What once broke a server of this kind, this one or another: small made bytes, each with a name that says what it is.

Fuzzers begin with these and with one good message of each kind. Whatever a fuzzer finds is added here.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgspec

from support.hostile import HOSTILE
from support.serving import metadata, picture

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
JPEG = picture()
SIZE = struct.pack(">HH", 180, 320)
"""Height and width as they stand in the JPEG's header."""
NO_MASK = '"mask_bytes":'


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, chunks: bytes = b"") -> bytes:
    """A PNG's signature and header, and whatever follows. The checksums are wrong."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + bytes(4) + chunks


def chunk(kind: bytes, claims: int, data: bytes = b"") -> bytes:
    """A PNG chunk that claims so many bytes."""
    return struct.pack(">I", claims) + kind + data + bytes(4)


PICTURES: dict[str, bytes] = {
    "JPEG of 690 bytes that claims 30000x30000": JPEG[:690].replace(SIZE, struct.pack(">HH", 30000, 30000)),
    "JPEG that claims 65535x65535": JPEG.replace(SIZE, b"\xff\xff\xff\xff"),
    "JPEG that claims no pixels": JPEG.replace(SIZE, bytes(4)),
    "JPEG with 2,000 scans": JPEG[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 2000 + b"\xff\xd9",
    "JPEG with 2,000 empty comments": JPEG[:2] + b"\xff\xfe\x00\x02" * 2000 + JPEG[2:],
    "JPEG whose segment claims 65535 bytes": JPEG[:2] + b"\xff\xfe\xff\xff" + JPEG[2:],
    "JPEG whose segment claims no bytes": JPEG[:2] + b"\xff\xfe\x00\x00" + JPEG[2:],
    "JPEG of fill bytes only": b"\xff\xd8" + b"\xff" * 3000,
    "JPEG cut off in its header": JPEG[:60],
    "JPEG cut off in its pixels": JPEG[: len(JPEG) // 2],
    "JPEG lossless": JPEG.replace(b"\xff\xc0", b"\xff\xc3"),
    "JPEG arithmetic": JPEG.replace(b"\xff\xc0", b"\xff\xc9"),
    "JPEG of 12 bits": JPEG.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "JPEG with two frame headers": JPEG.replace(b"\xff\xda", JPEG[JPEG.index(b"\xff\xc0") :][:19] + b"\xff\xda", 1),
    "PNG of 91 bytes that claims 65535x65535": png(65535, 65535, chunks=chunk(b"IDAT", 14, bytes(14)) * 2 + bytes(6)),
    "PNG with a chunk that claims 4 GB": png(64, 64, chunks=chunk(b"iCCP", 0xFFFFFFFF)),
    "PNG with a text of zeros, zip-like": png(64, 64, chunks=chunk(b"zTXt", 40, b"a\0\0x\x9c" + bytes(35))),
    "GIF": b"GIF89a\xff\xff\xff\xff\x00\x00\x00;",
    "zip": b"PK\x03\x04" + bytes(40),
    "nothing": b"",
}

SEEN = '"model":"motion","backend":"wasm","threads":1,"processing_time_ms":1'
TEXTS: dict[str, str] = {
    "arrays in arrays": "[" * 30000,
    "objects in objects": '{"type":' * 4000,
    "lone surrogate": '{"type":"\\ud800"}',
    "not a number": '{"type":"ping","timestamp":NaN}',
    "number without end": '{"type":"ping","timestamp":1e999}',
    "number of 5,000 digits": '{"type":"ping","timestamp":' + "9" * 5000 + "}",
    "key twice": '{"type":"ping","type":"frame_metadata","timestamp":1}',
    "control characters for the log": '{"type":"\\r\\n\\u001b[2J12:00:00 ERROR fake line"}',
    "time before time": metadata(1, timestamp=-1),
    "time at the end of numbers": metadata(1, timestamp=2**53 - 1),
    "frame number beyond": metadata(2**63),
    "sides that no picture has": metadata(1, width=65535, height=65535),
    "settings of every type": '{"type":"settings","model":{},"imgsz":[],"confidence":"","classes":{"a":1}}',
    "settings beyond": '{"type":"settings","confidence":1e308,"imgsz":-1,"max_detections":2147483648}',
    "look of every type": '{"type":"look","mode":[],"opacity":{}}',
    "figures without end": '{"type":"performance_stats","fps":1e308,"latency":-0.0,"queueSize":9007199254740992}',
    "ack of what never was": '{"type":"ack","frameNumber":9007199254740991}',
    "mask longer than the message": metadata(1)[:-1] + f',"results":{{{SEEN},"mask_bytes":1048576}}}}',
    "boxes turned round": metadata(1)[:-1]
    + f',"results":{{{SEEN},"detections":[{{"class_id":0,"confidence":1,"xyxy":[9,9,0,0]}}]}}}}',
}

ORIGINS: dict[str, str] = {
    "address with an open bracket": "http://[::1",
    "address with a scope": "http://[fe80::1%25eth0]",
    "port beyond": "http://127.0.0.1:99999",
    "port that is a word": "http://127.0.0.1:http",
    "nothing before the colon": "://",
    "null": "null",
    "not Latin": "http://\xe4\xf6\xfc",
    "sixty thousand letters": "http://" + "a" * 60000,
}
"""Values for the headers Origin and Host. An open bracket once was a 500 on every page."""

SDP: dict[str, list[tuple[str, str]]] = {
    "channel of 330 bytes, which ended the worker": [("a=max-message-size:262144", "a=max-message-size:330")],
    "channel of no bytes": [("a=max-message-size:262144", "a=max-message-size:0")],
    "channel of minus one": [("a=max-message-size:262144", "a=max-message-size:-1")],
    "no fingerprint": [("a=fingerprint:sha-256", "a=finger")],
    "another hash": [("a=fingerprint:sha-256", "a=fingerprint:md5")],
    "no password": [("a=ice-pwd:", "a=ice:")],
    "both are servers": [("a=setup:actpass", "a=setup:passive")],
    "payload type beyond": [("a=rtpmap:97", "a=rtpmap:999")],
    "port that is a word": [("m=video 9", "m=video nine")],
    "no mid": [("a=mid:", "a=middle:")],
    "bundle of nobody": [("a=group:BUNDLE 0 1", "a=group:BUNDLE 7 8")],
}
"""Changes of an offer: what is replaced by what."""


def tcp_messages() -> dict[str, bytes]:
    """Bodies of TCP messages: those that no honest peer sends, and one good one of each kind."""
    golden: dict[str, Any] = json.loads((GOLDEN / "tcp.json").read_text())
    good = {
        f"good {name}": bytes.fromhex(case["hex"])[4:]
        for name, case in golden.items()
        if case["map"]["type"] in ("frame", "close", "subscribe", "unsubscribe", "ping", "settings")
    }
    bad = {
        f"frame of a {name}": msgspec.msgpack.encode(
            {"type": "frame", "stream": "fuzz", "seq": 1, "timestamp": 1, "format": "jpeg", "data": data}
        )
        for name, data in PICTURES.items()
    }
    return good | HOSTILE | bad
