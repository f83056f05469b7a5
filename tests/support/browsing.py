"""Real Chromium with a fake camera that plays a real clip."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, Worker, async_playwright, expect

QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
SLOW_MS = 90_000
"""A page that has not got there by then never will."""
expect.set_options(timeout=SLOW_MS)
HAS_A_PICTURE = "() => Number(document.body.dataset.shown ?? 0) > 0"
LOOK_AWAY = """value => {
  Object.defineProperty(document, "visibilityState", { value, configurable: true });
  Object.defineProperty(document, "hidden", { value: value === "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Makes a page ``hidden``, or ``visible`` again, as far as it can tell."""
RECORD = """() => {
  const show = registration.showNotification.bind(registration);
  globalThis.shown = [];
  registration.showNotification = async (title, { tag, body, data, icon }) => {
    await show(title, { tag, body, data, icon });
    shown.push({ tag, title, body, data, icon });
  };
}"""
HASH = """canvas => {
  const copy = new OffscreenCanvas(32, 18);
  const ink = copy.getContext("2d");
  ink.drawImage(canvas, 0, 0, 32, 18);
  return ink.getImageData(0, 0, 32, 18).data.join();
}"""
"""What a canvas shows, roughly."""
FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def chromium() -> str:
    """Where Chromium is. Skips the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium: make browser installs it")


def camera_file(clip: Path, folder: Path, *, start: int, count: int, width: int = 640, height: int = 360) -> Path:
    """Frames of a clip as the concatenated JPEGs that Chromium's fake camera plays in a loop."""
    path = folder / f"{clip.stem}.mjpeg"
    with av.open(str(clip)) as container, path.open("wb") as out:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= start + count:
                break
            if index >= start:
                image = cv2.resize(frame.to_ndarray(format="bgr24"), (width, height), interpolation=cv2.INTER_AREA)
                out.write(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    return path


@asynccontextmanager
async def browsing(*arguments: str) -> AsyncGenerator[Browser]:
    """A browser with these switches. Whatever a page logs as an error fails the test: see ``quiet``."""
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=[*QUIET, *sandbox, *arguments], timeout=60_000
        )
        try:
            yield browser
        finally:
            await browser.close()


def listen_for_errors(page: Page) -> list[str]:
    """The list that the page's errors go into: exceptions, and what the policy blocks."""
    errors: list[str] = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("console", lambda m: errors.append(m.text) if "Content Security Policy" in m.text else None)
    return errors


async def recorded(context: BrowserContext) -> Worker:
    """The service worker of these pages, whose notifications are written down from now on.

    ``getNotifications`` can't be polled: Chromium was seen to forget one that was asked for while it was being shown.
    """
    worker = context.service_workers[0] if context.service_workers else await context.wait_for_event("serviceworker")
    await worker.evaluate(RECORD)
    return worker


async def notifications(worker: Worker, count: int) -> list[dict[str, Any]]:
    """What was shown, once there are so many."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found = await worker.evaluate("() => shown")
            await asyncio.sleep(0.02)
    assert len(found) == count
    return found


async def moves(page: Page, canvas: Locator) -> None:
    """Wait until other pictures come."""
    await expect(canvas).to_be_visible()
    before = await canvas.evaluate(HASH)
    await page.wait_for_function(
        f"([canvas, before]) => ({HASH})(canvas) !== before",
        arg=[
            await canvas.element_handle(),
            before,
        ],
    )


async def opened(context: BrowserContext, url: str, shows: str) -> Page:
    """A page at this address, once it shows what the selector names."""
    page = await context.new_page()
    await page.goto(url)
    await expect(page.locator(shows)).to_be_visible()
    return page


@asynccontextmanager
async def visiting(browser: Browser, url: str, *, until: str = "", **context: Any) -> AsyncGenerator[Page]:
    """A page of its own context, once ``until`` is true on it. It must log no error."""
    made = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
    page = await made.new_page()
    page.set_default_timeout(SLOW_MS)
    errors = listen_for_errors(page)
    await page.goto(url)
    if until:
        await page.wait_for_function(until, timeout=SLOW_MS)
    yield page
    assert errors == []
    await made.close()


@asynccontextmanager
async def browsing_firefox(folder: Path) -> AsyncGenerator[Browser]:
    """A Firefox as a distribution has it, which gives pages a made camera without a question. ``folder``: its own."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None or sys.platform != "linux":
        pytest.skip("no Firefox: make browser installs it")
    started = folder / "firefox"
    relay = Path(__file__).with_name("firefox_relay.py")
    started.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{relay}" "{path}" "$@"\n')
    started.chmod(0o755)
    made: dict[str, str | float | bool] = {
        "media.navigator.streams.fake": True,
        "media.navigator.permission.disabled": True,
    }
    async with async_playwright() as playwright:
        browser = await playwright.firefox.launch(
            channel="moz-firefox", executable_path=started, firefox_user_prefs=made, timeout=60_000
        )
        try:
            yield browser
        finally:
            await browser.close()


BROWSERS = ("chromium", "firefox")


@asynccontextmanager
async def browsing_with(name: str, folder: Path) -> AsyncGenerator[Browser]:
    """One of ``BROWSERS``, with a made camera. ``folder``: its own."""
    begun = browsing(*FAKE_CAMERA) if name == "chromium" else browsing_firefox(folder)
    async with begun as browser:
        yield browser
