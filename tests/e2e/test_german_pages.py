"""The pages in German, as somebody with a German browser sees them: no English left, nothing too wide, axe content."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from sightline.core.events import Event
from sightline.events.store import EventStore
from sightline.server import languages
from support.axe import violations
from support.browsing import HAS_A_PICTURE, listen_for_errors
from support.drawing import begin, look
from support.serving import Running, camera, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUT = """() => [...document.querySelectorAll("header.top :is(a, p, span, h1, select, button)")].filter((one) => {
  const { left, right, width } = one.getBoundingClientRect();
  const { clipPath, display } = getComputedStyle(one);
  if (!width || clipPath !== "none") return false;
  return left < 0 || right > innerWidth || (display !== "inline" && one.scrollWidth > one.clientWidth + 1);
}).map((one) => `${one.id || one.className || one.tagName}: ${one.textContent.trim()}`)"""
"""What of the head is cut off, or beyond the window's edge."""
LIVE = ("/view/door", "/camera/shed", "/timeline", "/wall")
PAGES = ("/", *LIVE, "/events", "/settings", "/models", "/trust", "/join", "/help")
SAID = """() => {
  const found = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ALL);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node instanceof Element ? node : node.parentElement;
    if (element.closest("script, style, code, #log, #tasks, option[lang], [lang=en]")) continue;
    if (node instanceof Text) found.push(node.data);
    else if (node === element) {
      for (const name of ["aria-label", "title", "placeholder", "alt"]) found.push(node.getAttribute(name) ?? "");
    }
  }
  return found.map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""
"""All that a page says, whether it can be seen yet or not."""
UNTIL_QUIET = """() => document.readyState === "complete"
  && !["connecting", "loading", "asking", "checking"].includes(document.body.dataset.state)"""

WORDS = """async () => {
  const at = (name) => import(document.querySelector("script[type=module]").src.replace(/pages\\/.*/, name));
  const { count, fps, plural, several } = await at("lib/format.js");
  const { ago } = await at("panels/events/words.js");
  const { said } = await at("lib/i18n.js");
  return [several(1, "person"), several(2, "person"), several(3, "zebra crossing"), fps(8.5), count(1234),
    ago(0, 3 * 86400), plural(2, "viewer"), said("4 viewers are connected: the limit max_viewers is reached")];
}"""

SAYS = """async (found) => {
  const at = document.querySelector("script[type=module]").src.replace(/pages\\/.*/, "lib/i18n.js");
  return (await import(at)).said(found);
}"""
"""What a page says for a sentence of the server."""


BEYOND = """() => [...document.querySelectorAll(".tools button")].filter((one) => {
  const { left, right, width } = one.getBoundingClientRect();
  return width < 44 || left < 0 || right > innerWidth || one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.outerHTML)"""
"""What of the buttons for drawing is cut off."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    store = EventStore(data / "events")
    at = time.time() - 60
    about: dict[str, Any] = {"stream": "hof", "kind": "object", "class_name": "person", "at": at, "seq": 1}
    number, why = int(at * 1000), "it was seen no more"
    store.write([(Event(id="past", phase="start", number=number, **about), None)])
    store.write([(Event(id="past", phase="end", number=number + 1, seconds=3, reason=why, **about), None)])
    store.close()
    async with serving(data=data) as running, camera(running, "door"):
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def german(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(locale="de-DE", viewport={"width": 390, "height": 844})
    yield context
    await context.close()


def english() -> Callable[[str], bool]:
    """Tells whether a text is English, whole or with something filled in, and not German as well."""
    words = languages.languages()["de"]["words"]
    both = {key for key, text in words.items() if key == text or key in words.values()}
    own, other = pattern(set(words) - both), pattern(set(words.values()))
    return lambda text: bool(own.fullmatch(text)) and not other.fullmatch(text)


def pattern(texts: set[str]) -> re.Pattern[str]:
    forms = [form.strip() for text in texts if "<" not in text for form in text.split("|")]
    spoken = [form for form in forms if len(re.sub(r"\{\d+\}|[^A-Za-z]", "", form)) >= (8 if "{" in form else 3)]
    return re.compile("|".join(re.sub(r"\\\{\d+\\\}", ".+", re.escape(form)) for form in spoken))


async def test_no_page_says_anything_in_english_and_none_is_too_wide(server: Running, german: BrowserContext) -> None:
    page = await german.new_page()
    errors = listen_for_errors(page)
    known = english()
    for path in PAGES:
        await page.goto(f"{server.url}{path}")
        assert await page.locator("html").get_attribute("lang") == "de", path
        await page.wait_for_function(UNTIL_QUIET)
        await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        await expect(page.get_by_text("Wird geladen …")).to_have_count(0)
        left = [text for text in await page.evaluate(SAID) if known(text)]
        assert left == [], path
        for width in (390, 320):
            await page.set_viewport_size({"width": width, "height": 844})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} at {width}"
            assert await page.evaluate(CUT) == [], f"{path} at {width}"
    assert errors == []
    await page.close()


@pytest.mark.parametrize("path", ["/", "/view/door", "/settings"])
async def test_axe_finds_nothing_in_german(server: Running, german: BrowserContext, path: str) -> None:
    page = await german.new_page()
    await page.goto(f"{server.url}{path}")
    await page.wait_for_function(UNTIL_QUIET)
    assert await violations(page) == []
    await page.close()


async def test_a_wall_says_in_german_why_there_is_no_picture(server: Running, german: BrowserContext) -> None:
    source = "rtsp://127.0.0.1:9/1"
    for name in ("fern", "stumm"):
        assert (await server.http.post("/api/streams", json={"id": name, "source": source})).status_code == 201
    assert (await server.http.patch("/api/streams/stumm", json={"paused": True})).status_code == 200
    page = await german.new_page()
    await page.goto(f"{server.url}/wall?streams=fern,stumm,nie")
    for name, said in (("fern", "verbindet neu"), ("stumm", "pausiert"), ("nie", "kein solcher Stream")):
        await expect(page.locator(f'[data-stream="{name}"] .tile-state')).to_have_text(said)
    for name in ("fern", "stumm"):
        assert (await server.http.delete(f"/api/streams/{name}")).status_code == 204
    await page.close()


async def test_what_was_chosen_is_remembered(server: Running, german: BrowserContext) -> None:
    page = await german.new_page()
    add = page.locator("#add-camera:not([hidden])")  # by its script, so the choice has its own as well
    await page.goto(server.url)
    for label, language, text in (
        ("Sprache", "English", "Add a camera"),
        ("Language", "Deutsch", "Kamera hinzufügen"),
        ("Sprache", "English", "Add a camera"),
        ("Language", "As the browser has it", "Kamera hinzufügen"),
    ):
        await expect(add).to_be_visible()
        await page.get_by_label(label).select_option(language)
        await expect(add).to_have_text(text)
    await page.goto(f"{server.url}/settings")
    await expect(page.locator("h1")).to_have_text("Einstellungen")
    assert [one for one in await german.cookies() if one["name"] == languages.COOKIE] == []
    await page.close()


async def test_settings_and_what_the_doctor_finds_are_told_in_german(server: Running, german: BrowserContext) -> None:
    page = await german.new_page()
    await page.goto(f"{server.url}/settings")
    await page.locator("#settings-all").check()
    await expect(page.locator("[data-setting=max_streams] .hint").last).to_have_text("Streams zugleich.")
    await expect(page.locator("[data-setting=lan] .hint a").last).to_have_attribute("href", "/help/phones")
    loaded = "nano with onnx on cpu in fp32: loaded in 0.4 s, 9.1 ms for 640x360; this engine: asked for by name"
    told = "nano mit onnx auf cpu in fp32: in 0.4 s geladen, 9.1 ms für 640x360; warum diese Engine: so verlangt"
    for found, expected in (
        ("graphics card", "Grafikkarte"),
        ("8 cores, 2.5 of 7.8 GB memory free", "8 Kerne, 2.5 von 7.8 GB Speicher frei"),
        (loaded, told),
    ):
        assert await page.evaluate(SAYS, found) == expected
    await page.close()


async def test_why_something_ended_is_told_in_german(server: Running, german: BrowserContext) -> None:
    page = await german.new_page()
    await page.goto(f"{server.url}/events")
    await page.locator('[data-event="past"]').click()
    await expect(page.locator("#detail-facts")).to_contain_text("es war nicht mehr zu sehen")
    paused = "rtsp://yard: somebody has paused this camera"
    assert await page.evaluate(SAYS, paused) == "rtsp://yard: jemand hat diese Kamera pausiert"
    await page.close()


async def test_a_narrow_phone_has_all_that_is_drawn_with(server: Running, german: BrowserContext) -> None:
    page = await german.new_page()
    await page.goto(f"{server.url}/view/door")
    await page.wait_for_function(HAS_A_PICTURE)
    await page.locator("#sheet-handle").click()
    await look(page)
    await begin(page, "line")
    for width in (390, 360, 320):
        await page.set_viewport_size({"width": width, "height": 740})
        assert await page.evaluate(BEYOND) == [], width
        await expect(page.get_by_role("button", name="Abbrechen", exact=True)).to_be_visible()
        await expect(page.get_by_role("button", name="Speichern", exact=True)).to_be_visible()
    await page.close()


async def test_names_and_numbers_are_german(server: Running, german: BrowserContext) -> None:
    page = await german.new_page()
    await page.goto(f"{server.url}/view/door")
    numbers = ["8,5", "1.234", "vor 3 Tagen", "2 Zuschauer"]
    names = ["1 Person", "2 Personen", "3 zebra crossing"]
    refusal = "4 Zuschauer sind verbunden: die Grenze max_viewers ist erreicht"
    assert await page.evaluate(WORDS) == [*names, *numbers, refusal]
    await page.close()
