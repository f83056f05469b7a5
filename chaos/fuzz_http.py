"""Fuzzers of HTTP: every route with odd methods, names, queries, headers and bodies; offers of WebRTC; tokens."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
from aiortc import RTCConfiguration, RTCPeerConnection

from chaos.common import Finding, Watched, watched
from chaos.corpus import ORIGINS, PICTURES, SDP, TEXTS
from chaos.fuzzing import COUNT, SHORT, Session, Tally, Undocumented, fuzz, some
from chaos.mutation import ODD, altered, mutated
from sightline.security.tokens import Store
from support.rtc import Clip
from support.tcp_peer import packed

OFFERS, OFFERS_SHORT = 2_000, 50
"""An offer that is taken costs a certificate and a connection: fewer than of the others."""
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT", "TRACE", "BREW")
NAMES = (
    "fuzz",
    "fuzz",
    "a b",
    "..",
    "%00",
    "x" * 65,
    "\u00e4",
    "a/b",
    "",
    "%2e%2e%2fetc",
    "nano",
    "x" * 5000,
)
PAGES = ("/", "/join", "/trust", "/camera/fuzz", "/view/fuzz", "/static/css/style.css", "/static/%2e%2e/app.py", "/ws")
KINDS = (
    *("application/json", "application/sdp", "application/trickle-ice-sdpfrag", "text/plain", "x", ""),
    *("image/jpeg", "multipart/form-data; boundary=x"),
)
BODIES = (
    {"preset": "lan", "max_fps": 5, "confidence": 0.5, "classes": ["person"], "imgsz": 320},
    {"role": "view", "stream": "fuzz", "expires_s": 60},
    {"token": "slt_fuzz", "ticket": "x"},
)
ENDLESS_S = 0.5
MOST = 1 << 16


async def routes(house: Watched) -> list[str]:
    """The paths of the API, and those of the pages."""
    return [*(await house.server.get("/openapi.json"))["paths"], *PAGES]


def request(rng: random.Random, paths: Sequence[str], host: str) -> bytes:
    """One request, which may be none."""
    path = rng.choice(paths)
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + quote(rng.choice(NAMES), safe="/%") + rest.partition("}")[2]
    if rng.random() < 0.4:
        keys = ("mode", "opacity", "results", "preset", "session", "stream", "render", "still", "x")
        path += "?" + "&".join(
            f"{rng.choice(keys)}={quote(str(rng.choice(ODD)), errors='replace')}" for _ in range(rng.randint(1, 4))
        )
    body = b""
    if rng.random() < 0.6:
        body = json.dumps(altered(rng, rng.choice(BODIES))).encode()
    elif rng.random() < 0.3:
        body = b"--x\r\nContent-Disposition: form-data; name=image; filename=a.jpg\r\n\r\n"
        body += rng.choice([*PICTURES.values()])[:60000] + rng.choice((b"\r\n--x--\r\n", b"\r\n--x\r\n", b""))
    elif rng.random() < 0.5:
        body = rng.choice((*PICTURES.values(), *(text.encode() for text in TEXTS.values())))[:60000]
    headers = [f"Host: {host if rng.random() < 0.97 else rng.choice(list(ORIGINS.values()))}"]
    headers += [f"Content-Type: {rng.choice(KINDS)}", f"Content-Length: {len(body)}"]
    if rng.random() < 0.1:
        headers.append(f"Origin: {rng.choice(list(ORIGINS.values()))}")
    if rng.random() < 0.1:
        headers.append(f"{rng.choice(('Accept', 'Range', 'Cookie', 'If-None-Match', 'Expect'))}: {rng.choice(ODD)}")
    head = f"{rng.choice(METHODS)} {path} HTTP/1.1\r\n" + "\r\n".join(headers) + "\r\n\r\n"
    whole = head.encode("utf-8", errors="replace") + body
    return mutated(rng, whole) if rng.random() < 0.1 else whole


async def answer(reader: asyncio.StreamReader, *, head_only: bool) -> tuple[int, bool]:
    """The status of the next answer, and whether another one may follow."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split()[1])
    length = head.partition("content-length:")[2].split("\r\n")[0].strip()
    if head_only or status in (101, 204, 304):
        return status, status != 101
    if not length:  # an endless one, or in chunks
        return status, False
    await reader.readexactly(int(length))
    return status, "connection: close" not in head


def session_with(house: Watched, paths: Sequence[str]) -> Session:
    """Connections with one server, each of a few requests."""
    host, port = house.place

    async def session(rng: random.Random, tally: Tally, sent: list[bytes]) -> str:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
        last = "no answer"
        try:
            for _ in range(some(rng, 16)):
                data = request(rng, paths, f"{host}:{port}")
                leaves = rng.random() < 0.02
                if leaves:
                    data = data[: rng.randint(1, len(data))]
                sent.append(data[:5000])
                writer.write(data)
                tally.taken += 1
                if leaves:  # before the whole of it has come
                    await writer.drain()
                    return "left"
                async with asyncio.timeout(ENDLESS_S if not data.startswith(b"GET") else 20):
                    status, more = await answer(reader, head_only=data.startswith(b"HEAD"))
                if status >= 500 and status not in (501, 503):
                    raise Undocumented(f"status {status}")
                last = f"{status // 100}xx"
                if not more:
                    break
        except TimeoutError:
            last = "request without end"
        except (asyncio.IncompleteReadError, ConnectionError):
            last = "closed"
        finally:
            writer.transport.abort()
        return last

    return session


async def http(short: bool) -> Sequence[Finding]:
    """Fuzz all routes."""
    async with watched("--model", "motion", env={"SIGHTLINE_REQUEST_TIMEOUT": "2"}) as house:
        _, finding = await fuzz(house, "http", session_with(house, await routes(house)), SHORT if short else COUNT)
        return [finding]


# Offers


async def offer() -> str:
    """A good offer of a camera with a data channel."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver(Clip(), "sendonly")
    connection.createDataChannel("sightline")
    await connection.setLocalDescription(await connection.createOffer())
    made = connection.localDescription.sdp
    await connection.close()
    return made


def changed(rng: random.Random, good: str) -> bytes:
    """An offer with lines that are odd, gone, or there twice."""
    lines = good.splitlines()
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(lines))
        what = rng.random()
        if what < 0.3:
            del lines[at]
        elif what < 0.5:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif what < 0.8:
            words = lines[at].split(" ")
            words[rng.randrange(len(words))] = str(rng.choice(ODD))
            lines[at] = " ".join(words)
        else:
            key, _, value = lines[at].partition(":")
            lines[at] = f"{key}:{rng.choice((-1, 0, 2**31, 2**64, ''))}" if value else key
        lines = lines or ["v=0"]
    text = "\r\n".join(lines) + "\r\n"
    for before, after in rng.choice(list(SDP.values())) if rng.random() < 0.4 else []:
        text = text.replace(before, after)
    data = text.encode(errors="replace")
    return mutated(rng, data) if rng.random() < 0.2 else data


def offers_with(house: Watched, good: str) -> Session:
    """One offer each; what was begun is ended at once."""
    http = house.server.http

    async def session(rng: random.Random, tally: Tally, sent: list[bytes]) -> str:
        sent.append(changed(rng, good))
        path = rng.choice(("/whip/fuzz-{}?session=fuzz", "/whep/fuzz-{}")).format(rng.randrange(4))
        try:
            told = await http.post(path, content=sent[0], headers={"Content-Type": "application/sdp"})
        except httpx2.TransportError as e:
            raise Undocumented(f"no answer: {type(e).__name__}") from None
        tally.taken += 1
        if told.status_code >= 500 and told.status_code != 503:
            raise Undocumented(f"status {told.status_code}: {told.text[:200]}")
        if told.status_code == 201:
            ended = await http.delete(told.headers["location"])
            if ended.status_code not in (200, 404):
                raise Undocumented(f"status {ended.status_code} at the end")
        return str(told.status_code)

    return session


async def offers(short: bool) -> Sequence[Finding]:
    """Fuzz WHIP and WHEP."""
    async with watched("--model", "motion") as house:
        made = await offer()
        _, finding = await fuzz(house, "sdp offers", offers_with(house, made), OFFERS_SHORT if short else OFFERS)
        return [finding]


# Tokens


def tokens_with(house: Watched, good: str) -> Session:
    """Tokens that are nearly right, in every place that a token may have: none is let in."""
    host, port = house.place
    tcp = urlsplit(house.server.tcp)

    def wrong(rng: random.Random) -> bytes:
        data = rng.choice(
            (good[:-1], good + "x", good.upper(), "slt_" + "\x00" * 43, "x" * 5000, good[4:], " ", good.swapcase())
        ).encode()
        data = mutated(rng, data) if rng.random() < 0.7 else data
        clean = bytes(b for b in data if b not in b"\r\n\0")
        return b"x" if clean.strip() == good.encode() else clean

    def places(rng: random.Random) -> bytes:
        token = wrong(rng)
        line = rng.choice((b"Authorization: Bearer ", b"Authorization: Basic ", b"Cookie: __Host-sightline="))
        return b"GET /stats HTTP/1.1\r\nHost: %s:%d\r\n%s%s\r\n\r\n" % (host.encode(), port, line, token)

    async def by_http(rng: random.Random, tally: Tally, sent: list[bytes]) -> str:
        reader, writer = await asyncio.open_connection(host, port)
        last = ""
        try:
            for _ in range(some(rng, 32)):
                sent.append(places(rng))
                writer.write(sent[-1])
                async with asyncio.timeout(20):
                    status, more = await answer(reader, head_only=False)
                tally.taken += 1
                if status not in (400, 401, 403, 429, 431):
                    raise Undocumented(f"status {status}")
                last = str(status)
                if not more:
                    break
        finally:
            writer.transport.abort()
        return last

    async def by_tcp(rng: random.Random, tally: Tally, sent: list[bytes]) -> str:
        reader, writer = await asyncio.open_connection(tcp.hostname, tcp.port)
        try:
            sent.append(packed({"type": "auth", "token": wrong(rng).decode(errors="replace")}))
            writer.write(sent[-1])
            tally.taken += 1
            async with asyncio.timeout(20):
                told = await reader.read()
            if b"hello" in told or b"error" not in told:
                raise Undocumented(f"let in, or told nothing: {told[:80]!r}")
        finally:
            writer.transport.abort()
        return "tcp refused"

    async def session(rng: random.Random, tally: Tally, sent: list[bytes]) -> str:
        return await (by_tcp if rng.random() < 0.2 else by_http)(rng, tally, sent)

    return session


async def tokens(short: bool) -> Sequence[Finding]:
    """Show a server tokens that are not quite right, while somebody with a right one sends frames."""
    with tempfile.TemporaryDirectory() as folder:
        good, _ = Store(Path(folder)).create("admin", "*", lifetime=None)
        async with watched("--model", "motion", env={"SIGHTLINE_TOKENS": "1"}, data=Path(folder)) as house:
            house.server.http.headers["authorization"] = f"Bearer {good}"
            _, finding = await fuzz(house, "tokens", tokens_with(house, good), SHORT if short else COUNT, token=good)
            return [finding]
