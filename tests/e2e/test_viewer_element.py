"""``<sightline-viewer>`` on other pages than the viewer's: two at once, under the server's policy; one is removed."""

from __future__ import annotations

import asyncio
import itertools
import re
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.browsing import BROWSERS, SLOW_MS, browsing_with, listen_for_errors
from support.serving import peer, picture, serving
from support.waiting import within

CLIENTS = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
EMBED = """async () => {
  const { SightlineViewer } = await import("/static/elements/sightline-viewer.js");
  globalThis.seen = { door: 0, yard: 0 };
  globalThis.ended = [];
  class Counting extends SightlineViewer {
    onframe({ meta }) {
      seen[meta.stream] += 1;
    }
    ondisconnect(reason) {
      ended.push([this.getAttribute("stream"), reason]);
    }
  }
  customElements.define("counting-viewer", Counting);
  for (const stream of ["door", "yard"]) {
    const viewer = document.createElement("counting-viewer");
    viewer.setAttribute("stream", stream);
    viewer.setAttribute("mode", "boxes");
    document.querySelector("main").append(viewer);
  }
}"""
BOXED = """async (stream) => {
  const { color } = await import("/static/lib/palette.js");
  const [r, g, b] = color(0);
  const canvas = document.querySelector(`[stream=${stream}]`).shadowRoot.querySelector("canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24) n += 1;
  }
  return n > 50;
}"""


async def publish(ws: str, stream: str) -> None:
    async with peer(f"{ws}/ws/camera/{stream}") as camera:
        for seq in itertools.count(1):
            await camera.send_frame(seq, picture(seq))
            with suppress(TimeoutError):
                await within(camera.next("result"), 1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BROWSERS)
async def test_two_on_one_page_draw_and_one_that_is_removed_stops(name: str, tmp_path: Path) -> None:
    async with serving("--model", "motion") as server, browsing_with(name, tmp_path) as browser:
        publishing = [asyncio.create_task(publish(server.ws, stream)) for stream in ("door", "yard")]
        page = await browser.new_page()
        errors = listen_for_errors(page)
        await page.goto(f"{server.url}/trust")
        await page.evaluate(EMBED)
        await page.wait_for_function("() => seen.door > 3 && seen.yard > 3", timeout=SLOW_MS)
        for stream in ("door", "yard"):
            await page.wait_for_function(BOXED, arg=stream, timeout=SLOW_MS)
        await server.until(lambda s: all(s["streams"][name]["viewers"] == 1 for name in ("door", "yard")))

        await page.evaluate("() => document.querySelector('[stream=door]').remove()")
        await server.until(lambda s: s["streams"]["door"]["viewers"] == 0)
        door, yard = await page.evaluate("() => [seen.door, seen.yard]")
        await page.wait_for_function("n => seen.yard > n + 5", arg=yard, timeout=SLOW_MS)
        assert await page.evaluate("() => [seen.door, ended]") == [door, [["door", "removed"]]]
        assert errors == []

        # The page of the documentation, as a proxy would serve it beside the server's own.
        if name == "firefox":  # which lets no test past a page's policy
            for task in publishing:
                task.cancel()
            return
        wall = re.findall(r"```html\n(.*?)```", CLIENTS.read_text("utf-8"), re.DOTALL)
        page = await (await browser.new_context(bypass_csp=True)).new_page()
        await page.goto(f"{server.url}/trust")
        await page.set_content(wall[0])
        for stream in ("door", "yard"):
            await expect(page.locator(f"[stream={stream}]")).to_have_attribute("title", "live")
        await expect(page.locator("#said")).to_contain_text(re.compile(r"\d objects, \d+ ms"))
        for task in publishing:
            task.cancel()
