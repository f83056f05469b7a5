"""Models are got, sent, looked at, kept and removed on a page of their own, in a real browser."""

from __future__ import annotations

import base64
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from support import made_exports
from support.browsing import browsing, listen_for_errors
from support.made_graph import maker_in
from support.made_hub import made_hub
from support.serving import serving

DROP = """([name, data]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
  const given = { dataTransfer: transfer, bubbles: true, cancelable: true };
  for (const kind of ["dragover", "drop"]) document.querySelector("main").dispatchEvent(new DragEvent(kind, given));
}"""


async def drop(page: Page, name: str, data: bytes) -> None:
    await page.evaluate(DROP, [name, base64.b64encode(data).decode()])


@pytest.mark.timeout(300)
async def test_a_model_from_its_file_to_its_end(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    file = made_exports.damoyolo(maker_in(tmp_path))
    with made_hub() as hub:
        hub.statuses = [404]
        env = {"SIGHTLINE_WEIGHTS_URL": hub.url, "SIGHTLINE_CACHE": str(tmp_path / "cache")}
        async with serving("--model", "motion", env=env) as server, browsing() as browser:
            page = await browser.new_page(viewport={"width": 320, "height": 640})
            errors = listen_for_errors(page)
            await page.goto(f"{server.url}/camera/new")
            await page.locator("#sheet-handle").click()
            await page.locator("#model-chosen").click()
            await page.get_by_role("link", name="More models").click()
            await expect(page.locator("#here [data-model=nano]")).to_contain_text("80 classes")
            await expect(page.locator("#others [data-model=accurate]")).to_contain_text("research or evaluation only")
            if find_spec("torch") is not None:  # without it the weights alone are no use
                row = page.locator("#others [data-model=accurate]")
                await row.get_by_role("button", name="Get accurate (190 MB)").click()
                await expect(row.get_by_role("alert")).to_contain_text("It did not come")
                await expect(row.get_by_text("Without a network")).to_be_visible()

            await drop(page, "notes.zip", b"PK\x03\x04 and so on")
            await expect(page.locator(".send-refused")).to_contain_text("is a zip archive: unpack it")
            async with page.expect_file_chooser() as chooser:
                await page.get_by_role("button", name="Choose another file").click()
            await (await chooser.value).set_files(file)
            found = page.get_by_role("form", name="tiny.onnx")
            await expect(found).to_contain_text("ant, bee, cow")
            await expect(found).to_contain_text("damoyolo")
            await expect(page.locator("#here [data-model=tiny]")).to_have_count(0)
            await found.get_by_label("Name").fill("nano")
            await found.get_by_role("button", name="Keep it").click()
            await expect(found.get_by_role("alert")).to_contain_text("a name that no model has")
            await found.get_by_label("Name").fill("insects")
            await found.get_by_label("Name").press("Enter")
            row = page.locator("#here [data-model=insects]")
            await expect(row).to_contain_text("Boxes · 3 classes")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

            await row.get_by_role("button", name="Remove insects").click()
            await expect(row.get_by_role("alert")).to_contain_text("It can be sent again")
            await row.get_by_role("button", name="Keep insects").click()
            await row.get_by_role("button", name="Remove insects").press("Enter")
            await row.get_by_role("button", name="Remove insects").press("Enter")
            await expect(row).to_have_count(0)
            assert errors == []
            server.process.terminate()
            await expect(page.locator("#banner")).to_contain_text("The server doesn't answer")
            await expect(page.locator("#here [data-model=nano]")).to_be_visible()
