"""``/docs`` shows the API without a request to anybody else (fault 64)."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.async_api import expect

from support.browsing import browsing, listen_for_errors
from support.serving import serving


async def test_the_api_is_shown_for_people() -> None:
    async with serving("--model", "motion") as server, browsing() as browser:
        page = await browser.new_page()
        errors = listen_for_errors(page)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(server.url)
        await page.get_by_role("link", name="HTTP API").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("HTTP API")
        predict = page.locator("details", has=page.locator("summary code", has_text="/api/predict"))
        await predict.locator("summary").click()
        await expect(predict.get_by_role("row", name="mode (query)")).to_contain_text("auto, blend, blur_background")
        await expect(predict.get_by_role("row", name="multipart/form-data")).to_contain_text("image: array of bytes")
        await expect(predict.get_by_role("row", name="413 ")).to_contain_text("Error")
        served = (await server.get("/openapi.json"))["paths"]
        assert await page.locator("summary .method + code").count() == sum(len(methods) for methods in served.values())
        assert {urlsplit(url).netloc for url in asked} == {urlsplit(server.url).netloc}
        assert errors == []
