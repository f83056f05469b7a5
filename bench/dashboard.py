"""What the start page costs: a hundred streams in the hub, twelve of them in sight with live pictures and boxes.

``python bench/dashboard.py [--streams 100] [--rounds 3] [--seconds 10]``. Needs Chromium. The server's CPU time is
taken in turns with the page open and closed, while listeners want the results of those twelve streams all the time;
and once with nobody there. The page's share of its main thread is ``TaskDuration`` of the DevTools protocol. With
``--minutes 60`` the page stays open for so long besides, and the memory of both is read: the slope is Theil and Sen's,
over the last three quarters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from playwright.async_api import Browser, CDPSession, Page
from scipy.stats import theilslopes
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from common import Served, clip_jpegs, family_cpu, save, serving
from sightline.core.types import Frame, FrameResult
from sightline.media import codecs
from sightline.streams.rendering import Drawing
from sightline.zoo.loader import load_model

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.browsing import browsing, chromium

SHOWN = 12
SIZES = ((640, 360), (1280, 720), (1920, 1080))
FPS = 10
SAMPLES = 240
"""Times that memory is read."""
COUNT = """() => {
  const own = globalThis.createImageBitmap;
  globalThis.drawn = 0;
  globalThis.createImageBitmap = (...given) => ((globalThis.drawn += 1), own(...given));
}"""
IN_SIGHT = (
    "() => [...document.querySelectorAll('.card')].filter(e => e.getBoundingClientRect().top < innerHeight).length"
)
SCROLL = """async (seconds) => {
  const frames = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  while (last < end) {
    scrollBy(0, 24);
    if (scrollY + innerHeight >= document.documentElement.scrollHeight - 1) scrollTo(0, 0);
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""
"""Scrolls, and gives the milliseconds between frames."""


def small_pictures() -> dict[str, dict[str, float]]:
    """CPU milliseconds of a small picture by the size of the large one and its own, in one thread; and of inference."""
    codecs.work_alone()
    model, drawing = load_model("nano", engine="onnx", threads=1), Drawing(80)
    given = [codecs.decode(codecs.check_jpeg(jpeg, max_pixels=1 << 24)) for jpeg in clip_jpegs(120)[100:]]
    found: dict[str, dict[str, float]] = {}
    for size in SIZES:
        large = [np.asarray(cv2.resize(image, size), np.uint8) for image in given]
        packed = [codecs.check_jpeg(codecs.encode_jpeg(image), max_pixels=1 << 24) for image in large]
        for kind, images in (("pixels", large), ("jpeg", packed)):
            began = time.process_time()
            predicted = [model.predict([codecs.decode(image)])[0] for image in images]
            took = {"inference": time.process_time() - began}
            frames = [Frame("x", 0, 0.0, 0.0, image) for image in images]
            results = [
                FrameResult(frame, prediction, model.card, (), (), None, {}, 0.0, 0.0)
                for frame, prediction in zip(frames, predicted, strict=True)
            ]
            asyncio.run(_drawn(drawing, results[:1], 160))  # so that all that it needs is loaded
            for width in (320, 640):
                began = time.process_time()
                asyncio.run(_drawn(drawing, results, width))
                took[str(width)] = time.process_time() - began
            found[f"{size[0]}x{size[1]} {kind}"] = {k: round(v / len(images) * 1000, 2) for k, v in took.items()}
    drawing.close()
    return found


async def _drawn(drawing: Drawing, results: list[FrameResult], width: int) -> None:
    for result in results:
        await drawing.small(result, width)


async def read(socket: ClientConnection) -> None:
    """Take results as fast as they come."""
    try:
        async for _ in socket:
            pass
    except ConnectionClosed:
        pass


async def opened(browser: Browser, server: Served) -> tuple[Page, CDPSession]:
    """The start page with twelve cards in sight."""
    page = await browser.new_page(viewport={"width": 1400, "height": 400})
    await page.add_init_script(f"({COUNT})()")
    await page.goto(server.url)
    await page.wait_for_function("() => document.querySelectorAll('.card').length > 20", timeout=60_000)
    height = 400
    while (seen := await page.evaluate(IN_SIGHT)) < SHOWN:
        height += 20
        await page.set_viewport_size({"width": 1400, "height": height})
    if seen != SHOWN:
        sys.exit(f"{seen} cards are in sight: expected {SHOWN}")
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("Performance.enable")
    return page, cdp


async def main_thread(cdp: CDPSession) -> dict[str, float]:
    """Seconds that the page's main thread was busy, and of these on a core."""
    metrics = {m["name"]: float(m["value"]) for m in (await cdp.send("Performance.getMetrics"))["metrics"]}
    return {"main_thread": metrics["TaskDuration"], "main_thread_cpu": metrics["ThreadTime"]}


def delivered(server: Served) -> int:
    """Results of all streams so far."""
    return sum(int(s["delivered"]) for s in server.get()["streams"].values())


async def span(server: Served, seconds: float) -> dict[str, float]:
    """The server's CPU time for a while, in cores, with its results a second."""
    cpu, results, began = family_cpu(server.process), delivered(server), time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    return {
        "cores": (family_cpu(server.process) - cpu) / took,
        "results_s": (delivered(server) - results) / took,
    }


async def with_page(browser: Browser, server: Served, seconds: float) -> dict[str, float]:
    """The same with the start page open."""
    page, cdp = await opened(browser, server)
    await asyncio.sleep(2)
    busy, drawn, began = await main_thread(cdp), await page.evaluate("drawn"), time.monotonic()
    found = await span(server, seconds)
    took = time.monotonic() - began
    found |= {name: (now - busy[name]) / took for name, now in (await main_thread(cdp)).items()}
    found["pictures_s"] = (await page.evaluate("drawn") - drawn) / took
    await page.close()
    return found


def memory(server: Served, minutes: float) -> dict[str, Any]:
    """The page open for so long: resident memory in MB of the server and of Chromium, each with all of its processes.

    Nobody looks into this browser: who does has it keep what was sent, up to 100 MB.
    """
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [chromium(), "--headless=new", "--no-sandbox", f"--user-data-dir={folder}", "--window-size=1400,820"]
        with subprocess.Popen([*command, server.url], stderr=subprocess.DEVNULL) as browser:
            try:
                began = time.monotonic()
                for number in range(1, SAMPLES + 1):
                    time.sleep(max(0.0, began + number * minutes * 60 / SAMPLES - time.monotonic()))
                    sample = {"minutes": (time.monotonic() - began) / 60}
                    sample |= {"server": family_mb(server.process), "chromium": family_mb(psutil.Process(browser.pid))}
                    samples.append(sample)
                    if number % (SAMPLES // 12) == 0:
                        print("  " + ", ".join(f"{name} {value:.1f}" for name, value in sample.items()), flush=True)
                stats = server.get()["streams"].values()
            finally:
                browser.terminate()
    told = samples[len(samples) // 4 :]
    hours = [one["minutes"] / 60 for one in told]
    growth = {
        name: round(float(theilslopes([one[name] for one in told], hours).slope), 2) for name in ("server", "chromium")
    }
    watched = sum(bool(stream["wanted"]) for stream in stats)
    return {"minutes": minutes, "streams_watched": watched, "mb_an_hour": growth, "samples": samples}


def family_mb(process: psutil.Process) -> float:
    """Resident memory of a process and its children; what they share counts for each."""
    return float(sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))) / 2**20


async def measure(streams: int, rounds: int, seconds: float, model: str, minutes: float) -> dict[str, Any]:
    """Run all measurements."""
    sources = {f"s{i:03}": f"synthetic:shapes?size=640x360&fps={FPS}&seed={i}" for i in range(streams)}
    closed, opens = [], []
    with serving("--model", model, sources=json.dumps(sources), max_streams=max(64, streams + 10)) as server:
        server.until(lambda stats: len(stats["streams"]) == streams)
        async with browsing() as browser, AsyncExitStack() as stack:
            await asyncio.sleep(3)
            resting = await span(server, seconds)
            for name in list(sources)[:SHOWN]:
                socket = await stack.enter_async_context(connect(f"{server.ws}/ws?stream={name}", compression=None))
                task = asyncio.create_task(read(socket))
                stack.callback(task.cancel)
            await asyncio.sleep(2)
            for _ in range(rounds):
                closed.append(await span(server, seconds))
                opens.append(await with_page(browser, server, seconds))
                print(f"  closed {closed[-1]}\n  open   {opens[-1]}", flush=True)
            page, _ = await opened(browser, server)
            frames = sorted(await page.evaluate(SCROLL, 5))
            await page.close()
            grown = await asyncio.to_thread(memory, server, minutes) if minutes else None
    ratios = [o["cores"] / o["results_s"] / (c["cores"] / c["results_s"]) for o, c in zip(opens, closed, strict=True)]
    return {
        "load": os.getloadavg()[1],
        "model": model,
        "streams": streams,
        "nobody": resting,
        "closed": closed,
        "open": opens,
        "ratio_of_cpu_a_result": round(statistics.median(ratios), 3),
        **{
            name: round(statistics.median(o[name] for o in opens), 3)
            for name in ("main_thread", "main_thread_cpu", "pictures_s")
        },
        "memory": grown,
        "scroll_ms": {"median": round(statistics.median(frames), 1), "p95": round(frames[len(frames) * 95 // 100], 1)},
    }


def main() -> None:
    """Measure, print, write bench/results/dashboard.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--minutes", type=float, default=0)
    given = parser.parse_args()
    results = {"small_pictures": small_pictures()}
    for size, took in results["small_pictures"].items():
        print(f"{size}: {took}")
    results |= asyncio.run(measure(given.streams, given.rounds, given.seconds, given.model, given.minutes))
    if results["memory"]:
        print(f"MB an hour: {results['memory']['mb_an_hour']}, streams watched: {results['memory']['streams_watched']}")
    for key in ("load", "nobody", "ratio_of_cpu_a_result", "main_thread", "main_thread_cpu", "pictures_s", "scroll_ms"):
        print(f"{key}: {results[key]}")
    print(f"written to {save('dashboard', results)}")


if __name__ == "__main__":
    main()
