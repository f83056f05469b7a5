"""Zones and lines are drawn on the picture, by mouse, keyboard and finger, and count what walks through them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from sightline.security.tokens import Store
from support.browsing import FAKE_CAMERA, HAS_A_PICTURE, SLOW_MS, listen_for_errors, visiting
from support.drawing import AT, FLOOR, Walk, begin, drag, look, near, points, put, walk
from support.serving import Peer, Running, camera, metadata, peer, picture, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

CHROMIUM = FAKE_CAMERA

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DRAWN = """([r, g, b]) => {
  const element = document.querySelector("sightline-viewer")?.shadowRoot;
  const canvas = document.querySelector("#canvas") ?? element.querySelector("canvas");
  if (!canvas?.width) return false;
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 16) n += 1;
  }
  return n > 150;
}"""

CLICK_AT_ONCE = """(places) => new Promise((resolve) => {
  const at = AT;
  new MutationObserver(([{ target }], watch) => {
    const surface = target.querySelector("#drawing");
    if (!surface) return;
    watch.disconnect();
    surface.setPointerCapture = () => {};  // there is no such pointer
    for (const [clientX, clientY] of places.map(at)) {
      const mouse = { clientX, clientY, isPrimary: true, pointerType: "mouse" };
      for (const kind of ["pointerdown", "pointerup"]) surface.dispatchEvent(new PointerEvent(kind, mouse));
    }
    resolve();
  }).observe(document.querySelector("#stage"), { childList: true });
  document.querySelector("#new-zone").click();
})""".replace("AT", AT)
"""Puts points before the browser paints that the picture has made room for them."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    async with serving("--model", "nano", "--engine", "onnx", "--adaptive", "off", data=data) as running:
        yield running


def opened(browser: Browser, url: str, **context: Any) -> AbstractAsyncContextManager[Page]:
    """A page with a picture."""
    return visiting(browser, url, until=HAS_A_PICTURE, reduced_motion="reduce", **context)


async def test_what_is_drawn_with_the_mouse_counts_as_a_person_does(
    server: Running, browser: Browser, assets: Path
) -> None:
    """By hand: in these frames one woman is on the floor once, and goes over the line to the right once."""
    asked: list[str] = []
    async with peer(f"{server.ws}/ws/camera/hall") as camera:
        walking = Walk(camera, walk(assets))
        await walking.step()
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        page.set_default_timeout(SLOW_MS)
        errors = listen_for_errors(page)
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{server.url}/view/hall?transport=websocket")
        await server.until(lambda s: s["streams"]["hall"]["viewers"] == 1)
        await walking.step()
        await page.wait_for_function("() => Number(document.body.dataset.shown ?? 0) > 0", timeout=SLOW_MS)
        assert not [url for url in asked if "zones" in url and "section.js" not in url], "nobody needs them yet"

        await look(page)
        await begin(page, "zone")
        await put(page, *FLOOR[:3])
        await drag(page, FLOOR[2], (0.7, 0.7))
        await drag(page, (0.7, 0.7), FLOOR[2])
        await put(page, FLOOR[3], FLOOR[0])  # the first one closes it
        await expect(page.locator("#drawing-hint")).to_contain_text("Drag the corners")
        await page.locator("#zone-name").fill("the floor")
        await page.locator("#zone-color").fill("#ff00aa")
        await page.locator("#drawing-save").click()
        floor = page.locator('li[data-key="zone the-floor"]')
        await expect(floor).to_be_visible()
        near(await points(server, "hall", "zone", "the-floor"), FLOOR)

        await begin(page, "line")
        await put(page, (0.73, 0.02), (0.73, 0.98))
        await expect(page.locator("#drawing-hint")).to_contain_text("The arrow shows the way in")
        await page.locator("#drawing-turn").click()
        await page.locator("#drawing-save").click()
        line = page.locator('li[data-key="line line-1"]')
        await expect(line).to_be_visible()
        near(await points(server, "hall", "line", "line-1"), [(0.73, 0.98), (0.73, 0.02)])

        await walking.step()
        await page.wait_for_function(DRAWN, arg=[255, 0, 170], timeout=SLOW_MS)
        figure = floor.locator("summary .figure")
        while await walking.step():
            if await figure.inner_text() == "1 now · 1 in · 0 out":
                break
        else:
            pytest.fail("nobody was seen on the floor")
        while await walking.step():
            pass
        await expect(figure).to_have_text("0 now · 1 in · 1 out")
        await expect(line.locator("summary .figure")).to_have_text("1 in · 0 out")
        await floor.locator("summary").click()
        await expect(floor.locator("tbody th")).to_have_text("person")
        await expect(floor.locator("dl")).to_contain_text("1 entered, 1 left")
        report = await server.get("/api/streams/hall/zones")
        assert report["zones"]["the-floor"]["counts"]["total"] == {"in": {"person": 1}, "out": {"person": 1}}
        assert report["lines"]["line-1"]["counts"]["total"] == {"in": {"person": 1}, "out": {}}

        await floor.get_by_role("button", name="Have it count from nothing: the-floor").click()
        await expect(page.locator("#zones-said")).to_contain_text("counts from nothing")
        await page.reload()
        await server.until(lambda s: s["streams"]["hall"]["viewers"] == 1)
        asked.clear()
        seq = await again(camera, page, 5000)
        await expect(page.locator("#zones-count")).to_have_text("2")
        await page.wait_for_function(DRAWN, arg=[255, 0, 170], timeout=SLOW_MS)
        for more in range(5):
            await again(camera, page, seq + 10 * (1 + more))
        assert len([url for url in asked if url.endswith("/hall/zones")]) == 1, "nothing has changed since"
        await page.locator("#zones > summary").click()
        await expect(floor.locator("summary .figure")).to_have_text("0 now · 0 in · 0 out")
        await page.locator("#zones-shown").uncheck()
        assert not await page.evaluate(DRAWN, [255, 0, 170])
        async with page.expect_response(lambda answer: answer.url.endswith("/heatmap.png") and answer.ok):
            await page.locator("#heatmap").check()
        assert errors == []
        await context.close()


async def again(camera: Peer, page: Page, seq: int) -> int:
    """Send a picture that nobody is in, and wait until the page shows it."""
    await camera.ws.send(metadata(seq, width=640, height=360, timestamp=1e6 + 100 * seq))
    await camera.ws.send(picture(seq, width=640, height=360))
    await camera.next("result")
    await page.wait_for_function("n => Number(document.body.dataset.frame ?? 0) >= n", arg=seq, timeout=SLOW_MS)
    return seq


async def test_a_click_before_the_next_frame_is_where_the_picture_is(server: Running, browser: Browser) -> None:
    async with camera(server, "slow"), opened(browser, f"{server.url}/view/slow") as page:
        await look(page)
        await page.evaluate(CLICK_AT_ONCE, FLOOR)
        await page.locator("#drawing-save").click()
        await expect(page.locator('li[data-key="zone zone-1"]')).to_be_visible()
        near(await points(server, "slow", "zone", "zone-1"), FLOOR)


async def test_all_is_done_by_keyboard(server: Running, browser: Browser) -> None:
    async with camera(server, "desk"), opened(browser, f"{server.url}/view/desk") as page:
        keys = page.keyboard
        await page.locator("#zones > summary").focus()
        await keys.press("Enter")
        await page.locator("#new-zone").focus()
        await keys.press("Enter")
        await expect(page.locator("#drawing")).to_be_focused()
        for way in ("", "ArrowLeft", "ArrowUp"):  # the cross is in the middle
            for _ in range(4 if way else 0):
                await keys.press(f"Shift+{way}")
            await keys.press("Enter")
        await expect(page.locator(".point")).to_have_count(3)
        await keys.press("Tab")
        await expect(
            page.get_by_role("button", name="Corner 1 of 3: 50 % from the left, 50 % from the top")
        ).to_be_focused()
        for _ in range(3):
            await keys.press("ArrowRight")
        await keys.press("Shift+ArrowDown")
        await expect(page.locator(".point").first).to_have_attribute("aria-label", re.compile("53 % .* 55 % "))
        await keys.press("Enter")  # a corner in the middle of the edge to the next
        await expect(page.locator(".point").nth(1)).to_be_focused()
        await keys.press("Delete")
        await expect(page.locator(".point")).to_have_count(3)
        await keys.press("Control+z")
        await expect(page.locator(".point")).to_have_count(4)
        await keys.press("Control+Shift+z")
        await expect(page.locator(".point")).to_have_count(3)

        await keys.press("Escape")
        await expect(page.locator("#drawing")).to_have_count(0)
        await expect(page.locator("#zones-said")).to_contain_text("not saved")
        await page.locator("#zones-again").press("Enter")
        await expect(page.locator(".point")).to_have_count(3)
        await page.locator("#drawing-save").press("Enter")
        await expect(page.locator('li[data-key="zone zone-1"] summary')).to_be_focused()
        near(await points(server, "desk", "zone", "zone-1"), [(0.53, 0.55), (0.3, 0.5), (0.3, 0.3)])

        await page.locator("#new-line").press("Enter")
        await expect(page.locator("#drawing")).to_be_focused()
        await keys.press("Enter")
        await keys.press("Shift+ArrowUp")
        await keys.press("Enter")
        await page.locator("#drawing-save").press("Enter")
        await expect(page.locator('li[data-key="line line-1"]')).to_be_visible()
        near(await points(server, "desk", "line", "line-1"), [(0.5, 0.5), (0.5, 0.45)])


async def test_what_is_wrong_is_told_where_it_is_and_deleting_can_be_undone(server: Running, browser: Browser) -> None:
    async with camera(server, "yard"), opened(browser, f"{server.url}/view/yard") as page:
        await look(page)
        await begin(page, "zone")
        await put(page, (0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8))
        await expect(page.locator("#drawing-hint")).to_contain_text(re.compile("The edges 1.2 and 3.4 meet"))
        await expect(page.locator("#drawing-save")).to_be_disabled()
        await page.locator("#drawing-undo").click()
        await page.locator("#drawing-undo").click()
        await put(page, (0.2, 0.8), (0.2, 0.2), (0.5, 0.5))  # the last one on an edge
        await expect(page.locator(".point")).to_have_count(4)
        await page.locator("#zone-name").fill("ü")
        await page.locator("#zone-save").click()
        await expect(page.locator("#zone-name-why")).to_contain_text("1 to 64 letters")
        await page.locator("#zone-name").fill("gate")
        await page.locator("#zone-ground > summary").click()
        for corner, (x, y) in enumerate([(0, 0), (4, 4), (4, 0), (0, 4)], 1):
            await page.locator(f"#zone-ground-{corner}x").fill(str(x))
            await page.locator(f"#zone-ground-{corner}y").fill(str(y))
        await page.locator("#zone-save").click()
        await expect(page.locator("#zone-ground-why")).to_contain_text(
            "Got places that form no four-cornered area; expected"
        )
        for corner in (1, 2, 3, 4):
            for axis in "xy":
                await page.locator(f"#zone-ground-{corner}{axis}").fill("")
        await page.locator("#zone-classes > summary").click()
        await page.locator("#zone-class-search").fill("bic")
        await page.get_by_role("checkbox", name="bicycle").check()
        await page.locator("#zone-min_size").fill("12.5")
        await page.locator("#zone-anchor").select_option("center")
        await page.locator("#zone-save").click()
        gate = page.locator('li[data-key="zone gate"]')
        await expect(gate).to_be_visible()
        zone = (await server.get("/api/streams/yard/zones"))["zones"]["gate"]["zone"]
        assert (zone["classes"], zone["min_size"], zone["anchor"]) == (["bicycle"], 0.125, "center")

        await gate.locator("summary").click()
        await gate.get_by_role("button", name="Edit gate").click()
        await page.locator("#zone-name").fill("door")
        await expect(page.locator("#zone-name-why")).to_contain_text("counts from nothing")
        await page.locator("#zone-save").click()
        door = page.locator('li[data-key="zone door"]')
        await expect(door).to_be_visible()
        await expect(gate).to_have_count(0)

        await door.locator("summary").click()
        await door.get_by_role("button", name="Delete door").click()
        await expect(door).to_have_count(0)
        await expect(page.locator("#zones-undo")).to_be_focused()
        await page.keyboard.press("Enter")
        remove = door.get_by_role("button", name="Delete door")
        await expect(remove).to_be_focused()
        await remove.click()
        assert (await server.get("/api/streams/yard/zones"))["zones"].keys() == {"door"}, "it can still be undone"
        await page.goto("about:blank")
        await server.until(lambda r: r["zones"] == {}, path="/api/streams/yard/zones")


async def test_a_camera_page_draws_them_too(server: Running, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(SLOW_MS)
    errors = listen_for_errors(page)
    await page.goto(f"{server.url}/camera/porch?transport=websocket")
    await look(page)
    await page.locator("#new-zone").click()
    await expect(page.locator("#zones-said")).to_contain_text("There is no picture to draw on")
    await page.locator("#start").click()
    await expect(page.locator("#stage")).to_have_attribute("data-showing", "canvas")
    await begin(page, "zone")
    box = await page.locator("#canvas").bounding_box()
    assert box is not None
    for x, y in ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6)):
        await page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    await page.locator("#zone-color").fill("#ff00aa")
    await page.locator("#zone-loiter_s").fill("20")
    await page.locator("#drawing-save").click()
    await page.wait_for_function(DRAWN, arg=[255, 0, 170])
    zone = (await server.get("/api/streams/porch/zones"))["zones"]["zone-1"]["zone"]
    assert (len(zone["points"]), zone["loiter_s"]) == (3, 20)
    await page.locator("#stop").click()
    assert errors == []
    await context.close()


async def test_a_finger_draws_at_phone_width(server: Running, browser: Browser) -> None:
    async with camera(server, "pocket"), opened(browser, f"{server.url}/view/pocket", **PHONE) as page:
        await page.locator("#sheet-handle").click()
        await look(page)
        await page.locator("#new-zone").tap()
        await expect(page.locator("#panel")).to_have_attribute("data-open", "false")
        for place in [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.2)]:
            await page.touchscreen.tap(*await page.evaluate(AT, place))
        await expect(page.locator("#drawing-hint")).to_contain_text("Tap an edge")
        await page.touchscreen.tap(*await page.evaluate(AT, (0.5, 0.2)))
        await expect(page.locator(".point")).to_have_count(5)
        touch = await page.context.new_cdp_session(page)

        async def finger(kind: str, *at: tuple[float, float]) -> None:
            places = [await page.evaluate(AT, place) for place in at]
            points = [{"x": x, "y": y} for x, y in places]
            await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        await finger("touchStart", (0.8, 0.8))  # it is dragged
        await finger("touchMove", (0.85, 0.85))
        await finger("touchMove", (0.9, 0.9))
        await finger("touchEnd")
        await expect(page.locator(".point").nth(3)).to_have_attribute("aria-label", re.compile("90 % .* 90 % "))
        await finger("touchStart", (0.5, 0.2))  # it is held
        await expect(page.locator(".point")).to_have_count(4)
        await finger("touchEnd")
        small = """() => [...document.querySelectorAll(".point, .tools button")].filter((e) => {
          const { width, height } = e.getBoundingClientRect();
          return width < 44 || height < 44;
        }).map((e) => e.outerHTML)"""
        assert await page.evaluate(small) == []
        assert await page.evaluate("() => document.documentElement.scrollWidth") <= 390
        await page.locator("#drawing-save").tap()
        await expect(page.locator('li[data-key="zone zone-1"]')).to_be_in_viewport()  # the sheet is up again
        near(await points(server, "pocket", "zone", "zone-1"), [(0.2, 0.2), (0.8, 0.2), (0.9, 0.9), (0.2, 0.8)])


async def test_the_element_draws_them_where_it_shall(server: Running, browser: Browser) -> None:
    zone = {"points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]], "color": "#ff00aa"}
    assert (await server.http.put("/api/streams/wall/zones/all", json=zone)).status_code == 200
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(SLOW_MS)
    async with camera(server, "wall"):
        await page.goto(f"{server.url}/trust")
        await page.evaluate("""async () => {
          await import("/static/elements/sightline-viewer.js");
          const viewer = document.createElement("sightline-viewer");
          viewer.setAttribute("stream", "wall");
          viewer.setAttribute("zones", "");
          document.querySelector("main").append(viewer);
        }""")
        await page.wait_for_function(DRAWN, arg=[255, 0, 170])
        green = zone | {"color": "#00ff55"}
        assert (await server.http.put("/api/streams/wall/zones/all", json=green)).status_code == 200
        await page.wait_for_function(DRAWN, arg=[0, 255, 85])
        await page.evaluate("() => document.querySelector('sightline-viewer').removeAttribute('zones')")
        await page.wait_for_function(f"(color) => !({DRAWN})(color)", arg=[0, 255, 85])
    await page.context.close()


async def test_who_may_only_view_sees_them_and_no_button_to_change_them(browser: Browser, tmp_path: Path) -> None:
    async with serving("--model", "motion", env={"SIGHTLINE_TOKENS": "true"}, data=tmp_path) as own:
        store = Store(tmp_path)
        admin = {"Authorization": f"Bearer {store.create('admin', '*', lifetime=3600)[0]}"}
        token, _ = store.create("view", "door", lifetime=3600)
        zone = {"points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]], "color": "#ff00aa"}
        answer = await own.http.put("/api/streams/door/zones/all", json=zone, headers=admin)
        assert answer.status_code == 200, answer.text
        page = await (await browser.new_context()).new_page()
        page.set_default_timeout(SLOW_MS)
        await page.goto(f"{own.url}/join")
        await page.get_by_label("Token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(lambda url: "/join" not in url)
        async with sending(own, "door", admin):
            await page.goto(f"{own.url}/view/door?transport=websocket")
            await page.wait_for_function(DRAWN, arg=[255, 0, 170], timeout=SLOW_MS)
            await page.locator("#zones > summary").click()
            await page.locator("#zone-list summary").click()
            await expect(page.locator("#zone-list dl")).to_contain_text("In it now")
            for button in ("#new-zone", "#new-line", "[data-deed]"):
                assert await page.locator(button).count() == 0 or not await page.locator(button).first.is_visible()
        await page.context.close()


@asynccontextmanager
async def sending(server: Running, stream: str, headers: dict[str, str]) -> AsyncGenerator[None]:
    """A camera that is signed in."""

    async def send() -> None:
        async with peer(f"{server.ws}/ws/camera/{stream}", additional_headers=headers) as publisher:
            for seq in range(100_000):
                await publisher.send_frame(seq)
                await publisher.next("result", "dropped")
                await asyncio.sleep(0.1)

    task = asyncio.create_task(send())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
