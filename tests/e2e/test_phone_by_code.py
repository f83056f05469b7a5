"""A phone becomes a camera by scanning a code: from the dashboard's picture to boxes, over TLS."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from sightline.security.tokens import Store
from support.browsing import FAKE_CAMERA, LOOK_AWAY, SLOW_MS, listen_for_errors
from support.codes import decoded
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "ignore_https_errors": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Mobile",
}

CHROMIUM = FAKE_CAMERA


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lan(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, Path]]:
    data = tmp_path_factory.mktemp("data")
    async with serving("--lan", data=data) as server:
        yield server, data


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def admin(lan: tuple[Running, Path], browser: Browser) -> AsyncIterator[Page]:
    """The dashboard, signed in with a token that was pasted."""
    server, data = lan
    token, _ = Store(data).create("admin", "*", lifetime=3600)
    base = re.findall(r"at (https://\S+)", "".join(server.log))[0]
    context = await browser.new_context(ignore_https_errors=True)
    page = await context.new_page()
    errors = listen_for_errors(page)
    await page.goto(base)
    await state(page, "signed-out")
    await page.get_by_role("link", name="Sign in with a token").click()
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{base}/", timeout=SLOW_MS)
    await page.get_by_role("button", name="Add a phone").wait_for(timeout=SLOW_MS)
    yield page
    assert errors == []
    await context.close()


async def state(page: Page, wanted: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", wanted)


async def scan(admin: Page, what: str = "publish", stream: str = "") -> str:
    """Have the dashboard show a code, and read it off the screen as a phone does."""
    await admin.get_by_role("button", name="Add a phone").click()
    await admin.locator("#invite-code").wait_for(timeout=SLOW_MS)
    if what != "publish":
        await admin.get_by_label("It may").select_option(what)
        await admin.get_by_label("Stream", exact=True).fill(stream)
        await admin.get_by_role("button", name="New code").click()
        await admin.locator("#invite-code").wait_for(timeout=SLOW_MS)
    url = await admin.locator("#invite-link").input_value()
    async with asyncio.timeout(SLOW_MS / 1000):
        while decoded(await admin.screenshot()) != url:  # it is there before it is painted
            pass
    await admin.get_by_role("button", name="Done").click()
    await expect(admin.locator("#invite-link")).to_have_value("")  # what was shown is gone with the dialog
    return url


async def phone(browser: Browser) -> BrowserContext:
    return await browser.new_context(**PHONE, permissions=["camera"])


async def test_the_dialog_notices_the_phone(browser: Browser, admin: Page) -> None:
    """Fault 48."""
    await admin.get_by_role("button", name="Add a phone").click()
    await admin.get_by_label("Stream", exact=True).fill("pocket")
    await admin.get_by_role("button", name="New code").click()
    link = admin.locator("#invite-link")
    await admin.locator("#invite-code").wait_for(timeout=SLOW_MS)
    cut = """ids => ids.map((id) => document.querySelector(id))
      .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1).map((e) => e.id)"""
    assert await admin.evaluate(cut, ["#invite-link", "#invite-role", "#inviting"]) == []
    context = await phone(browser)
    page = await context.new_page()
    await page.goto(await link.input_value())
    await state(page, "live")
    await expect(admin.get_by_role("dialog")).to_contain_text("“pocket” is live")
    await expect(link).to_be_hidden()
    assert await admin.get_by_role("link", name="Watch it").get_attribute("href") == "/view/pocket"
    await admin.get_by_role("button", name="Done").click()
    # fault 57, over WebRTC: it sends nothing in the background, and keeps its stream
    card = admin.locator('.card[data-stream="pocket"]')
    await page.evaluate(LOOK_AWAY, "hidden")
    await expect(card).to_have_attribute("data-state", "paused")
    await expect(card).to_contain_text("the camera's page is in the background")
    await page.evaluate(LOOK_AWAY, "visible")
    await state(page, "live")
    await expect(card).to_have_attribute("data-state", "live")
    await context.close()
    await expect(card).to_have_attribute("data-state", "waiting")


async def test_who_is_not_signed_in_reads_so_before_the_camera_is_asked_for(
    lan: tuple[Running, Path], browser: Browser
) -> None:
    """Fault 46."""
    base = re.findall(r"at (https://\S+)", "".join(lan[0].log))[0]
    page = await (await phone(browser)).new_page()
    await page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => (window.asked = true, new Promise(() => {}))"
    )
    for path in ("/camera/x#start", "/view/x"):
        await page.goto(base + path)
        banner = page.locator("#banner")
        await expect(banner).to_contain_text("You are not signed in")
        assert not re.search("Bearer|expected|The server says", await banner.inner_text())
        assert await page.evaluate("window.wasAsked") is None
    await banner.get_by_role("link", name="Sign in").click()
    await page.wait_for_url("**/join")
    await page.context.close()


async def test_from_the_code_to_boxes(lan: tuple[Running, Path], browser: Browser, admin: Page) -> None:
    _, data = lan
    url = await scan(admin)
    assert re.fullmatch(r"https://[^/]+/join#[\w-]{22}", url)
    ticket = url.partition("#")[2]
    context = await phone(browser)
    page = await context.new_page()
    errors = listen_for_errors(page)
    asked: list[str] = []
    page.on("request", lambda r: asked.append(f"{r.url.partition('#')[0]} {r.headers.get('referer', '')}"))
    begun = time.perf_counter()
    await page.goto(url)
    await page.wait_for_function("() => Number(document.body?.dataset.detections) > 0", timeout=SLOW_MS)
    took = time.perf_counter() - begun
    print(f"from the scanned code to the first box, over TLS: {took:.2f} s")  # noqa: T201
    assert page.url.endswith("/camera/phone")
    await state(page, "live")
    await admin.locator('.card[data-stream="phone"][data-state="live"]').wait_for(timeout=SLOW_MS)

    assert asked
    assert not [line for line in asked if ticket in line or "join" in line.partition(" ")[2]], "no Referer, no query"
    cookies = await context.cookies()
    assert [(c["name"], c["httpOnly"], c["secure"], c["sameSite"]) for c in cookies] == [
        ("__Host-sightline", True, True, "Strict")
    ]
    assert await page.evaluate("document.cookie") == ""

    # The same code again, in another hand.
    stranger = await (await phone(browser)).new_page()
    await stranger.goto(url)
    await expect(stranger.get_by_role("heading")).to_have_text("This code does not work any more")
    await stranger.context.close()

    # Its right is that of one camera, and it is offered no more.
    await expect(page.locator("#link-hint")).to_contain_text("needs a code or a token")
    assert await page.locator("#open-view").get_attribute("hidden") is not None
    await page.goto(url.partition("/join")[0])
    await page.get_by_role("link", name="Camera page of phone").wait_for(timeout=SLOW_MS)
    assert await page.get_by_role("link", name="Watch phone").count() == 0
    await page.goto(url.partition("/join")[0] + "/view/phone")
    await expect(page.locator(".banner-title")).to_have_text("The server doesn't allow that")
    await page.goto(url.partition("/join")[0] + "/camera/phone#start")
    await state(page, "live")

    # And it ends when that is taken back.
    (browser_token,) = [r for r in Store(data).records() if r.stream == "phone"]
    Store(data).revoke(browser_token.id)
    await expect(page.locator(".banner-title")).to_have_text("You are not signed in")
    await expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/join")
    assert errors == []
    await context.close()


async def test_a_code_to_watch(browser: Browser, admin: Page) -> None:
    url = await scan(admin, "view", "porch")
    context = await phone(browser)
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_url("**/view/porch", timeout=SLOW_MS)
    await state(page, "waiting")
    await expect(page.locator("#model-right")).to_have_text(re.compile("right to publish “porch”"))
    await expect(page.locator("#model-name")).to_have_text("motion")
    await expect(page.locator("#confidence")).to_be_disabled()
    await page.goto(url.partition("/join")[0])
    await state(page, "empty")
    await expect(page.get_by_role("button", name="Add a phone")).to_be_hidden()
    await expect(page.get_by_role("button", name="Use this device's camera")).to_have_count(0)
    await context.close()


async def test_the_trust_page_says_what_is_missing(browser: Browser, admin: Page) -> None:
    context = await browser.new_context(**PHONE)
    page = await context.new_page()
    errors = listen_for_errors(page)
    await page.goto(admin.url + "trust")
    await state(page, "missing")
    lines = await page.locator("#checks .name").all_inner_texts()
    assert lines == [
        "A secure page: yes",
        "A camera for pages: yes",
        "A live connection: yes",
        "A trusted certificate: missing",
    ]
    await expect(page.get_by_role("heading", level=1)).to_have_text("This device can be a camera here")
    await expect(page.get_by_role("heading", name="Android")).to_be_visible()
    await expect(page.get_by_role("heading", name="iPhone")).to_be_hidden()
    assert errors == []
    await context.close()


@pytest.mark.parametrize("path", ["", "docs", "join", "trust"])
async def test_pages_fit_a_small_phone(browser: Browser, admin: Page, path: str) -> None:
    await admin.set_viewport_size({"width": 320, "height": 640})
    try:
        base = admin.url
        await admin.goto(base + path)
        if not path:
            await admin.get_by_role("button", name="Add a phone").click()
            await admin.locator("#invite-code").wait_for(timeout=SLOW_MS)
        assert await admin.evaluate("document.documentElement.scrollWidth") <= 320
        wide = "Math.max(...[...document.querySelectorAll('dialog')].map((d) => d.scrollWidth - d.clientWidth), 0)"
        assert await admin.evaluate(wide) == 0
        await admin.goto(base)
    finally:
        await admin.set_viewport_size({"width": 1280, "height": 720})
