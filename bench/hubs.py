"""What several hubs cost: CPU time of the hubs' own processes, while their models run in others.

``python bench/hubs.py [--rounds 3] [--seconds 8]``. Three parts:

- frames: eight cameras for each hub send 5 pictures/s of 30 KB each to 1, 2 and 4 hubs, in turns. On one machine hubs
  share its cores, so what tells is a hub's CPU time for each frame. From it follows how many times the frames of one
  hub N machines carry, as far as hubs limit them. All cameras ask the first hub and go where it sends them.
- relay: eight viewers at the hub that has the stream, and eight at another hub, in turns.
- idle: hubs without streams.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import cv2
import numpy as np
import psutil

from common import cpu_seconds, save
from sightline import AsyncClient
from sightline.server.hubs.ring import owner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.hubs import clustered
from support.serving import Peer, Running, peer, serving

CAMERAS, FPS = 8, 5.0
HUBS = (1, 2, 4)
ENV = {"SIGHTLINE_MODEL": "motion", "SIGHTLINE_PLACE": "process", "SIGHTLINE_STATIC_SKIP": "false"}
WARM_S = 3.0


def picture(seed: int) -> bytes:
    """A JPEG of 640x360 pixels and about 30 KB."""
    noise = np.random.default_rng(seed).integers(0, 256, (90, 160, 3), np.uint8)
    image = cv2.resize(noise, (640, 360), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1])


PICTURES = [picture(seed) for seed in range(4)]


@asynccontextmanager
async def hubs(count: int) -> AsyncGenerator[list[Running]]:
    """So many hubs; one is a server that works alone."""
    with tempfile.TemporaryDirectory(prefix="sightline-hubs-") as folder:
        if count == 1:
            async with serving(env=ENV, data=Path(folder)) as alone:
                yield [alone]
        else:
            async with clustered(Path(folder), count, env=ENV) as cluster:
                yield list(cluster.hubs.values())


async def paced() -> AsyncIterator[bytes]:
    """Pictures, so many a second."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for one in itertools.cycle(PICTURES):
        due = max(due, loop.time()) + 1 / FPS
        await asyncio.sleep(due - loop.time())
        yield one


async def send(url: str, name: str) -> None:
    """A camera that asks one hub, whichever has its stream."""
    async with AsyncClient(url) as client:
        async for _ in client.publish(name, paced(), adapt=False):
            pass


def names(addresses: list[str]) -> list[str]:
    """Names of as many streams for each hub."""
    made = [f"cam-{n}" for n in range(1000)]
    return [name for hub in addresses for name in [one for one in made if owner(one, addresses) == hub][:CAMERAS]]


def spent(servers: list[Running]) -> float:
    """CPU seconds of the hubs' own processes."""
    return sum(cpu_seconds(psutil.Process(server.process.pid)) for server in servers)


async def received(servers: list[Running]) -> int:
    """Frames that all hubs have counted."""
    stats = [await server.get("/stats") for server in servers]
    return sum(stream["received"] for one in stats for stream in one["streams"].values())


async def frames(count: int, seconds: float) -> dict[str, float]:
    """CPU milliseconds of hubs for each frame, and frames a second."""
    async with hubs(count) as servers:
        cameras = [asyncio.create_task(send(servers[0].ws, name)) for name in names([s.url for s in servers])]
        await asyncio.sleep(WARM_S)
        before, cpu = await received(servers), spent(servers)
        await asyncio.sleep(seconds)
        done, cpu = await received(servers) - before, spent(servers) - cpu
        for camera in cameras:
            camera.cancel()
        await asyncio.gather(*cameras, return_exceptions=True)
    return {"ms_a_frame": cpu * 1000 / done, "frames_s": done / seconds}


async def idle(count: int, seconds: float) -> float:
    """Per cent of a core that each hub takes without streams."""
    async with hubs(count) as servers:
        await asyncio.sleep(WARM_S)
        cpu = spent(servers)
        await asyncio.sleep(seconds)
        return (spent(servers) - cpu) * 100 / seconds / count


async def relay(seconds: float) -> dict[str, list[float]]:
    """CPU milliseconds for each picture that a viewer gets, at the hub that has the stream and at another one."""
    found: dict[str, list[float]] = {"direct, all hubs": [], "passed on, all hubs": [], "of that the hub between": []}
    with tempfile.TemporaryDirectory(prefix="sightline-hubs-") as folder:
        async with clustered(Path(folder), 2, env=ENV) as cluster:
            between, has = cluster.addresses
            name = cluster.named(has)
            servers = list(cluster.hubs.values())
            camera = asyncio.create_task(send(cluster.hubs[has].ws, name))
            await cluster.hubs[has].until(lambda s: name in s["streams"] and s["streams"][name]["delivered"] > 0)
            for _ in range(3):
                for address, key in ((has, "direct, all hubs"), (between, "passed on, all hubs")):
                    async with AsyncExitStack() as viewers:
                        url = f"{cluster.hubs[address].ws}/ws/view/{name}"
                        watching = [await viewers.enter_async_context(peer(url)) for _ in range(8)]
                        counts = [asyncio.create_task(watch(one)) for one in watching]
                        cpu, own = spent(servers), spent([cluster.hubs[between]])
                        await asyncio.sleep(seconds)
                        cpu, own = spent(servers) - cpu, spent([cluster.hubs[between]]) - own
                        for one in counts:
                            one.cancel()
                        seen = sum(await asyncio.gather(*counts))
                    found[key].append(cpu * 1000 / seen)
                    if address == between:
                        found["of that the hub between"].append(own * 1000 / seen)
            camera.cancel()
            await asyncio.gather(camera, return_exceptions=True)
    return found


async def watch(viewer: Peer) -> int:
    """Pictures that a viewer got and acknowledged until it was cancelled."""
    seen = 0
    try:
        while True:
            message, _ = await viewer.next("frame_metadata")
            seen += 1
            await viewer.ws.send(f'{{"type":"ack","frameNumber":{message["frameNumber"]}}}')
    except asyncio.CancelledError:
        return seen


async def main() -> None:
    """Measure in turns, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    given = parser.parse_args()
    cost: dict[int, list[dict[str, float]]] = {count: [] for count in HUBS}
    for _ in range(given.rounds):
        for count in HUBS:
            cost[count].append(await frames(count, given.seconds))
            print(count, "hubs:", {key: round(value, 3) for key, value in cost[count][-1].items()}, flush=True)
    medians = {count: statistics.median(one["ms_a_frame"] for one in cost[count]) for count in HUBS}
    for count in HUBS:
        times = count * medians[1] / medians[count]
        print(f"{count} hubs: {medians[count]:.3f} ms a frame, on {count} machines {times:.2f} times the frames of one")
    passed = await relay(given.seconds)
    for key, values in passed.items():
        print(f"{key}: {statistics.median(values):.3f} ms a picture {[round(value, 3) for value in values]}")
    resting = {count: await idle(count, given.seconds) for count in HUBS}
    print("idle, per cent of a core each:", {count: round(value, 2) for count, value in resting.items()})
    save("hubs", {"cost": cost, "medians": medians, "relay": passed, "idle": resting}, "python bench/hubs.py")


if __name__ == "__main__":
    asyncio.run(main())
