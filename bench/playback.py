"""How soon a recorded picture is there: the first one, after a seek, by steps, as a thumbnail; and on the page.

python bench/playback.py [--seeks 100] [--size 640x360] [--fps 15] [--codec libx264]
python bench/playback.py --memory 20 [--size 640x360] [--fps 15] [--codec libx264]

Three made files of a minute are played by a real server: over its WebSocket, and on its page in Chromium, where the
time runs from a click on the strip to the picture with its overlay on the canvas.

With ``--memory`` an hour is made instead, and played at 16x for so many minutes, again and again from its start: over a
WebSocket, and on the page. What server and page take is printed at each quarter of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.browsing import browsing
from support.recordings import file_of, record
from support.serving import Peer, Running, peer, serving

BEGAN = float(round(time.time()) - 900)
MINUTES = 3
CLICKED = """([from, to]) => new Promise((done) => {
  const strip = document.querySelector(".strip-time");
  const box = strip.getBoundingClientRect();
  const [low, high] = [Number(strip.ariaValueMin), Number(strip.ariaValueMax)];
  const x = box.left + (box.width * (from + Math.random() * (to - from) - low)) / (high - low);
  const began = performance.now();
  new MutationObserver((_, seer) => {
    seer.disconnect();
    done(performance.now() - began);
  }).observe(document.body, { attributeFilter: ["data-at"] });
  const options = { clientX: x, clientY: box.top + 40, button: 0, pointerId: 1, bubbles: true };
  strip.setPointerCapture = () => {};
  strip.dispatchEvent(new PointerEvent("pointerdown", options));
  strip.dispatchEvent(new PointerEvent("pointerup", options));
})"""


async def picture(viewer: Peer) -> None:
    """Await the next one, and acknowledge it."""
    message, _ = await viewer.next("frame_metadata")
    await viewer.ws.send(json.dumps({"type": "ack", "frameNumber": message["frameNumber"]}))


def moment() -> float:
    """Some time of the recording."""
    return BEGAN + random.random() * (60 * MINUTES - 1)


async def sockets(server: Running, count: int) -> dict[str, list[float]]:
    """Milliseconds of each kind."""
    found: dict[str, list[float]] = {"first picture": [], "seek": [], "step back": [], "thumbnail": []}

    async def timed(what: str, message: dict[str, object]) -> None:
        began = time.perf_counter()
        await viewer.ws.send(json.dumps(message))
        await picture(viewer)
        found[what].append((time.perf_counter() - began) * 1000)

    for _ in range(max(1, count // 5)):
        began = time.perf_counter()
        async with peer(f"{server.ws}/ws/playback/door?from={moment()}&play=0") as viewer:
            await picture(viewer)
            found["first picture"].append((time.perf_counter() - began) * 1000)
    async with peer(f"{server.ws}/ws/playback/door?from={BEGAN}&play=0") as viewer:
        await picture(viewer)
        for _ in range(count):
            await timed("seek", {"type": "seek", "at": moment()})
            await timed("step back", {"type": "step", "frames": -1})
    for _ in range(count):
        began = time.perf_counter()
        await server.http.get(f"/api/recordings/door/thumbnail.jpg?at={moment()}&width=200")
        found["thumbnail"].append((time.perf_counter() - began) * 1000)
    return found


async def page(server: Running, count: int) -> dict[str, list[float]]:
    """Milliseconds from a click to the picture."""
    async with browsing() as browser:
        opened = await browser.new_page(viewport={"width": 1280, "height": 800})
        began = time.perf_counter()
        await opened.goto(f"{server.url}/timeline?stream=door&at={BEGAN + 30}")
        await opened.wait_for_selector("body[data-at]")
        first = [(time.perf_counter() - began) * 1000]
        await opened.locator("#length").select_option("3600")
        span = [BEGAN, BEGAN + 60 * MINUTES - 1]
        clicks = [float(await opened.evaluate(CLICKED, span)) for _ in range(count)]
    return {"page opened": first, "click on the page": clicks}


async def measure(seeks: int, size: tuple[int, int], fps: float, codec: str) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        for minute in range(MINUTES):
            numbers = range(round(60 * fps))
            root = Path(folder) / "recordings"
            record(root, "door", BEGAN + 60 * minute, numbers, fps=fps, size=size, codec=codec, key_every=30)
        async with serving("--model", "motion", data=Path(folder)) as server:
            found = await sockets(server, seeks) | await page(server, max(1, seeks // 5))
    print(f"{size[0]}x{size[1]}, {fps:g} fps, {codec}, a key frame every 30; milliseconds")
    print(f"{'':20}{'n':>6}{'median':>9}{'p95':>9}{'most':>9}")
    for what, times in found.items():
        late = sorted(times)[min(len(times) - 1, round(0.95 * len(times)))]
        print(f"{what:20}{len(times):6}{statistics.median(times):9.1f}{late:9.1f}{max(times):9.1f}")


def hour(root: Path, began: float, size: tuple[int, int], fps: float, codec: str) -> None:
    """Record an hour in files of a minute, which all show the same."""
    first = record(root, "door", began, range(round(60 * fps)), fps=fps, size=size, codec=codec, key_every=30)
    head, *lines = map(json.loads, first.with_suffix(".jsonl").read_text().splitlines())
    for minute in range(1, 60):
        path = file_of(root, "door", began + 60 * minute)
        shutil.copyfile(first, path)
        later = [head | {"started_at": began + 60 * minute}]
        later += [line | {"at": line["at"] + 60 * minute} for line in lines]
        path.with_suffix(".jsonl").write_text("".join(json.dumps(line) + "\n" for line in later))


async def replayed(server: Running, began: float, played: list[float]) -> None:
    """Play the hour again and again over a WebSocket. ``played`` gets the seconds of the recording that were shown."""
    async with peer(f"{server.ws}/ws/playback/door?from={began}&speed=16") as viewer:
        last = began
        while True:
            message, _ = await viewer.next("frame_metadata", "playback")
            if message["type"] == "frame_metadata":
                await viewer.ws.send(json.dumps({"type": "ack", "frameNumber": message["frameNumber"]}))
                played[0] += max(0.0, message["at"] - last)
                last = message["at"]
            elif message["state"] == "end":
                last = began
                await viewer.ws.send(json.dumps({"type": "seek", "at": began}))
                await viewer.ws.send(json.dumps({"type": "play"}))


async def remember(minutes: float, size: tuple[int, int], fps: float, codec: str) -> None:
    """Print what playing takes, by the quarter."""
    began = float(round(time.time()) - 7200)
    with tempfile.TemporaryDirectory() as folder:
        hour(Path(folder) / "recordings", began, size, fps, codec)
        async with serving("--model", "motion", data=Path(folder)) as server, browsing() as browser:
            opened = await browser.new_page(viewport={"width": 1280, "height": 800})
            tools = await opened.context.new_cdp_session(opened)
            await tools.send("Performance.enable")
            await opened.goto(f"{server.url}/timeline?stream=door&at={began + 5}")
            await opened.wait_for_selector("body[data-at]")
            await opened.locator("#length").select_option("21600")
            await opened.locator("#speed").select_option("16")
            await opened.locator("#play").click()
            played = [0.0]
            playing = asyncio.create_task(replayed(server, began, played))
            process = psutil.Process(server.process.pid)
            print(f"{'minutes':>9}{'played':>9}{'page at':>9}{'server MB':>11}{'page MB':>9}{'nodes':>7}")
            for quarter in range(5):
                until = time.monotonic() + (minutes * 15 if quarter else 5)
                while time.monotonic() < until and not playing.done():
                    at = float(await opened.evaluate("document.body.dataset.at"))
                    if at > began + 3570:
                        await opened.evaluate(CLICKED, [began + 1, began + 2])
                    await asyncio.sleep(0.5)
                await tools.send("HeapProfiler.collectGarbage")
                page = {one["name"]: one["value"] for one in (await tools.send("Performance.getMetrics"))["metrics"]}
                memory = process.memory_info().rss / 2**20, page["JSHeapUsedSize"] / 2**20
                so_far = minutes * quarter / 4, played[0] / 60, (at - began) / 60
                print("".join(f"{one:9.1f}" for one in so_far), end="")
                print(f"{memory[0]:11.1f}{memory[1]:9.2f}{page['Nodes']:7.0f}", flush=True)
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeks", type=int, default=100)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--codec", default="libx264")
    parser.add_argument("--memory", type=float, metavar="MINUTES", help="see what playing for so long takes")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    how = (width, height), given.fps, given.codec
    asyncio.run(measure(given.seeks, *how) if given.memory is None else remember(given.memory, *how))


if __name__ == "__main__":
    main()
