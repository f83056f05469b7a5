"""From drawing to being told, in one go: a person draws, makes a rule, and all that listens hears of it once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.browsing import SLOW_MS, browsing, listen_for_errors, notifications, recorded
from support.drawing import FLOOR, Walk, begin, look, put, walk
from support.home_assistant import check_device, listening
from support.receivers import Hook, broker, bytes_of, hook, parts
from support.rtsp import free_port
from support.serving import peer, serving

SETTINGS = """
[[outputs]]
kind = "webhook"
url = "{url}"
what = ["alerts"]
picture = "multipart"
[[outputs]]
kind = "mqtt"
host = "127.0.0.1"
port = {port}
home_assistant = true
control = true
"""
CONFIG = "homeassistant/device/sightline/hall/config"


def told_by(folder: Path, web: Hook, port: int) -> Path:
    (folder / "sightline.toml").write_text(SETTINGS.format(url=web.url, port=port))
    return folder


@pytest.mark.timeout(300)
async def test_who_draws_a_zone_and_makes_a_rule_is_told_of_the_person_once(tmp_path: Path, assets: Path) -> None:
    """By hand: in these frames one woman is on the floor once, and goes over the line to the right once."""
    port = free_port()
    async with (
        hook(lambda _: 200) as web,
        broker(tmp_path, port),
        listening(port) as home,
        serving("--model", "nano", "--engine", "onnx", "--adaptive", "off", cwd=told_by(tmp_path, web, port)) as server,
        browsing() as browser,
        peer(f"{server.ws}/ws/camera/hall") as camera,
    ):
        walking = Walk(camera, walk(assets))
        await walking.step()
        page = await (await browser.new_context(viewport={"width": 1280, "height": 800})).new_page()
        page.set_default_timeout(SLOW_MS)
        errors = listen_for_errors(page)
        away = await browser.new_context()  # who has the camera on the screen is not notified of it
        await away.grant_permissions(["notifications"], origin=server.url)
        start = await away.new_page()
        await start.goto(server.url)
        await start.click("#notify summary")
        await start.check("#notify-on")
        await expect(start.locator("#notify-about")).to_contain_text("On.")
        worker = await recorded(away)

        await page.goto(f"{server.url}/view/hall?transport=websocket")
        await server.until(lambda s: s["streams"]["hall"]["viewers"] == 1)
        await walking.step()
        await page.wait_for_function("() => Number(document.body.dataset.shown ?? 0) > 0", timeout=SLOW_MS)
        await look(page)
        await begin(page, "zone")
        await put(page, *FLOOR, FLOOR[0])
        await page.locator("#zone-name").fill("floor")
        await page.locator("#drawing-save").click()
        floor = page.locator('li[data-key="zone floor"] summary .figure')
        await begin(page, "line")
        await put(page, (0.73, 0.98), (0.73, 0.02))
        await page.locator("#drawing-save").click()
        line = page.locator('li[data-key="line line-1"] summary .figure')
        await expect(line).to_be_visible()

        await page.locator("#rules > summary").click()
        await page.locator("#rule-new").click()
        await page.locator("#rule-class").fill("person")
        await page.locator("#rule-class").press("Enter")
        await page.locator("#rule-place").select_option("zone:floor")
        await page.locator("#rule-for_s").fill("2")
        await page.locator("#rule-save").click()
        rule = page.locator("[data-rule=person-floor]")
        await expect(rule).to_contain_text("When a person is in floor for 2 s")

        while await walking.step():
            pass
        await expect(floor).to_have_text("0 now · 1 in · 1 out")
        await expect(line).to_have_text("1 in · 0 out")
        await expect(rule).to_contain_text("Fulfilled once")
        assert [one["title"] for one in await notifications(worker, 1)] == ["person-floor"]

        await server.until(lambda s: [one["waiting"] for one in s["sinks"]] == [0, 0])
        (told,) = [one for n in range(len(web.bodies)) for one in alerts(web, n)]
        assert (told["rule"], told["zone"], told["class_name"]) == ("person-floor", "floor", "person")
        await home.until_state("sightline/hall/zone/floor/count", "0")
        await home.until_state("sightline/hall/line/line-1/in", "1")
        assert {"zone.floor.occupancy", "rule.person-floor"} <= check_device(CONFIG, home.kept[CONFIG]).keys()
        assert errors == []


def alerts(web: Hook, number: int) -> list[dict[str, object]]:
    """The beginnings of alerts in one call, which has their picture with it."""
    said, *pictures = map(bytes_of, parts(web, number))
    begun = [one for one in json.loads(said)["events"] if one["phase"] == "start"]
    assert len(pictures) >= len(begun)
    assert all(picture.startswith(b"\xff\xd8") for picture in pictures)
    return begun
