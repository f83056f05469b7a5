"""An admin manages the server on a page: a token, a setting, the log and the help, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from sightline.security.tokens import Store
from support.browsing import browsing, listen_for_errors
from support.receivers import hook
from support.serving import serving


@pytest.mark.timeout(300)
async def test_a_server_is_managed_on_its_page(tmp_path: Path) -> None:
    admin, _ = Store(tmp_path).create("admin", "*", lifetime=3600)
    async with (
        serving("--lan", "--host", "127.0.0.1", data=tmp_path) as server,
        hook(lambda _: 204) as web,
        browsing() as browser,
    ):
        page = await (await browser.new_context(ignore_https_errors=True)).new_page()
        errors = listen_for_errors(page)
        await page.goto(server.url)
        await page.get_by_role("link", name="Settings and tokens").click()
        await expect(page.locator("body")).to_have_attribute("data-state", "refused")
        await page.get_by_role("link", name="Sign in").click()
        await page.get_by_label("Token").fill(admin)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="Streams").wait_for()
        await page.goto(f"{server.url}/settings")
        await expect(page.locator("#server-state")).to_have_text("all is well")

        tokens = page.locator("#tokens-list > li")
        await expect(tokens).to_have_count(1)
        await page.locator("#token-stream").fill("a b")
        await page.get_by_role("button", name="Make a token").click()
        await expect(page.locator("#token-problem")).not_to_be_empty()
        await page.locator("#token-stream").fill("door")
        await page.get_by_role("button", name="Make a token").click()
        made = page.get_by_label("The new token")
        await expect(made).to_be_visible()
        token = await made.input_value()
        bearer = {"authorization": f"Bearer {token}"}
        assert (await server.http.get("/api/streams", headers=bearer)).status_code == 200
        await page.get_by_role("button", name="I have it").click()
        await expect(made).to_be_hidden()
        new = tokens.filter(has_text="door")
        await expect(new).to_contain_text("A token watches door")
        await new.get_by_role("button", name="Revoke").click()
        await new.get_by_role("button", name="Revoke it now").click()
        await expect(tokens).to_have_count(1)
        assert (await server.http.get("/api/streams", headers=bearer)).status_code == 401
        assert token not in await page.content()

        change = page.locator("form.change", has=page.get_by_label("Pages that may show streams"))
        field = page.get_by_label("Pages that may show streams")
        await field.fill("http://home.example")
        await change.get_by_role("button", name="Save").click()
        await expect(change.locator(".problem")).to_contain_text("Expected a list of")
        await field.fill("https://home.example")
        await change.get_by_role("button", name="Save").click()
        await expect(change.locator(".problem")).to_have_text("Saved, and in force.")
        listed = page.locator('#settings-list [data-setting="allowed_origins"]')
        await expect(listed).to_contain_text("from the page · changes at once")
        await change.get_by_role("button", name="Use the default").click()
        await expect(listed).to_have_count(0)
        await page.get_by_label("Search").fill("jpeg_quality")
        await expect(page.locator("#settings-list > li")).to_have_count(1)

        await page.get_by_role("button", name="Add an output").click()
        address = page.get_by_label("Address")
        await address.fill("ftp://home.example")
        await page.get_by_role("button", name="Add it").click()
        await expect(page.locator("#output-place .problem")).to_contain_text("begins with http://")
        await address.fill(f"{web.url}?{token}")
        await page.get_by_role("button", name="Add it").click()
        output = page.locator("#outputs-list > li")
        await output.get_by_role("button", name="Send a test").click()
        await expect(output).to_contain_text("It went out.")
        await output.get_by_role("button", name="Change").click()
        await page.locator("#output-stream").fill("door")
        await page.get_by_role("button", name="Save").last.click()
        await expect(output).to_contain_text("events of door")
        assert token not in await page.content()
        await output.get_by_role("button", name="Remove").click()
        await output.get_by_role("button", name="Remove it now").click()
        await expect(output).to_have_count(0)

        log = page.locator("#log > li")
        await expect(log.filter(has_text="is revoked")).to_have_count(1)
        await page.get_by_label("At least").select_option("error")
        await expect(log).to_have_count(0)

        said = [{"number": n, "at": n, "level": "info", "logger": "x", "text": f"line {n}"} for n in range(1, 501)]
        await page.route("**/api/logs*", lambda route: route.fulfill(json={"lines": said, "next": 500}))
        await page.reload()
        await expect(log.first).to_have_text(re.compile("line 1$"))
        height = "one => one.scrollHeight - one.scrollTop - one.clientHeight"
        assert await page.locator("#log").evaluate(height) < 1, "the newest line is in sight"
        await expect(page.locator("#log-about")).to_contain_text("the newest 500 lines")
        for place in await page.locator("nav a[href^='#']").all():
            await expect(page.locator(await place.get_attribute("href") or "none")).to_be_visible()
        await page.get_by_role("link", name="All settings").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
        await expect(page.locator("table")).to_contain_text("allowed_origins")
        assert errors == []


async def test_the_machines_of_a_cluster_and_what_runs_on_them() -> None:
    machine = {
        "cpus": 8,
        "cpus_free": 2,
        "gpus": 1,
        "gpus_free": 0,
        "labels": {},
        "leaving": False,
        "clock_ahead_s": 61,
    }
    replica = {"model": "nano", "streams": ["door"], "load": 0.43, "late": 0, "strange": 0, "restarts": 0, "out": ""}
    scale = {"replicas": 1, "coming": 0, "least": 0, "most": 4, "trouble": ""}
    cluster = {
        "models": [
            scale | {"model": "nano"},
            scale | {"model": "large", "coming": 1},
            scale | {"model": "big", "coming": 2, "replicas": 0},
            scale | {"model": "rare", "replicas": 0},
            scale | {"model": "huge", "trouble": "no machine of the cluster had room for a replica within 30 s"},
        ],
        "machines": [
            machine | {"node": "1", "name": "lab", "address": "10.0.0.1"},
            machine | {"node": "2", "name": "attic", "address": "10.0.0.2", "gpus": 0, "clock_ahead_s": None},
        ],
        "replicas": [
            replica | {"node": "2", "machine": "attic"},
            replica | {"node": "3", "machine": "shed", "out": "the replica on shed is out: it died"},
        ],
        "problem": "",
    }

    async def with_cluster(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | {"cluster": cluster})

    async with serving() as server, browsing() as browser:
        page = await browser.new_page()
        errors = listen_for_errors(page)
        await page.goto(f"{server.url}/settings")
        await expect(page.locator("#tasks-count")).not_to_be_empty()
        await expect(page.locator("#machines-part")).to_be_hidden()
        await page.route("**/api/server", with_cluster)
        await page.reload()
        await page.locator("#machines-part summary").click()
        rows = page.locator("#machines > li")
        await expect(rows).to_have_text(
            [
                "large: notea replica is being started",
                "big: note2 replicas are being started",
                "rareno replica, as nobody needs it. The next frame has one started",
                "huge: problemno machine of the cluster had room for a replica within 30 s",
                "lab (10.0.0.1): note2 of 8 cores free, 0 of 1 graphics cards free, its clock differs by 61 s",
                "attic (10.0.0.2)2 of 8 cores free",
                "nano · attic43 % busy, door",
                "nano · shed: problemthe replica on shed is out: it died",
            ]
        )
        assert errors == []
