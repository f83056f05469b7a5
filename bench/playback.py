"""How soon a recorded picture is there: the first one, after a seek, by steps, as a thumbnail; and on the page.

python bench/playback.py [--seeks 100] [--size 640x360] [--fps 15] [--codec libx264]

Three made files of a minute are played by a real server: over its WebSocket, and on its page in Chromium, where the
time runs from a click on the strip to the picture with its overlay on the canvas.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.browsing import browsing
from support.recordings import record
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


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeks", type=int, default=100)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--codec", default="libx264")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    asyncio.run(measure(given.seeks, (width, height), given.fps, given.codec))


if __name__ == "__main__":
    main()
