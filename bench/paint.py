"""First paint of every page, on a first visit and on one that comes again, with nothing else to do for the server.

Goal: under 200 ms in the median. Also told: when the largest part was painted, how much moved, and bytes and requests.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Page

from common import save, serving

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.browsing import browsing

GOAL_MS = 200
PATHS = ("/", "/view/door", "/camera/door", "/events", "/docs", "/trust")
VISITS = ("first", "again")
WATCH = """() => {
  globalThis.seen = { paint: 0, largest: 0, moved: 0 };
  const watch = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  watch("paint", ({ name, startTime }) => name === "first-contentful-paint" && (seen.paint = startTime));
  watch("largest-contentful-paint", ({ startTime }) => (seen.largest = startTime));
  watch("layout-shift", ({ value, hadRecentInput }) => (seen.moved += hadRecentInput ? 0 : value));
}"""
TOLD = """async () => {
  while (!seen.paint) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const files = performance.getEntriesByType("resource").filter(({ name }) => !name.includes("/api/"));
  const [page] = performance.getEntriesByType("navigation");
  const bytes = [page, ...files].reduce((sum, { transferSize }) => sum + transferSize, 0);
  return { ...seen, bytes, requests: files.length + 1 };
}"""


@dataclass
class Visits:
    """What was measured of a page."""

    told: list[dict[str, float]] = field(default_factory=list)

    def median(self, key: str) -> float:
        """Median of a figure."""
        return statistics.median(one[key] for one in self.told)

    def worst(self, key: str) -> float:
        """Largest of a figure."""
        return max(one[key] for one in self.told)


async def look(page: Page, url: str) -> dict[str, float]:
    """Open a page and tell how that went."""
    await page.goto(url)
    return dict(await page.evaluate(TOLD))


async def visit(browser: Browser, url: str, found: dict[str, Visits]) -> None:
    """Open a page in a browser that knows nothing of it, and once more."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, service_workers="block")
    page = await context.new_page()
    await page.add_init_script(f"({WATCH})()")
    for kind in VISITS:
        found[kind].told.append(await look(page, url))
        await page.goto("about:blank")
    await context.close()


async def measure(url: str, rounds: int) -> dict[str, dict[str, Visits]]:
    """Open all pages in turn, so often."""
    found = {path: {kind: Visits() for kind in VISITS} for path in PATHS}
    async with browsing() as browser:
        for _ in range(rounds):
            for path in PATHS:
                await visit(browser, url + path, found[path])
    return found


def main() -> None:
    """Measure, print a table, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with serving("--model", "motion") as server:
        found = asyncio.run(measure(server.url, rounds))
    print("| page | visit | first paint ms | worst | largest ms | moved | KB | requests |")
    print("|---|---|---|---|---|---|---|---|")
    for path, kinds in found.items():
        for kind, visits in kinds.items():
            times = f"{visits.median('paint'):.0f} | {visits.worst('paint'):.0f} | {visits.median('largest'):.0f}"
            sizes = f"{visits.median('bytes') / 1000:.1f} | {visits.median('requests'):.0f}"
            print(f"| `{path}` | {kind} | {times} | {visits.worst('moved'):.3f} | {sizes} |")
    slow = [path for path, kinds in found.items() if any(v.median("paint") >= GOAL_MS for v in kinds.values())]
    print(f"goal of {GOAL_MS} ms: {'missed by ' + ', '.join(slow) if slow else 'met by all'}")
    save("paint", {"pages": {path: {k: v.told for k, v in kinds.items()} for path, kinds in found.items()}})


if __name__ == "__main__":
    main()
