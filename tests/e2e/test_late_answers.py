"""Answers of the server that come late, twice, in another order or not at all, and what the pages make of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from support.browsing import opened
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

HAPPENED: dict[str, Any] = {
    **{"stream": "a", "kind": "zone", "class_name": "person", "zone": "drive", "rule": "", "direction": "", "track": 1},
    **{"box": None, "started_at": 1.7e9, "ended_at": 1.7e9 + 3, "seconds": 3, "speed": None, "reason": ""},
    **{"start_seq": 1, "end_seq": 9, "snapshot": ""},
}
EXPORT: dict[str, Any] = {
    **{"stream": "a", "from": 1.7e9, "to": 1.7e9 + 9, "kind": "recorded", "mode": "auto", "format": "mp4", "speed": 1},
    **{"every_s": 1, "hidden": [], "bytes": 9, "made_at": 1.7e9, "ends_at": 2e9, "why": ""},
}


class Held:
    """Requests that are held until ``go`` is set. ``body``: the answer; None for the server's own."""

    def __init__(self, body: Any = None) -> None:
        self.body, self.go, self.methods = body, asyncio.Event(), list[str]()

    async def __call__(self, route: Route) -> None:
        self.methods.append(route.request.method)
        await self.go.wait()
        if self.body is None:
            await route.continue_()
        else:
            await route.fulfill(json=self.body)

    async def seen(self, count: int = 1) -> None:
        async with asyncio.timeout(60):
            while len(self.methods) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving(
        "--model", "motion", *(f"--source={name}=synthetic:shapes?size=160x90&fps=2" for name in "abc")
    ) as running:
        yield running


async def order(page: Page) -> list[str]:
    found: list[str] = await page.locator("#cards .card").evaluate_all("all => all.map(card => card.dataset.stream)")
    return found


async def test_cards_stay_where_they_were_put_and_two_clicks_are_one(server: Running, context: BrowserContext) -> None:
    page = await opened(context, server.url, "#cards [data-stream=c]")
    held = Held()
    await page.route(re.compile("/api/streams/[abc]$"), held)
    while not await page.locator("#moved").inner_text():  # what listens to keys is fetched after the cards
        await page.get_by_role("button", name="Move a").press("ArrowRight")
    await page.get_by_role("button", name="Move c").press("ArrowLeft")  # before the first is sent, or saved
    await held.seen()
    held.go.set()
    await server.until(lambda s: [one["name"] for one in s["streams"]] == ["b", "c", "a"], path="/api/streams")
    for _ in range(2):
        async with page.expect_response("**/api/streams"):
            pass
        assert await order(page) == ["b", "c", "a"]
    await page.locator("#street").evaluate("button => { button.click(); button.click(); }")
    await expect(page.locator("#cards .card")).to_have_count(4)
    async with page.expect_response("**/api/streams"):
        pass
    assert len((await server.get("/api/streams"))["streams"]) == 4
    await page.get_by_role("button", name="Manage a").evaluate("button => { button.click(); button.click(); }")
    await expect(page.locator("dialog[open]")).to_have_count(1)


async def test_a_rule_that_is_saved_late_leaves_the_form_of_another_alone(
    server: Running, context: BrowserContext
) -> None:
    for name in ("day", "night"):
        assert (await server.http.put(f"/api/streams/a/rules/{name}", json={"for_s": 1})).status_code == 200
    page = await opened(context, f"{server.url}/view/a?transport=websocket#rules", "#rule-of-day-edit")
    held = Held()
    await page.route("**/rules/day", held)
    await page.locator("#rule-of-day-edit").click()
    await page.locator("#rule-for_s").fill("7")
    await page.locator("#rule-save").click()
    await held.seen()
    await page.keyboard.press("Escape")
    await page.locator("#rule-of-night-edit").click()
    await page.locator("#rule-for_s").fill("9")
    async with page.expect_response("**/api/streams/a/rules"):  # looked at once it is saved
        held.go.set()
    await expect(page.locator("[data-rule=day]")).to_contain_text("7 s")
    await expect(page.locator("#rule-form-title")).to_have_text("Rule night")
    await expect(page.locator("#rule-for_s")).to_have_value("9")


async def test_settings_that_are_written_while_others_are_saved(server: Running, context: BrowserContext) -> None:
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/x"}
    assert (await server.http.post("/api/outputs", json=hook)).status_code == 201
    page = await context.new_page()
    made = Held({"id": "t", "token": "slt_x"})
    tokens = {"enabled": True, "tokens": []}
    await page.route(
        "**/api/tokens", lambda route: made(route) if route.request.method == "POST" else route.fulfill(json=tokens)
    )
    await page.goto(f"{server.url}/settings")
    origins, hosts = page.get_by_label("Pages that may show streams"), page.get_by_label("Names of this server")
    await expect(origins).to_be_visible()
    held = Held()
    await page.route("**/api/settings", held)
    await origins.fill("https://home.example")
    await page.get_by_role("button", name="Save Pages").click()
    await hosts.fill("camera.lan")
    held.go.set()
    await expect(page.locator("form.change", has=origins).locator(".problem")).to_have_text("Saved, and in force.")
    await expect(hosts).to_have_value("camera.lan")
    await expect(hosts).to_be_focused()

    await page.locator("#token-form .main").first.evaluate("button => { button.click(); button.click(); }")
    await made.seen()
    made.go.set()
    await expect(page.get_by_label("The new token")).to_have_value("slt_x")
    assert made.methods == ["POST"]

    await page.route(re.compile("/api/outputs/"), lambda route: route.abort())
    output = page.locator("#outputs-list > li")
    await output.get_by_role("button", name="Remove").click()
    sure = output.get_by_role("button", name="Remove it now")
    await sure.click()
    await expect(output).to_contain_text("The server doesn't answer.")
    await page.unroute(re.compile("/api/outputs/"))
    await sure.click()
    await expect(output).to_have_count(0)


async def test_what_is_known_of_one_stream_is_not_shown_for_another(server: Running, context: BrowserContext) -> None:
    page = await opened(context, f"{server.url}/timeline?stream=a", "#export")
    running: dict[str, Any] = {"id": "y", "state": "running", "progress": 0.0, "file": None, **EXPORT}
    done = {"id": "x", "state": "done", "progress": 1.0, "file": "/x", **EXPORT}

    async def exports(route: Route) -> None:
        running["progress"] = min(0.9, running["progress"] + 0.01)
        await route.fulfill(json={"exports": [running, done]})

    await page.route("**/api/exports", exports)
    await page.route("**/a/shares", lambda route: route.fulfill(json={"path": "/share/x.y"}))
    await page.locator("#export").click()
    await page.locator("[data-id=x]").get_by_role("button", name="Share").click()
    link = page.get_by_label("Link to")
    for _ in range(2):  # the other one goes on
        async with page.expect_response("**/api/exports"):
            pass
        await expect(link).to_have_value(f"{server.url}/share/x.y")
    await page.locator("#export").click()

    days = page.locator(".calendar-day")
    full = Held({"bucket_s": 86400, "from": 0, "motion": [0.5] * 21_000, "classes": {}})
    await page.route(re.compile("/a/marks.*bucket_s=3600"), full)
    await page.get_by_role("button", name="Month before").click()
    await full.seen()
    await page.locator("#which").select_option("b")
    async with page.expect_response(re.compile("/a/marks")):
        full.go.set()
    await expect(days.and_(page.locator(":enabled"))).to_have_count(0)


async def test_an_event_that_is_deleted_late_does_not_close_another(server: Running, context: BrowserContext) -> None:
    page = await context.new_page()
    held = Held({})
    known = [HAPPENED | {"id": "e1"}, HAPPENED | {"id": "e2", "zone": "lawn"}]
    await page.route(re.compile(r"/api/events\?"), lambda route: route.fulfill(json={"events": known, "next": None}))

    async def of_one(route: Route) -> None:
        if route.request.method == "DELETE":
            await held(route)
        else:
            await route.fulfill(json=next(one for one in known if route.request.url.endswith(one["id"])))

    await page.route(re.compile("/api/events/e[12]$"), of_one)
    await page.goto(f"{server.url}/events")
    await page.locator("[data-event=e1]").click()
    for _ in range(2):
        await page.locator("#detail-delete").click()
    await held.seen()
    await page.locator("#detail-older").click()
    await expect(page.locator("#detail-title")).to_contain_text("lawn")
    held.go.set()
    await expect(page.locator("[data-event=e1]")).to_have_count(0)
    await expect(page.locator("#detail-title")).to_contain_text("lawn")
    await expect(page.locator("#detail")).to_be_visible()
