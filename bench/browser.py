"""In-browser inference against native ONNX Runtime on this machine, in turns, and its memory over many frames.

``python bench/browser.py [--models nano yolox_nano.onnx] [--frames 2000]``. Needs Chromium and what
``packaging/npm/vendor.py`` gets.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.async_api import Browser, Page

from common import CLIP, Served, asset, clip_jpegs, save, serving
from sightline.media import codecs
from sightline.models.base import GraphModel
from sightline.zoo.loader import load_model

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.browsing import FAKE_CAMERA, browsing, camera_file

OPEN = """async ([answer, picture]) => {
  const worker = new Worker("/static/infer/worker.js", { type: "module" });
  const next = () => new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
  const jpeg = new Blob([bytes], { type: "image/jpeg" });
  globalThis.find = async () => {
    const bitmap = await createImageBitmap(jpeg);
    const limits = { maxSide: 4096, maxPixels: Infinity, quality: 0.5 };
    worker.postMessage({ type: "picture", bitmap, timestamp: 0, limits, send: false }, [bitmap]);
    return next();
  };
  worker.postMessage({ type: "load", model: answer.model, backend: "wasm" });
  globalThis.device = (await next()).device;
}"""
"""Script that opens the page's own worker and passes it the same picture again and again."""
RUN = """async (count) => {
  const times = [];
  for (let i = 0; i < count; i += 1) {
    const { bitmap, stages } = await find();
    bitmap.close();
    times.push(stages);
  }
  return times;
}"""
MEMORY = "async () => (await performance.measureUserAgentSpecificMemory()).bytes / 2 ** 20"
ROUND = 15
"""Number of consecutive runs of each side before it is the other's turn."""


def renderers() -> list[psutil.Process]:
    """The browser's processes that render a page."""
    return [p for p in psutil.Process().children(recursive=True) if "--type=renderer" in " ".join(p.cmdline())]


@contextmanager
def alone(wanted: bool) -> Iterator[None]:
    """Context in which the page and this process precede all other programs (Linux, root), for busy machines."""
    pids = [str(p.pid) for p in renderers()] + [str(os.getpid())]
    if wanted:
        for pid in pids:
            subprocess.run(["chrt", "-a", "-f", "-p", "10", pid], check=True)
    try:
        yield
    finally:
        if wanted:
            for pid in pids:
                subprocess.run(["chrt", "-a", "-o", "-p", "0", pid], check=True)


def native(model: GraphModel, jpeg: bytes, count: int) -> list[float]:
    """Milliseconds of each native run of the graph."""
    tensor, _ = model.preprocess(codecs.decode(codecs.check_jpeg(jpeg, max_pixels=1 << 24)))
    feeds = model.graph.feeds(tensor)
    times = []
    for _ in range(count):
        started = time.perf_counter()
        model.engine.run(feeds)
        times.append((time.perf_counter() - started) * 1000)
    return times


async def speed(browser: Browser, spec: str, rounds: int, first: bool) -> dict[str, Any]:
    """Measure browser and native in turns, so that other load on the machine affects both alike."""
    threads = os.cpu_count() or 1
    model = load_model(spec, engine="onnx", threads=threads)
    assert isinstance(model, GraphModel)
    jpeg = clip_jpegs(130)[-1]
    with serving(model=spec, engine="onnx", browser_models="all") as server:
        page = await opened(browser, server, jpeg)
        device = await page.evaluate("device")
        ours: list[dict[str, float]] = []
        theirs: list[float] = []
        ratios = []
        for _ in range(rounds):
            with alone(first):
                found = await page.evaluate(RUN, ROUND)
            with alone(first):
                times = native(model, jpeg, ROUND)
            ours += found
            theirs += times
            ratios.append(statistics.median(s["infer"] for s in found) / statistics.median(times))
        await page.context.close()
    stages = {name: round(statistics.median(s[name] for s in ours), 2) for name in ours[0]}
    return {
        "model": model.card.name,
        "device": device,
        "native_threads": threads,
        "native_ms": round(statistics.median(theirs), 2),
        "browser_ms": stages,
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(r, 2) for r in sorted(ratios)],
    }


async def opened(browser: Browser, server: Served, jpeg: bytes) -> Page:
    """Open a page that has loaded the server's model."""
    from websockets.asyncio.client import connect

    page = await (await browser.new_context()).new_page()
    async with connect(f"{server.ws}/ws/camera/door") as camera:
        await camera.recv()
        await page.goto(server.url)
        answer = server.get("/api/streams/door/in-browser")
        if answer["model"] is None:
            sys.exit(answer["reason"])
        await page.evaluate(OPEN, [answer, base64.b64encode(jpeg).decode()])
    return page


async def memory(browser: Browser, frames: int, every: int) -> list[tuple[int, float, float]]:
    """Memory of the camera page by number of frames: MB as the page reports them, and resident MB of its process."""
    told: list[tuple[int, float, float]] = []
    with serving(model="nano", engine="onnx") as server:
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{server.url}/camera/door")
        await page.locator("#start").click()
        await page.locator("#place").select_option("browser")
        await page.wait_for_function("() => document.body.dataset.place === 'browser'", timeout=120_000)
        begun = server.get("/api/streams/door")["delivered"]
        for done in range(0, frames + 1, every):
            wanted = begun + max(done, 50)
            await page.wait_for_function(
                "n => Number(document.body.dataset.answered) >= n", arg=wanted, timeout=600_000
            )
            delivered = server.get("/api/streams/door")["delivered"] - begun
            resident = max(p.memory_info().rss for p in renderers()) / 2**20
            told.append((delivered, round(await page.evaluate(MEMORY), 1), round(resident, 1)))
            print(f"  {delivered} frames: {told[-1][1]} MB, resident {told[-1][2]} MB", flush=True)
        assert server.get("/api/streams/door")["browser"], "it was inferred in the browser all the time"
        await page.context.close()
    return told


async def measure(models: list[str], rounds: int, frames: int, first: bool) -> dict[str, Any]:
    """Run all measurements."""
    results: dict[str, Any] = {"speed": [], "memory": []}
    with tempfile.TemporaryDirectory() as folder:
        played = camera_file(asset(CLIP), Path(folder), start=120, count=60)
        switches = (
            *FAKE_CAMERA,
            f"--use-file-for-fake-video-capture={played}",
            "--enable-blink-features=ForceEagerMeasureMemory",
        )
        async with browsing(*switches) as browser:
            for spec in models:
                model = str(asset(f"models/{spec}")) if spec.endswith(".onnx") else spec
                found = await speed(browser, model, rounds, first)
                results["speed"].append(found)
                print(f"{found['model']}: browser {found['browser_ms']['infer']} ms, native {found['native_ms']} ms")
                print(
                    f"  {found['ratio']} times, rounds {found['ratios'][0]} to {found['ratios'][-1]}; {found['device']}"
                )
            if frames:
                results["memory"] = await memory(browser, frames, max(50, frames // 8))
    if results["memory"]:
        megabytes = np.array([mb for _, _, mb in results["memory"][1:]])
        print(f"resident: {megabytes.min()} to {megabytes.max()} MB after the first {results['memory'][1][0]} frames")
    return results


def main() -> None:
    """Measure, print, write bench/results/browser.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["nano", "yolox_nano.onnx"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--alone", action="store_true", help="before all other programs, by real-time priority; root")
    parser.add_argument("--frames", type=int, default=2000, help="for the memory; 0 leaves it out")
    args = parser.parse_args()
    save("browser", asyncio.run(measure(args.models, args.rounds, args.frames, args.alone)))


if __name__ == "__main__":
    main()
