"""What a person does in the first hour, with every click, choice and line of text counted."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from sightline.security.tokens import Store
from support.browsing import FAKE_CAMERA, SLOW_MS
from support.codes import decoded
from support.onvif import onvif_camera
from support.rtsp import RtspServer
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

CHROMIUM = FAKE_CAMERA


@dataclass
class Person:
    """Somebody before a page. Each thing that they do counts as one; looking and waiting count nothing."""

    page: Page
    did: int = 0

    async def press(self, name: str, *, exact: bool = False) -> None:
        await self.page.get_by_role("button", name=name, exact=exact).filter(visible=True).first.click()
        self.did += 1

    async def open(self, summary: str) -> None:
        await self.page.locator("summary", has_text=summary).click()
        self.did += 1

    async def follow(self, name: str) -> None:
        await self.page.get_by_role("link", name=name).first.click()
        self.did += 1

    async def write(self, label: str, text: str) -> None:
        await self.page.get_by_label(label).filter(visible=True).fill(text)
        self.did += 1

    async def choose(self, label: str, value: str) -> None:
        await self.page.get_by_label(label).select_option(value)
        self.did += 1


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, str]]:
    """One that the network reaches, and the token of its admin."""
    data: Path = tmp_path_factory.mktemp("data")
    token, _ = Store(data).create("admin", "*", lifetime=3600)
    async with serving("--lan", "--model", "nano", "--engine", "onnx", data=data) as running:
        running.http.headers["authorization"] = f"Bearer {token}"
        yield running, token


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def admin(server: tuple[Running, str], browser: Browser) -> AsyncIterator[BrowserContext]:
    """The operator's browser, which the link in the terminal has signed in."""
    context = await browser.new_context(ignore_https_errors=True, permissions=["camera"])
    await context.request.post(f"{server[0].url}/api/session", data={"token": server[1]})
    yield context
    await context.close()


async def start(context: BrowserContext, server: Running) -> Person:
    page = await context.new_page()
    page.set_default_timeout(SLOW_MS)
    await page.goto(server.url)
    await expect(page.locator("body")).to_have_attribute("data-manages", "true")
    return Person(page)


async def test_the_own_camera_in_2(server: tuple[Running, str], admin: BrowserContext) -> None:
    person = await start(admin, server[0])
    await person.press("Add a camera")
    await person.press("This computer")
    await expect(person.page.locator("body")).to_have_attribute("data-state", "live")
    assert person.did == 2
    await person.page.close()
    assert (await server[0].http.delete("/api/streams/webcam")).status_code == 204


async def test_a_network_camera_in_4(server: tuple[Running, str], admin: BrowserContext) -> None:
    with RtspServer() as rtsp:
        person = await start(admin, server[0])
        await person.press("Add a camera")
        await person.press("A network camera")
        await person.write("Address", rtsp.url)
        await person.press("Add", exact=True)
        card = person.page.locator('[data-stream="camera"]')
        await expect(card).to_have_attribute("data-state", re.compile("resting|live"))
        await expect(card.locator(".thumbnail :is(img, canvas)").filter(visible=True)).not_to_have_count(0)
        assert person.did == 4
        await server[0].http.delete("/api/streams/camera")
    await person.page.close()


async def test_a_camera_that_is_found_comes_with_the_stream_that_is_enough_in_7(
    server: tuple[Running, str], admin: BrowserContext
) -> None:
    """What would come over the network is told to the page in its place: the rest is real."""
    with onvif_camera() as camera, RtspServer(size=(320, 240)) as rtsp:
        camera.rtsp = rtsp.url
        person = await start(admin, server[0])
        found = {"name": "<i>Gate</i>", "kind": "onvif", "address": camera.url, "hardware": "IPC-1"}
        other = {"name": "Hall", "kind": "rtsp", "address": "rtsp://192.0.2.1/1", "hardware": ""}
        await person.page.route("**/api/sources/find", lambda route: route.fulfill(json={"devices": [found, other]}))
        await person.press("Add a camera")
        await person.press("A network camera")
        await person.press("Find cameras")
        dialog = person.page.get_by_role("dialog", name="Add a network camera")
        await dialog.get_by_role("button", name="Hall").click()  # by mistake, so that it does not count
        await expect(dialog.get_by_label("Address")).to_have_value(other["address"])
        one = dialog.get_by_role("button", name="<i>Gate</i>")
        await one.click()
        await expect(dialog.get_by_role("alert")).to_contain_text("check user and password")
        await expect(dialog.get_by_label("User")).to_be_focused()
        await person.write("User", camera.user)
        await person.write("Password", camera.password)
        await person.press("<i>Gate</i>")
        await expect(dialog.get_by_label("Stream")).to_have_value(f"{rtsp.url}/sub?a=1&b=2")
        await expect(dialog.get_by_label("Address")).to_have_value(f"{rtsp.url}/sub?a=1&b=2")
        await person.press("Add", exact=True)
        await expect(person.page.locator('[data-stream="i-Gate-i"] h2')).to_have_text("<i>Gate</i>")
        await server[0].until(lambda s: s["width"] == 320, path="/api/streams/i-Gate-i")
        assert person.did == 7
        await server[0].http.delete("/api/streams/i-Gate-i")
    await person.page.close()


async def test_something_without_a_camera_in_1_an_alert_of_a_person_in_5_a_saved_snapshot_in_2_and_clip_in_1(
    server: tuple[Running, str], admin: BrowserContext
) -> None:
    person = await start(admin, server[0])
    await person.press("Show a drawn street")
    await expect(person.page.locator('[data-stream="Street"]')).to_be_visible()
    assert person.did == 1
    person.did = 0
    await person.follow("Watch")
    await person.open("Rules")
    await person.press("New rule")
    await person.write("Add a class", "person")
    await person.press("Save", exact=True)
    row = person.page.locator("[data-rule=person]")
    await expect(row).to_contain_text("When a person")
    await expect(row).to_contain_text("Fulfilled")
    assert person.did == 5
    person.did = 0
    await person.page.keyboard.press("s")
    person.did += 1
    await expect(person.page.get_by_alt_text("The picture of this moment")).to_be_visible()
    async with person.page.expect_download():
        await person.press("Download")
    assert person.did == 2
    await person.page.keyboard.press("Escape")
    person.did = 0
    await person.press("Save clip")
    saved = person.page.get_by_role("link", name="Show the clip")
    await expect(saved).to_have_attribute("href", re.compile(r"/timeline\?stream=Street&at=\d+"))
    assert person.did == 1
    await person.page.close()


async def test_a_second_viewer_on_a_phone_in_3(
    server: tuple[Running, str], admin: BrowserContext, browser: Browser
) -> None:
    await server[0].http.post("/api/streams", json={"id": "Street", "source": "synthetic:street"})
    person = await start(admin, server[0])
    await person.press("Add a phone")
    await person.choose("It may", "view")
    code = person.page.locator("#invite-worth")
    await expect(code).to_contain_text("may watch the stream “Street”")
    link = person.page.locator("#invite-link")
    async with asyncio.timeout(SLOW_MS / 1000):
        while (scanned := decoded(await person.page.screenshot())) != await link.input_value():
            pass
    person.did += 1
    phone = await browser.new_context(
        ignore_https_errors=True, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    page = await phone.new_page()
    await page.goto(scanned)
    await page.wait_for_url("**/view/Street")
    await expect(page.locator("body")).to_have_attribute("data-state", "live")
    assert person.did == 3
    await phone.close()
    await person.page.close()


async def test_what_is_copied_for_programs_runs_as_it_stands(
    server: tuple[Running, str], admin: BrowserContext, tmp_path: Path
) -> None:
    """With a token in its place, and beside the certificate that the page says where to get."""
    running, token = server
    await running.http.post("/api/streams", json={"id": "Street", "source": "synthetic:street"})
    page = (await start(admin, running)).page
    await page.goto(f"{running.url}/view/Street")
    await page.locator("#links > summary").click()
    for name in ("curl", "python"):
        link = page.locator(f".link:has(#link-{name})")
        await expect(link).to_contain_text(f"sightline-ca.crt beside it: get it once from {running.url}/ca.crt")
        (tmp_path / name).write_text((await link.locator("textarea").input_value()).replace("TOKEN", token))
    await page.close()
    (tmp_path / "sightline-ca.crt").write_bytes((await running.http.get("/ca.crt")).content)
    python = await program(tmp_path, sys.executable, "-u", "python")
    assert python.stdout is not None
    assert b"[" in await python.stdout.readline()
    python.terminate()
    await python.communicate()
    curl = await program(tmp_path, "sh", "curl")
    said, _ = await curl.communicate()
    assert curl.returncode == 0, said
    assert (tmp_path / "Street.jpg").read_bytes().startswith(b"\xff\xd8")


async def program(folder: Path, *command: str) -> asyncio.subprocess.Process:
    """Something that runs there; what it says comes by its output."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
