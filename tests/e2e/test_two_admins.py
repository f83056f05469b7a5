"""Two admins change the same thing at a time: the second is told on the page, sees what is there now, and decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from support.browsing import HAS_A_PICTURE, opened
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SQUARE = {"points": [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data: Path = tmp_path_factory.mktemp("admins")
    source = "--source=door=synthetic:shapes?size=160x90&fps=5"
    async with serving("--model", "motion", source, data=data) as running:
        yield running


async def put(server: Running, path: str, body: dict[str, Any]) -> None:
    answer = await server.http.put(f"/api/streams/door/{path}", json=body)
    assert answer.status_code == 200, answer.text


async def first(page: Page, path: str, change: Awaitable[object]) -> None:
    """Have somebody change it just before the page's next request to this path."""

    async def hold(route: Route) -> None:
        await change
        await route.continue_()

    await page.route(path, hold, times=1)


async def rules(server: Running) -> dict[str, Any]:
    return dict((await server.get("/api/streams/door/rules"))["rules"])


async def test_a_rule(server: Running, context: BrowserContext) -> None:
    await put(server, "rules/night", {"for_s": 1})
    page = await opened(context, f"{server.url}/view/door?transport=websocket#rules", "#rule-of-night-edit")
    save, problem = page.locator("#rule-save"), page.locator("#rule-problem")
    await page.locator("#rule-of-night-edit").click()
    await page.locator("#rule-for_s").fill("9")
    await put(server, "rules/night", {"for_s": 5, "enabled": False})
    await save.click()
    await expect(problem).to_contain_text("Somebody else has changed this rule meanwhile. When anything")
    await expect(problem).to_contain_text("for 5 s")
    assert (await rules(server))["night"]["rule"]["for_s"] == 5
    await expect(page.locator("#rule-for_s")).to_have_value("9")
    await save.click()
    await expect(page.locator("#rule-form")).to_be_hidden()
    rule = (await rules(server))["night"]["rule"]
    assert (rule["for_s"], rule["enabled"]) == (9, False), "what the form has no field for stays theirs"

    await page.locator("#rule-of-night-edit").click()
    assert (await server.http.delete("/api/streams/door/rules/night")).status_code == 204
    await save.click()
    await expect(problem).to_contain_text("Somebody else has deleted this rule meanwhile.")
    assert await rules(server) == {}
    await save.click()
    await expect(page.locator("#rule-form")).to_be_hidden()
    assert (await rules(server)).keys() == {"night"}

    await page.locator("#rule-new").click()
    await page.locator("#rule-name").fill("day")
    await put(server, "rules/day", {"for_s": 3})
    await save.click()
    await expect(page.locator("#rule-name-why")).to_contain_text("There is a rule of this name already.")
    assert (await rules(server))["day"]["rule"]["for_s"] == 3
    await page.keyboard.press("Escape")


async def test_the_switch_of_a_rule_and_its_end(server: Running, context: BrowserContext) -> None:
    await put(server, "rules/dusk", {"for_s": 1})
    page = await opened(context, f"{server.url}/view/door?transport=websocket#rules", "[data-rule=dusk]")
    told = page.locator("#rules-body .problem", has_text="Somebody else has changed this rule meanwhile.")
    row = page.locator("[data-rule=dusk]")

    await first(page, "**/rules/dusk", put(server, "rules/dusk", {"for_s": 2}))
    await row.get_by_role("switch").click()
    await expect(told).to_be_visible()
    rule = (await rules(server))["dusk"]["rule"]
    assert (rule["for_s"], rule["enabled"]) == (2, True)
    await expect(row).to_contain_text("for 2 s")
    await expect(row.get_by_role("switch")).to_be_checked()
    await put(server, "rules/dusk", {"for_s": 4})
    await expect(row).to_contain_text("for 4 s", timeout=30_000)
    await expect(told).to_be_visible()  # until the next change, however often the list is asked for
    await row.get_by_role("switch").click()
    await expect(told).to_be_hidden()
    await server.until(lambda all: not all["rules"]["dusk"]["rule"]["enabled"], path="/api/streams/door/rules")

    await first(page, "**/rules/dusk", put(server, "rules/dusk", {"for_s": 3}))
    await row.get_by_role("button", name="Delete").click()
    await expect(told).to_be_visible()
    assert (await rules(server))["dusk"]["rule"]["for_s"] == 3
    await row.get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(0)


async def zone_page(server: Running, context: BrowserContext) -> Page:
    page = await opened(context, f"{server.url}/view/door?transport=websocket#zones", "#new-zone")
    await page.wait_for_function(HAS_A_PICTURE)
    return page


async def zones(server: Running) -> dict[str, Any]:
    return {name: one["zone"] for name, one in (await server.get("/api/streams/door/zones"))["zones"].items()}


async def test_a_zone(server: Running, context: BrowserContext) -> None:
    await put(server, "zones/drive", SQUARE)
    page = await zone_page(server, context)
    save, problem = page.locator("#zone-save"), page.locator("#zone-problem")
    drive = page.locator('li[data-key="zone drive"]')

    async def edit() -> None:
        await drive.locator("details").evaluate("details => { details.open = true; }")
        await drive.get_by_role("button", name="Edit drive").click()
        await expect(page.locator("#zone-loiter_s")).to_be_visible()

    await edit()
    await page.locator("#zone-loiter_s").fill("9")
    await put(server, "zones/drive", {**SQUARE, "min_size": 0.5})
    await save.click()
    await expect(problem).to_contain_text("Somebody else has changed it meanwhile: theirs is drawn, too.")
    assert (await zones(server))["drive"]["loiter_s"] is None
    await save.click()
    await expect(page.locator("#zones-said")).to_contain_text("is saved")
    zone = (await zones(server))["drive"]
    assert (zone["loiter_s"], zone["min_size"]) == (9, 0)

    await edit()
    await page.locator("#zone-name").fill("yard")
    await put(server, "zones/yard", SQUARE)
    await save.click()
    await expect(page.locator("#zone-name-why")).to_contain_text("There is one of this name already.")
    await page.locator("#zone-name").fill("garden")
    await put(server, "zones/drive", {**SQUARE, "min_size": 0.25})
    await save.click()
    await expect(page.locator("#zones-said")).to_contain_text("so it is still there")
    found = await zones(server)
    assert found.keys() == {"drive", "yard", "garden"}
    assert found["drive"]["min_size"] == 0.25

    await edit()
    assert (await server.http.delete("/api/streams/door/zones/drive")).status_code == 204
    await save.click()
    await expect(problem).to_contain_text("Somebody else has deleted it meanwhile.")
    await page.locator("#zone-cancel").click()
    assert (await zones(server)).keys() == {"yard", "garden"}


async def test_a_zone_that_is_changed_while_somebody_deletes_it(server: Running, context: BrowserContext) -> None:
    await put(server, "zones/lane", SQUARE)
    page = await zone_page(server, context)
    lane = page.locator('li[data-key="zone lane"]')
    await lane.locator("summary").click()
    await first(page, "**/zones/lane", put(server, "zones/lane", {**SQUARE, "min_size": 0.5}))
    await lane.get_by_role("button", name="Delete lane").click()
    await expect(page.locator("#zones-said")).to_contain_text(
        "is not deleted. Somebody else has changed it", timeout=60_000
    )
    await expect(lane).to_be_visible()


async def test_a_setting(server: Running, context: BrowserContext) -> None:
    page = await opened(context, f"{server.url}/settings", "#change-allowed_hosts")
    form = page.locator("form.change", has=page.locator("#change-allowed_hosts"))
    theirs = await server.http.patch("/api/settings", json={"allowed_hosts": ["theirs.lan"]})
    assert theirs.status_code == 200
    await page.locator("#change-allowed_hosts").fill("mine.lan")
    await form.get_by_role("button", name="Save").click()
    await expect(form.locator(".problem")).to_contain_text("changed this meanwhile. It is now: theirs.lan.")
    await page.locator("#change-allowed_hosts").fill("theirs.lan mine.lan")
    await form.get_by_role("button", name="Save").click()
    await expect(form.locator(".problem")).to_have_text("Saved, and in force.")
    told = {one["name"]: one for one in (await server.get("/api/settings"))["settings"]}
    assert told["allowed_hosts"]["value"] == ["theirs.lan", "mine.lan"]


async def test_an_output(server: Running, context: BrowserContext) -> None:
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/mine"}
    id = (await server.http.post("/api/outputs", json=hook)).json()["id"]
    path = f"/api/outputs/{id}"
    page = await opened(context, f"{server.url}/settings", f'[data-output="{id}"]')
    row = page.locator(f'[data-output="{id}"]')
    await row.get_by_role("button", name="Change").click()
    await page.locator("#output-stream").fill("door")
    assert (await server.http.patch(path, json={"url": "http://127.0.0.1:9/theirs"})).status_code == 200
    form = page.locator("#output-place form")
    await form.get_by_role("button", name="Save").click()
    await expect(form.locator(".problem")).to_contain_text("Somebody else has changed this output meanwhile.")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    (found,) = (await server.get("/api/outputs"))["outputs"]
    assert found["stream"] == "door"

    await first(page, f"**{path}", server.http.patch(path, json={"stream": "*"}))
    await row.get_by_role("button", name="Remove").click()
    await row.get_by_role("button", name="Remove it now").click()
    await expect(row.get_by_role("status")).to_contain_text("It is shown as it is now.")
    await row.get_by_role("button", name="Remove").click()
    await row.get_by_role("button", name="Remove it now").click()
    await expect(row).to_have_count(0)
