"""WebRTC: latency against a bare aiortc echo, cost of further viewers, and leftovers of peers that came and went.

Latency: one process sends pictures of 640x480 at 30 a second with their number drawn in, and reads the number from what
comes back: through Sightline by WebRTC (motion model, WHIP in, WHEP out) and by WebSocket (JPEG in and out), and from
an aiortc peer that only echoes; in turns. Goal of WebRTC: p50 at most 1.3 times the quickest echo's.

Viewers: CPU time of the server's process with one viewer of server-drawn video and with four. Goal: at most 1.3 times.

Cycles: peers connect and leave; tasks, threads, descriptors and memory of the server's process before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import time
from contextlib import AsyncExitStack
from typing import Any

import cv2
import numpy as np
import psutil
from aiortc import MediaStreamTrack, RTCSessionDescription

from common import Pipe, Served, child, cpu_seconds, save, serving
from peers import connected, read
from support.waiting import within
from webrtc_peers import HEIGHT, WIDTH, Numbered, codecs, joined, new_peer, number_of

LATENCY_GOAL, CPU_GOAL = 1.3, 1.3
WARM_S = 2.0
QUALITY, PENDING = 50, 2
"""Frames under way of the JPEG camera; it and QUALITY are our page's defaults."""


# Latency


def echo(pipe: Pipe, codec: str) -> None:
    """Run a bare aiortc peer that sends back what it gets: take an offer, give an answer, run until killed."""

    async def serve() -> None:
        peer = new_peer()
        peer.on("track", lambda track: peer.addTrack(track) and None)
        await peer.setRemoteDescription(RTCSessionDescription(pipe.recv(), "offer"))
        peer.getTransceivers()[0].setCodecPreferences(codecs(codec))
        await peer.setLocalDescription(await peer.createAnswer())
        pipe.send(peer.localDescription.sdp)
        await asyncio.Event().wait()

    asyncio.run(serve())


async def latencies(track: MediaStreamTrack, clip: Numbered, seconds: float) -> list[float]:
    """Milliseconds of every picture that comes back."""
    found: list[float] = []
    began = time.monotonic()
    while (now := time.monotonic()) < began + WARM_S + seconds:
        frame: Any = await within(track.recv(), 30)
        at = clip.sent.get(number_of(frame.to_ndarray(format="gray")))
        if at is not None and now > began + WARM_S:
            found.append((time.monotonic() - at) * 1000)
    return found


async def through_echo(codec: str, seconds: float) -> list[float]:
    """Latencies there and back through a bare aiortc peer."""
    peer, clip = new_peer(), Numbered()
    peer.addTransceiver(clip, "sendrecv").setCodecPreferences(codecs(codec))
    back: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
    peer.on("track", back.set_result)
    with child(echo, codec) as other:
        await peer.setLocalDescription(await peer.createOffer())
        other.send(peer.localDescription.sdp)
        answer = await asyncio.to_thread(other.recv)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        found = await latencies(await back, clip, seconds)
        await peer.close()
    return found


async def through_sightline(server: Served, codec: str, seconds: float) -> list[float]:
    """Latencies there by WHIP and back by WHEP."""
    camera, viewer, clip = new_peer(), new_peer(), Numbered()
    camera.addTransceiver(clip, "sendonly").setCodecPreferences(codecs(codec))
    viewer.addTransceiver("video", "recvonly").setCodecPreferences(codecs(codec))
    viewer.createDataChannel("sightline")
    back: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
    viewer.on("track", back.set_result)
    async with joined(f"{server.url}/whip/bench", camera), joined(f"{server.url}/whep/bench", viewer):
        return await latencies(await back, clip, seconds)


async def through_websocket(server: Served, seconds: float) -> list[float]:
    """Latencies there and back as JPEGs, which this process encodes and decodes, as pages do."""
    clip = Numbered()
    found: list[float] = []
    room = asyncio.Semaphore(PENDING)

    async def send(camera: Any) -> None:
        while True:
            number, image = await clip.picture()
            if room.locked():
                continue  # as on our page, pictures that would have to wait are not sent
            await room.acquire()
            jpeg = (await asyncio.to_thread(cv2.imencode, ".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]))[1]
            about = {"timestamp": time.time() * 1000, "frameNumber": number, "width": WIDTH, "height": HEIGHT}
            await camera.send(json.dumps({"type": "frame_metadata", "format": "jpeg", **about}))
            await camera.send(jpeg.tobytes())

    async def hear(camera: Any) -> None:
        while True:
            if read(await camera.recv())["type"] in ("result", "dropped"):
                room.release()

    url = server.url.replace("http", "ws")
    async with connected(f"{url}/ws/camera/bench") as camera, connected(f"{url}/ws/view/bench") as viewer:
        tasks = [asyncio.create_task(work(camera)) for work in (send, hear)]
        began = time.monotonic()
        while (now := time.monotonic()) < began + WARM_S + seconds:
            said = await within(viewer.recv(), 30)
            if not isinstance(said, bytes):
                message = read(said)
                if message["type"] == "frame_metadata":
                    await viewer.send(json.dumps({"type": "ack", "frameNumber": message["frameNumber"]}))
                continue
            grey = await asyncio.to_thread(cv2.imdecode, np.frombuffer(said, np.uint8), cv2.IMREAD_GRAYSCALE)
            at = clip.sent.get(number_of(np.asarray(grey)))
            if at is not None and now > began + WARM_S:
                found.append((time.monotonic() - at) * 1000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found


def latency(seconds: float, rounds: int) -> dict[str, Any]:
    """Measure all ways in turns."""
    ways: dict[str, list[float]] = {}
    with serving("--model", "motion") as server:
        for _ in range(rounds):
            for codec in ("VP8", "H264"):
                ways.setdefault(f"echo {codec}", []).extend(asyncio.run(through_echo(codec, seconds)))
                ways.setdefault(f"Sightline {codec}", []).extend(asyncio.run(through_sightline(server, codec, seconds)))
            ways.setdefault("Sightline JPEG", []).extend(asyncio.run(through_websocket(server, seconds)))
    print("| way | pictures | p50 ms | p95 ms |\n|---|---|---|---|")
    table = {}
    for way, found in ways.items():
        cuts = statistics.quantiles(found, n=20)
        table[way] = {"pictures": len(found), "p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}
        print(f"| {way} | {len(found)} | {cuts[9]:.1f} | {cuts[18]:.1f} |", flush=True)
    quickest = min(v["p50"] for k, v in table.items() if k.startswith("echo"))
    ours = table["Sightline H264"]["p50"]
    print(f"\np50 {ours / quickest:.2f} times the quickest echo's (goal {LATENCY_GOAL}): ", end="")
    print("met" if ours <= LATENCY_GOAL * quickest else "missed")
    jpeg = table["Sightline JPEG"]["p50"]
    print(f"by WebSocket {jpeg / ours:.2f} times WebRTC's")
    return {"ways": table, "times": round(ours / quickest, 3), "met": ours <= LATENCY_GOAL * quickest}


# Viewers


def publish(pipe: Pipe, url: str) -> None:
    """Publish for ever."""

    async def run() -> None:
        camera = new_peer()
        camera.addTransceiver(Numbered(), "sendonly").setCodecPreferences(codecs("H264"))
        async with joined(f"{url}/whip/bench", camera):
            await asyncio.Event().wait()

    asyncio.run(run())


def watch(pipe: Pipe, url: str, count: int) -> None:
    """Run ``count`` viewers for ever; report when each has had a picture."""

    async def run() -> None:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            for _ in range(count):
                viewer = new_peer()
                viewer.addTransceiver("video", "recvonly").setCodecPreferences(codecs("H264"))
                back: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
                viewer.on("track", back.set_result)
                await stack.enter_async_context(joined(f"{url}/whep/bench", viewer))
                track = await back
                await track.recv()
                tasks.create_task(drain(track))
            pipe.send(True)

    asyncio.run(run())


async def drain(track: MediaStreamTrack) -> None:
    """Discard the track's frames."""
    while True:
        await track.recv()


def viewers(seconds: float, rounds: int) -> dict[str, Any]:
    """Measure the server's CPU with one viewer and with four."""
    spent: dict[int, list[float]] = {1: [], 4: []}
    shown: dict[int, list[float]] = {1: [], 4: []}
    with serving("--model", "motion") as server, child(publish, server.url):
        for _ in range(rounds):
            for count in spent:
                cpu, pictures = _watched(server, count, seconds)
                spent[count].append(cpu / pictures * 1000)
                shown[count].append(pictures / seconds)
    costs = {count: statistics.median(values) for count, values in spent.items()}
    rates = {count: statistics.median(values) for count, values in shown.items()}
    print("| viewers | CPU ms of the server a picture | pictures/s for each |\n|---|---|---|")
    for count, cost in costs.items():
        print(f"| {count} | {cost:.2f} | {rates[count]:.1f} |")
    times = costs[4] / costs[1]
    print(f"\n{times:.2f} times (goal {CPU_GOAL}): {'met' if times <= CPU_GOAL else 'missed'}", flush=True)
    return {"cpu_ms": costs, "pictures_per_second": rates, "times": round(times, 3), "met": times <= CPU_GOAL}


def _watched(server: Served, count: int, seconds: float) -> tuple[float, float]:
    """CPU seconds of the server, and pictures sent to each viewer."""
    with child(watch, server.url, count) as pipe:
        pipe.recv()
        time.sleep(WARM_S)
        before, cpu = _sent(server), cpu_seconds(server.process)
        time.sleep(seconds)
        spent = cpu_seconds(server.process) - cpu
        came = (_sent(server) - before) / count
    server.until(lambda stats: stats["streams"]["bench"]["viewers"] == 0)
    return spent, came


def _sent(server: Served) -> int:
    return sum(v["sent"] for v in server.get()["streams"]["bench"]["viewer_stats"])


# Cycles


def gauged(pipe: Pipe) -> None:
    """A server that also tells what it holds."""
    from sightline.server.app import create_app
    from sightline.server.uvicorn_server import Server
    from sightline.settings.settings import load_settings

    settings = load_settings(model="motion", port=0, log_level="warning")
    app = create_app(settings)
    process = psutil.Process()

    @app.get("/api/gauge")
    async def gauge() -> dict[str, float]:
        gc.collect()
        return {
            "tasks": len(asyncio.all_tasks()),
            "threads": process.num_threads(),
            "descriptors": process.num_fds(),
            "MB": round(process.memory_info().rss / 2**20, 1),
        }

    Server(app, settings, lambda url, *_: pipe.send(url)).serve_forever()


async def cycle(url: str, number: int) -> None:
    """Connect a camera and its viewer, see a picture, and leave; every third pair leaves without notice."""
    camera, viewer = new_peer(), new_peer()
    camera.addTransceiver(Numbered(), "sendonly")
    viewer.addTransceiver("video", "recvonly")
    back: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
    viewer.on("track", back.set_result)
    async with joined(f"{url}/whip/bench", camera), joined(f"{url}/whep/bench", viewer):
        await within((await back).recv(), 30)
        if number % 3 == 0:
            await viewer.close()
            await camera.close()
            await asyncio.sleep(0.3)  # the server notices by itself


def cycles(count: int) -> dict[str, Any]:
    """The server's resources before and after ``count`` peers, half of them cameras."""
    table: dict[int, dict[str, float]] = {}
    with child(gauged) as pipe:
        server = Served(pipe.recv(), psutil.Process())
        server.until(lambda stats: stats["model"] != "")
        names = list(server.get("/api/gauge"))
        print(f"| peers | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
        for done in range(count // 2 + 1):
            if done in (0, 5, count // 8, count // 4, count // 2):
                time.sleep(2)
                table[2 * done] = server.get("/api/gauge")
                print(f"| {2 * done} | {' | '.join(f'{v:g}' for v in table[2 * done].values())} |", flush=True)
            try:
                asyncio.run(cycle(server.url, done))
            except OSError as e:  # a session that ended by itself answers DELETE with 404
                if "404" not in str(e):
                    raise
    return {"after": table}


def main() -> None:
    """Measure, print, write bench/results/webrtc.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["latency", "viewers", "cycles"], help="latency, viewers, cycles")
    parser.add_argument("--seconds", type=float, default=10, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=int, default=200, help="that come and go")
    args = parser.parse_args()
    results: dict[str, Any] = {}
    if "latency" in args.what:
        results["latency"] = latency(args.seconds, args.rounds)
    if "viewers" in args.what:
        results["viewers"] = viewers(args.seconds, args.rounds)
    if "cycles" in args.what:
        results["cycles"] = cycles(args.peers)
    save("webrtc", results)


if __name__ == "__main__":
    main()
