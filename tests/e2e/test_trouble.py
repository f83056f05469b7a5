"""The dashboard tells whoever manages the server what fails, in one line, until it works again."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from support.browsing import browsing, listen_for_errors
from support.serving import camera, serving


async def test_an_output_that_fails_is_told_until_it_works_again(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    config = tmp_path / "sightline.toml"
    config.write_text(f'[[outputs]]\nkind = "jsonl"\npath = "{folder / "door.jsonl"}"\n')
    async with (
        serving("--model", "motion", env={"SIGHTLINE_CONFIG": str(config)}) as server,
        browsing() as browser,
    ):
        page = await browser.new_page()
        errors = listen_for_errors(page)
        await page.goto(server.url)
        banner = page.locator("#banner")
        await expect(page.locator("body")).to_have_attribute("data-state", "empty")
        await expect(banner).to_be_hidden()
        folder.rmdir()
        async with camera(server, "door"):
            told = f"output jsonl {folder / 'door.jsonl'} failed: [Errno 2] No such file or directory"
            await expect(banner.locator(".banner-title")).to_contain_text(told)
            await expect(page.locator("#server")).to_have_text("server ready")
            folder.mkdir()
            await expect(banner).to_be_hidden()
        assert (await server.get("/stats"))["troubles"] == {}
        assert errors == []
