"""What holds on every page: axe finds nothing, keys reach all, it fits a narrow window, and it is light and still.

A page is a file of ``web/pages``: a new one is looked at without a word here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, Route, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from sightline.core.events import Event
from sightline.events.store import EventStore
from sightline.server.assets import WEB
from support.axe import violations
from support.browsing import SLOW_MS, listen_for_errors
from support.serving import Running, camera, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PLACES = {
    "index": "/",
    "view": "/view/door?transport=websocket",
    "camera": "/camera/yard",
    "embed": "/embed/door",
    "error": "/nowhere",
}
"""Addresses of pages that are not those of their files."""
PAGES = {path.stem: PLACES.get(path.stem, f"/{path.stem}") for path in sorted((WEB / "pages").glob("*.html"))}
CHANGING = ("index", "events", "view", "embed")
"""Pages that look otherwise while there is nothing to show."""
UNTIL_QUIET = """() => !["connecting", "loading", "asking", "checking"].includes(document.body.dataset.state)
  && document.readyState === "complete" """
OPEN_ALL = "() => document.querySelectorAll('details').forEach((details) => (details.open = true))"
WIDER = """() => [document.scrollingElement, ...document.querySelectorAll("main, dialog[open]")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => {
    const right = one.getBoundingClientRect().left + one.clientWidth;
    const over = (e) => e.getBoundingClientRect().right > right + 1;
    const widest = [...one.querySelectorAll("*")].filter(over).at(-1);
    return `${one.tagName} ${one.scrollWidth} > ${one.clientWidth}: ${widest?.outerHTML.slice(0, 120)}`;
  })"""
"""What would have to be scrolled sideways."""
WATCH_SHIFTS = """() => {
  globalThis.shifts = 0;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shifts += value;
  }).observe({ type: "layout-shift", buffered: true });
}"""
REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true })
    && !one.closest("[inert]"))
  .map((one, number) => {
    one.numbered = number;
    return one.id || one.ariaLabel || one.textContent.trim() || one.outerHTML.slice(0, 80);
  })"""
"""What a person with a mouse can use, with its number, as its words may change."""
FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const name = one.id || one.ariaLabel || one.textContent.trim() || one.outerHTML.slice(0, 80);
  return { name, number: one.numbered, seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 1 };
}"""
KEPT = """async () => {
  const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
  const kept = await Promise.all(caches_.map((cache) => cache.keys()));
  return kept.flat().map(({ url }) => new URL(url).pathname);
}"""
"""What this server's pages have put aside."""
MOST_BYTES = {"camera": 104_000, "view": 104_000, "timeline": 105_000}
"""Of a first visit, where it may be more than ``USUAL_BYTES``. Here the viewer has a zone to draw."""
USUAL_BYTES, MOST_REQUESTS, MOST_SHIFT = 90_000, 90, 0.05


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with serving("--model", "motion", data=tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A server with a camera that sends, one that does not, a zone, and events."""
    data = tmp_path_factory.mktemp("filled")
    remember(data / "events")
    async with serving("--model", "motion", data=data) as running, camera(running, "door"):
        corner = {"points": [[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]}
        assert (await running.http.put("/api/streams/door/zones/corner", json=corner)).status_code == 200
        added = {"id": "gate", "name": "Gate, at the back", "source": "rtsp://127.0.0.1:9/1"}
        assert (await running.http.post("/api/streams", json=added)).status_code == 201
        await running.until(lambda s: s.get("delivered", 0) > 0, path="/api/streams/door")
        yield running


def remember(folder: Path) -> None:
    """Store a happening of the door, a minute ago."""
    at = time.time() - 60
    about = {"id": "past", "stream": "door", "class_name": "person", "zone": "corner", "seq": 1}
    store = EventStore(folder)
    store.write([(Event(phase="start", kind="zone", at=at, number=int(at * 1000), **about), None)])  # type: ignore[arg-type]
    store.close()


@asynccontextmanager
async def opened(browser: Browser, url: str) -> AsyncGenerator[Page]:
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, reduced_motion="reduce", color_scheme="dark"
    )
    page = await context.new_page()
    page.set_default_timeout(SLOW_MS)
    if url.endswith("/join"):  # without tokens there is nothing to sign in for
        await page.route("**/api/session", lambda route: route.fulfill(json={"tokens": True}))
    if url.endswith("/away"):  # which goes as soon as the server answers
        await page.add_init_script("window.fetch = async () => ({ ok: false })")
    errors = listen_for_errors(page)
    await page.goto(url)
    await page.wait_for_function(UNTIL_QUIET, timeout=SLOW_MS)
    yield page
    assert errors == []
    await context.close()


async def wrong(page: Page) -> list[str]:
    """What axe says in both themes and in forced colours, and what does not fit a narrow window or one at 200 %."""
    found = await violations(page)
    await page.emulate_media(color_scheme="light")
    found += [f"light {one}" for one in await violations(page, "color-contrast")]
    await page.emulate_media(color_scheme="dark", forced_colors="active")
    found += [f"forced {one}" for one in await violations(page, "color-contrast")]
    await page.emulate_media(forced_colors="none")
    for width, height in ((640, 400), (320, 640)):
        await page.set_viewport_size({"width": width, "height": height})
        found += [f"{width} px: {one}" for one in await too_wide(page)]
    await page.set_viewport_size({"width": 1280, "height": 800})
    return found


@pytest.mark.parametrize("name", CHANGING)
async def test_a_page_with_nothing_to_show(server: Running, browser: Browser, name: str) -> None:
    async with opened(browser, server.url + PAGES[name]) as page:
        assert await wrong(page) == []


async def too_wide(page: Page) -> list[str]:
    """What would have to be scrolled sideways, once the page has taken its new size."""
    with contextlib.suppress(PlaywrightTimeout):
        await page.wait_for_function(f"() => !({WIDER})().length", timeout=SLOW_MS)
    found: list[str] = await page.evaluate(WIDER)
    return found


@pytest.mark.parametrize("name", PAGES)
async def test_a_page(filled: Running, browser: Browser, name: str) -> None:
    async with opened(browser, filled.url + PAGES[name]) as page:
        if name == "docs":  # its tables come with the description of the API
            await page.wait_for_function("() => document.querySelector('#about').textContent !== 'Loading …'")
        await page.evaluate(OPEN_ALL)
        await page.wait_for_function(
            "() => ![...document.querySelectorAll('.hint')].some((e) => e.textContent === 'Loading …')"
        )
        assert await wrong(page) == []
        await walk(page)


async def walk(page: Page) -> None:
    """Go through a page by the Tab key: it comes to everything, and one sees where one is."""
    wanted: list[str] = await page.evaluate(REACHABLE)
    met: set[int | None] = set()
    for _ in range(len(wanted) + 8):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(FOCUSED)
        if focused is None:  # from the last one the focus goes round
            continue
        assert focused["seen"], f"no outline: {focused['name']}"
        met.add(focused.get("number"))
    assert [name for number, name in enumerate(wanted) if number not in met] == []


DIALOGS = (
    ("index", "Add a camera"),
    ("index", "Manage"),
    ("view", "Keys (?)"),
    ("view", "Snapshot"),
    ("events", "person"),
)


@pytest.mark.parametrize(("name", "button"), DIALOGS)
async def test_a_dialog(filled: Running, browser: Browser, name: str, button: str) -> None:
    """It is opened by a key, keeps the focus, is closed by Escape, and gives the focus back."""
    async with opened(browser, filled.url + PAGES[name]) as page:
        opener = page.locator("main").locator("button, a").filter(has_text=button)
        if not await opener.count():
            opener = page.get_by_role("button", name=button)
        await opener.first.focus()
        await page.keyboard.press("Enter")
        dialog = page.locator("dialog[open]")
        await expect(dialog).to_be_visible()
        assert await wrong(page) == []
        assert await dialog.evaluate("one => one.contains(document.activeElement)")
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        assert await page.evaluate("() => document.activeElement !== document.body")


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until something of this name, or id, has the focus."""
    met = []
    for _ in range(120):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(FOCUSED)
        if focused is not None and name in focused["name"]:
            return
        met.append(focused and focused["name"])
    raise AssertionError(f"the Tab key does not come to {name!r}, but to {met}")


async def test_the_main_jobs_are_done_by_keys_alone(filled: Running, browser: Browser) -> None:
    """A camera gets a name, another one is watched, a zone is begun, and a rule."""
    async with opened(browser, filled.url) as page:
        keys = page.keyboard
        await tab_to(page, "Manage Gate")
        await keys.press("Enter")
        name = page.get_by_role("dialog").get_by_label("Name", exact=True)
        await expect(name).to_be_focused()
        await keys.press("Control+a")
        await keys.type("Yard")
        await keys.press("Enter")
        await expect(page.locator('[data-stream="gate"] h2')).to_have_text("Yard")

        await page.goto(filled.url + PAGES["view"])
        await page.wait_for_function("() => Number(document.body.dataset.shown ?? 0) > 0")
        await tab_to(page, "Zones")
        await keys.press("Enter")
        await tab_to(page, "new-zone")
        await keys.press("Enter")
        await expect(page.locator("#drawing")).to_be_focused()
        await keys.press("Escape")
        await tab_to(page, "Rules")
        await keys.press("Enter")
        await tab_to(page, "rule-new")
        await keys.press("Enter")
        await expect(page.locator("#rule-place option")).to_have_count(2)


async def first_visit(browser: Browser, url: str) -> tuple[int, int, float]:
    """Bytes and requests of a visit, without pictures and what the API tells, and how much moved by itself."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, service_workers="block")
    page = await context.new_page()
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))
    await page.add_init_script(f"({WATCH_SHIFTS})()")
    await page.goto(url)
    await page.wait_for_function(UNTIL_QUIET, timeout=SLOW_MS)
    await page.evaluate("async () => { for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame); }")
    files = [request for request in asked if "/api/" not in request.url]
    sizes = [await request.sizes() for request in files]
    moved = float(await page.evaluate("() => shifts"))
    await context.close()
    return sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes), len(files), round(moved, 3)


async def test_first_visits_are_light_and_nothing_jumps(filled: Running, browser: Browser) -> None:
    for name, path in PAGES.items():
        size, requests, moved = await first_visit(browser, filled.url + path)
        assert size < MOST_BYTES.get(name, USUAL_BYTES), name
        assert requests <= MOST_REQUESTS, name
        assert moved <= MOST_SHIFT, name


@pytest.mark.parametrize("name", ["view", "camera"])
async def test_the_picture_has_its_place_before_the_panel_comes(filled: Running, browser: Browser, name: str) -> None:
    """Browsers show what has come of a page, and what follows must not move it."""

    async def cut(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=(await answer.text()).partition("<aside")[0])

    async with await browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=False) as context:
        page = await context.new_page()
        await page.route(filled.url + PAGES[name], cut)
        await page.goto(filled.url + PAGES[name])
        place = await page.locator("#stage").bounding_box()
        assert place is not None
        assert (place["x"], place["width"]) == (0, 960)


async def test_an_installed_page_opens_without_its_server_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    """It says that the server is away. Nothing of the server's is kept: no page, no picture, no answer."""
    context = await browser.new_context()
    async with serving("--model", "motion", data=tmp_path) as server:
        page = await context.new_page()
        await page.goto(server.url)
        await page.wait_for_function("async () => (await navigator.serviceWorker.ready).active.state === 'activated'")
        await page.wait_for_function("async () => Boolean(await caches.match('/language.json'))")
        port = server.url.rpartition(":")[2]
    page = await context.new_page()
    errors = listen_for_errors(page)
    await page.goto(f"{server.url}/view/door")
    await expect(page.get_by_role("heading", name="The server is away")).to_be_visible()
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator("#told")).to_contain_text("no answer yet")
    assert await page.evaluate(KEPT) == ["/away", "/language.json"]
    async with serving("--model", "motion", "--port", port, data=tmp_path):
        await expect(page.locator("h1")).to_contain_text("Viewing", timeout=SLOW_MS)
        assert page.url == f"{server.url}/view/door"
        assert errors == []
    await context.close()


async def test_pages_remember_over_a_reload_what_they_were_doing(filled: Running, browser: Browser) -> None:
    async with opened(browser, filled.url + PAGES["view"]) as page:
        await page.wait_for_function("() => Number(document.body.dataset.shown ?? 0) > 0")
        await page.keyboard.press("c")
        await expect(page.locator('[data-do="fit"]')).to_have_attribute("aria-pressed", "true")
        await page.locator("#mode").select_option("filled")
        await page.locator("#opacity").fill("80")
        await page.reload()
        await expect(page.locator('[data-do="fit"]')).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#mode")).to_have_value("filled")
        await expect(page.locator("#opacity")).to_have_value("80")
        await page.wait_for_function("() => Number(document.body.dataset.shown ?? 0) > 0")
        await page.keyboard.press("c")
        await expect(page.locator('[data-do="fit"]')).to_have_attribute("aria-pressed", "false")
        await page.reload()
        await expect(page.locator('[data-do="fit"]')).to_have_attribute("aria-pressed", "false")
