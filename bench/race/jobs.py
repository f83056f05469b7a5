"""The jobs of the race: who takes part in each, what is measured, and what Sightline should reach."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import psutil

from common import child, serving
from race import ours
from race.cameras import FPS, Trial, judged, most_held, run_cameras
from race.environments import Contestant, Environment
from transport import our_clients, our_server, padded_jpeg

PUBLISHERS = 4
VIEWERS = 64
EQUAL = 6
EQUAL_FPS = 30.0
UNWATCHED = 8
SETTLE_S = 4.0
"""Seconds from the first answer to each camera to the time that is judged. A server that loads its model a second time
as soon as two streams are live takes 2 s for that, while it answers."""
FIRST = 4
"""Cameras with which the search begins."""
US, TCP, WS = "Sightline", "Sightline, TCP", "Sightline, WebSocket"


@dataclass
class Race:
    """What the sides need."""

    model: str
    seconds: float
    jpegs: list[bytes]
    """Frames with their numbers in them."""
    environments: dict[str, Environment]
    peers: dict[str, Contestant] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    """Cameras that each side held in its last round."""


Measured: TypeAlias = dict[str, float]
Side: TypeAlias = Callable[[Race], Measured]


@dataclass(frozen=True)
class Goal:
    """What a side should reach: ``value``, or so many times the best of the sides ``of``."""

    side: str
    value: float
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """One thing that a job measures."""

    key: str
    title: str
    unit: str
    digits: int
    more_is_better: bool
    goals: tuple[Goal, ...]


@dataclass(frozen=True)
class Job:
    """A job and its sides. A side that needs a peer names it in ``peers``."""

    figures: tuple[Figure, ...]
    sides: Mapping[str, Side]
    peers: Mapping[str, str] = field(default_factory=dict)
    rounds: int | None = None
    """Rounds, where more tell nothing new."""


def _hold(side: str, tried: Callable[[Race, list[str]], object], race: Race) -> Measured:
    with child(run_cameras, race.jpegs) as pipe:
        port, started = pipe.recv()

        def trial(count: int) -> Trial:
            urls = [f"http://127.0.0.1:{port}/{i}" for i in range(count)]
            found = judged(tried(race, urls), count, race.seconds, started)
            print(f"{side}, {count} cameras: {found.share:.0%}, p95 {found.p95_ms:.0f} ms", file=sys.stderr, flush=True)
            return found

        race.held[side] = most_held(trial, race.held.get(side, FIRST))
    return {"held": race.held[side]}


def _our_cameras(race: Race, urls: list[str]) -> object:
    return ours.cameras(urls, race.model, race.seconds + SETTLE_S)


def _their_cameras(peer: str) -> Side:
    def tried(race: Race, urls: list[str]) -> object:
        return race.peers[peer].ask("cameras", urls=urls, model=race.model, seconds=race.seconds + SETTLE_S)

    return partial(_hold, peer, tried)


def _saturated(race: Race, **settings: object) -> Measured:
    return ours.saturated(race.model, race.jpegs[:150], race.seconds, PUBLISHERS, **settings)


def _bare(processes: int | None, race: Race) -> Measured:
    jpegs = [base64.b64encode(jpeg).decode() for jpeg in race.jpegs[:150]]
    count = processes or psutil.cpu_count() or 1
    return dict(
        race.peers["plain loop"].ask("saturated", processes=count, model=race.model, seconds=race.seconds, jpegs=jpegs)
    )


def _carry_ours(transport: str, decode: bool, race: Race) -> Measured:
    jpeg = race.jpegs[0] if decode else padded_jpeg()
    with child(our_server, 1, 640 if decode else 16) as server:
        _, ws, tcp = server.recv()
        with child(our_clients, ws if transport == WS else tcp, race.seconds, jpeg) as clients:
            clients.recv()
            frames, _, took = clients.recv()
    return {"frames_s": frames / took}


def _carry_theirs(peer: str, decode: bool, race: Race) -> Measured:
    picture = base64.b64encode(race.jpegs[0] if decode else padded_jpeg()).decode()
    return dict(race.peers[peer].ask("carry", picture=picture, decode=decode, seconds=race.seconds))


def _carry(decode: bool) -> dict[str, Side]:
    sides: dict[str, Side] = {way: partial(_carry_ours, way, decode) for way in (TCP, WS)}
    peers = ("imagezmq", "NetGear") if decode else ("imagezmq", "NetGear", "LitServe")
    return sides | {peer: partial(_carry_theirs, peer, decode) for peer in peers}


def _each(url: str, pid: int, seconds: float, *, acks: bool) -> Measured:
    """CPU microseconds of a server for each viewer and frame, beyond what it takes for one viewer."""
    process = psutil.Process(pid)
    one, frames = ours.cpu_a_picture(url, process, 1, seconds, acks=acks)
    many, pictures = ours.cpu_a_picture(url, process, VIEWERS, seconds, acks=acks)
    return {"viewer_us": (many - one) / (pictures - frames) * 1e6}


def _our_viewers(acks: bool, race: Race) -> Measured:
    with child(our_server, 1) as server:
        pid, ws, tcp = server.recv()
        with child(ours.steady, tcp, FPS, race.jpegs[0]):
            return _each(f"{ws}/ws/view/race", pid, race.seconds, acks=acks)


def _broadcast(race: Race) -> Measured:
    peer = race.peers["websockets"]
    started = peer.ask("start", picture=base64.b64encode(race.jpegs[0]).decode(), fps=FPS)
    try:
        return _each(started["url"], started["pid"], race.seconds, acks=False)
    finally:
        peer.ask("stop")


def _fair(race: Race) -> Measured:
    with serving("--model", race.model, "--engine", "onnx") as server:
        rates = ours.equal_cameras(server.ws, EQUAL, EQUAL_FPS, race.jpegs, race.seconds + 4)
    return {"spread": (max(rates) - min(rates)) / max(rates) * 100, "least": min(rates), "most": max(rates)}


def _idle(race: Race) -> Measured:
    with child(run_cameras, race.jpegs) as pipe:
        port, _ = pipe.recv()
        urls = [f"http://127.0.0.1:{port}/{i}" for i in range(UNWATCHED)]
        return {"cpu": ours.unwatched(urls, race.model, race.seconds + 4)}


def _back(transport: str, race: Race) -> Measured:
    return ours.returned_after(transport, race.jpegs[0])


def _installed(name: str, race: Race) -> Measured:
    megabytes, count = race.environments[name].size()
    return {"mb": megabytes, "distributions": count}


LOOPS = ("bare processes", "one bare loop")
CARRIED = "30 KB a frame, a model that does nothing and takes one frame at a time"
INSTALLED = (US, "FastRTC", "Roboflow inference", "Ultralytics", "LitServe")

JOBS: dict[str, Job] = {
    "cameras": Job(
        (
            Figure(
                "held",
                "network cameras of 30 frames/s held: 95 % answered, p95 below 250 ms",
                "cameras",
                0,
                True,
                (Goal(US, 1, ("plain loop",)), Goal(US, 7)),
            ),
        ),
        {
            US: partial(_hold, US, _our_cameras),
            **{peer: _their_cameras(peer) for peer in ("plain loop", "Roboflow inference", "Ultralytics")},
        },
        {peer: peer for peer in ("plain loop", "Roboflow inference", "Ultralytics")},
    ),
    "saturated": Job(
        (
            Figure(
                "results_s", "as many results as the machine gives", "results/s", 0, True, (Goal(US, 0.95, LOOPS[:1]),)
            ),
            Figure("cpu_ms", "processor time for each of them", "ms", 2, False, (Goal(US, 1.08, LOOPS),)),
        ),
        {
            US: _saturated,
            "Sightline, 2 workers of 1 thread": partial(_saturated, workers=2, threads=1),
            LOOPS[0]: partial(_bare, None),
            LOOPS[1]: partial(_bare, 1),
        },
        dict.fromkeys(LOOPS, "plain loop"),
    ),
    "null": Job(
        (Figure("frames_s", CARRIED, "frames/s", 0, True, (Goal(TCP, 14_000), Goal(WS, 10_000))),),
        _carry(decode=False),
        {peer: peer for peer in ("imagezmq", "NetGear", "LitServe")},
    ),
    "decode": Job(
        (
            Figure(
                "frames_s",
                "640x360 pictures decoded, a model that does nothing",
                "frames/s",
                0,
                True,
                tuple(Goal(way, 2, ("imagezmq", "NetGear")) for way in (TCP, WS)),
            ),
        ),
        _carry(decode=True),
        {peer: peer for peer in ("imagezmq", "NetGear")},
    ),
    "viewers": Job(
        (
            Figure(
                "viewer_us",
                f"{VIEWERS} viewers: the server's processor time for each and frame",
                "us",
                1,
                False,
                (Goal(US, 1.2, ("bare websockets",)), Goal("Sightline, with acks", 1.5, ("bare websockets",))),
            ),
        ),
        {
            US: partial(_our_viewers, False),
            "Sightline, with acks": partial(_our_viewers, True),
            "bare websockets": _broadcast,
        },
        {"bare websockets": "websockets"},
    ),
    "fairness": Job(
        (
            Figure("spread", "six equal cameras: the last behind the first", "%", 1, False, (Goal(US, 3),)),
            Figure("least", "the last one's frames, of 30", "frames/s", 1, True, ()),
            Figure("most", "the first one's frames, of 30", "frames/s", 1, True, ()),
        ),
        {US: _fair},
    ),
    "unwatched": Job(
        (Figure("cpu", "eight cameras that nobody watches", "% of a core", 2, False, (Goal(US, 1),)),), {US: _idle}
    ),
    "reconnect": Job(
        (
            Figure(
                "back_s",
                "the SDK after 3 s without a server: connected after it listens",
                "s",
                2,
                False,
                (Goal(TCP, 0.5), Goal(WS, 0.5)),
            ),
            Figure("result_s", "its first result, once the model is there", "s", 2, False, ()),
        ),
        {TCP: partial(_back, "tcp"), WS: partial(_back, "ws")},
    ),
    "install": Job(
        (
            Figure("mb", "an installation", "MB", 0, False, (Goal(US, 450),)),
            Figure("distributions", "distributions in it", "", 0, False, (Goal(US, 40),)),
        ),
        {name: partial(_installed, name) for name in INSTALLED},
        {name: name for name in INSTALLED},
        rounds=1,
    ),
}
