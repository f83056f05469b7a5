"""A camera is tried, added, named, paused and removed on the start page, in a real browser."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.browsing import browsing, listen_for_errors
from support.rtsp import RtspServer
from support.serving import serving

PASSWORD = "p@ss/w0rd"


@pytest.mark.timeout(300)
async def test_a_network_camera_from_its_address_to_its_end(tmp_path: Path) -> None:
    login = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    with RtspServer(login=login) as rtsp, RtspServer(size=(320, 240)) as open_rtsp:
        async with serving("--model", "motion", data=tmp_path) as server, browsing() as browser:
            page = await browser.new_page()
            errors = listen_for_errors(page)
            await page.goto(server.url)
            await page.get_by_role("button", name="Add a camera").click()
            await page.get_by_role("button", name="A phone").click()
            await expect(page.get_by_role("dialog")).to_contain_text("sightline serve --lan")
            await page.get_by_role("button", name="Back").click()
            await page.get_by_role("button", name="A network camera").click()
            dialog = page.get_by_role("dialog", name="Add a network camera")
            await dialog.get_by_role("button", name="Test").click()
            await expect(dialog.get_by_role("alert")).to_have_text("Give the camera's address.")
            await dialog.get_by_label("Address").fill("169.254.169.254/latest")
            await dialog.get_by_role("button", name="Test").click()
            await expect(dialog.get_by_role("alert")).to_contain_text("link-local")
            await dialog.get_by_label("Address").fill(rtsp.url)
            await dialog.get_by_label("User").fill("me")
            await dialog.get_by_label("Password").fill("wrong")
            await dialog.get_by_role("button", name="Test").click()
            await expect(dialog.get_by_role("alert")).to_contain_text("user or the password")
            await dialog.get_by_label("Password").fill(PASSWORD)
            await dialog.get_by_role("button", name="Test").click()
            await expect(dialog.get_by_alt_text("The camera's picture")).to_be_visible()
            await dialog.get_by_label("Name", exact=True).fill("Küche")
            await dialog.get_by_role("button", name="Add", exact=True).click()
            await expect(dialog).to_have_count(0)
            card = page.locator('[data-stream="Kuche"]')
            await expect(card.locator("h2")).to_have_text("Küche")
            await expect(card).to_have_attribute("data-state", "live")  # as the card is in sight
            assert PASSWORD not in await page.content()

            await card.get_by_role("button", name="Manage Küche").click()
            own = page.get_by_role("dialog", name="Küche")
            await own.get_by_label("Name").fill("<b>Kitchen</b>")
            await own.get_by_label("Group").fill("Inside")
            await page.keyboard.press("Enter")
            await expect(card.locator("h2")).to_have_text("<b>Kitchen</b>")
            await expect(page.get_by_role("heading", name="Inside")).to_be_visible()
            viewer = await browser.new_page()
            errors += listen_for_errors(viewer)
            await viewer.goto(f"{server.url}/view/Kuche")
            await expect(viewer.locator("h1")).to_have_text("Viewing <b>Kitchen</b>")
            await expect(viewer).to_have_title("<b>Kitchen</b> · Viewer · Sightline")

            more = card.get_by_role("button", name="Manage")
            await more.click()
            await page.get_by_role("button", name="Pause").click()
            await expect(card).to_have_attribute("data-state", "paused")
            await more.click()
            await page.get_by_role("button", name="Resume").click()
            await expect(card).to_have_attribute("data-state", "live")
            await viewer.close()

            await more.click()
            await page.get_by_role("button", name="Change its address…").click()
            other = page.get_by_role("dialog", name="Address of")
            await other.get_by_label("Address").fill(open_rtsp.url)
            await other.get_by_role("button", name="Change").click()
            await server.until(lambda s: s["width"] == 320, path="/api/streams/Kuche")

            await more.click()
            await page.get_by_role("button", name="Remove…").click()
            await expect(page.get_by_role("alert").filter(has_text="recordings stay")).to_be_visible()
            await page.get_by_role("button", name="Remove it").click()
            await expect(card).to_have_count(0)
            assert errors == []
