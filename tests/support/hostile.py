"""Messages over TCP that no honest peer sends."""

from __future__ import annotations

import msgspec

NEST = b"\x82\xa4type\xa4ping\xa1x"
HOSTILE = {
    "empty": b"",
    "not a map": b"\xc0",
    "an array": b"\x93\x01\x02\x03",
    "no type": b"\x80",
    "unknown type": msgspec.msgpack.encode({"type": "reboot"}),
    "type is an extension": b"\x81\xa4type\xc7\x01\x05a",
    "time is an extension": b"\x82\xa4type\xa4ping\xa9timestamp\xd6\xff\x00\x00\x00\x00",
    "reserved byte": b"\xc1",
    "cut off": msgspec.msgpack.encode({"type": "ping", "timestamp": 1.5})[:-1],
    "more than one": msgspec.msgpack.encode({"type": "ping", "timestamp": 1.5}) * 2,
    "arrays in arrays": NEST + b"\x91" * 1_000_000 + b"\xc0",
    "maps in maps": NEST + b"\x81\xa1a" * 1_000_000 + b"\xc0",
    "a string of 4 GB": b"\x81\xa4type\xdb\xff\xff\xff\xff",
    "a binary of 4 GB": b"\x82\xa4type\xa5frame\xa4data\xc6\xff\xff\xff\xff",
    "an array of 4 G": NEST[:-2] + b"\xa1x\xdd\xff\xff\xff\xff",
    "a map of 4 G": b"\xdf\xff\xff\xff\xff\xa4type\xa4ping",
    "a number as key": b"\x82\xa4type\xa4ping\x01\x02",
    "bad UTF-8": b"\x82\xa4type\xa4auth\xa5token\xa1\xff",
    "not a number": msgspec.msgpack.encode({"type": "frame", "stream": "a", "seq": float("nan"), "data": b""}),
    "negative seq": msgspec.msgpack.encode({"type": "frame", "stream": "a", "seq": -1, "timestamp": 1, "data": b""}),
    "huge seq": msgspec.msgpack.encode({"type": "frame", "stream": "a", "seq": 2**63, "timestamp": 1, "data": b""}),
    "data as text": msgspec.msgpack.encode({"type": "frame", "stream": "a", "seq": 1, "timestamp": 1, "data": "x"}),
    "no data": msgspec.msgpack.encode({"type": "frame", "stream": "a", "seq": 1, "timestamp": 1}),
    "a PNG": msgspec.msgpack.encode(
        {"type": "frame", "stream": "a", "seq": 1, "timestamp": 1, "format": "png", "data": b""}
    ),
    "a long name": msgspec.msgpack.encode({"type": "subscribe", "stream": "x" * 1000}),
    "much besides the picture": msgspec.msgpack.encode({"type": "ping", "timestamp": 1, "more": "x" * 5000}),
}
