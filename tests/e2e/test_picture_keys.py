"""The viewer's page as people expect it: keys, zoom, and snapshots, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.browsing import HAS_A_PICTURE, visiting
from support.serving import Running, camera, pixels, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
AT = """([x, y]) => {
  const { left, top, width, height } = document.querySelector("#canvas").getBoundingClientRect();
  const scale = Math.min(width / 16, height / 9);
  return [left + width / 2 + (x - 0.5) * 16 * scale, top + height / 2 + (y - 0.5) * 9 * scale];
}"""
"""Where a place of the picture, which is 16:9, is in the window while it is not zoomed."""
SEEN = """() => {
  const { width, height } = document.querySelector("#canvas");
  const copy = new OffscreenCanvas(64, 36).getContext("2d");
  copy.drawImage(document.querySelector("#canvas"), 0, 0, width, height, 0, 0, 64, 36);
  return copy.getImageData(0, 0, 64, 36).data.join();
}"""
"""What the picture looks like."""
REMEMBER = f"""() => {{
  const viewer = document.querySelector("#viewer");
  const before = viewer.onframe;
  window.seen = {{}};
  viewer.onframe = (frame) => {{
    before(frame);
    window.seen[frame.meta.frameNumber] = ({SEEN})();
  }};
}}"""
"""Has the page know what each live picture looked like, by its number."""
AS_IT_WAS = f"""() => {{
  const number = document.querySelector("#stage").dataset.rewound;
  const {{ frameNumber }} = document.querySelector("#viewer").painter.shown.findings;
  return String(frameNumber) === number && window.seen[number] === ({SEEN})();
}}"""
"""Whether what is looked at again looks as it did, with what was said of it then."""
OVERFLOWS = """() => ["html", "#panel", "dialog[open]"].map((one) => document.querySelector(one))
  .filter((one) => one && one.scrollWidth > one.clientWidth + 1).map((one) => one.id || one.tagName)"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    async with (
        serving("--model", "motion", "--adaptive", "off", data=data) as running,
        camera(running, "door"),
        camera(running, "yard"),
    ):
        yield running


def opened(server: Running, browser: Browser, **context: Any) -> AbstractAsyncContextManager[Page]:
    """The viewer's page of "door" with a picture."""
    url = f"{server.url}/view/door?transport=websocket"
    return visiting(browser, url, until=HAS_A_PICTURE, **{"reduced_motion": "reduce", **context})


async def more_frames(page: Page, count: int) -> None:
    frame = "() => Number(document.body.dataset.frame)"
    await page.wait_for_function("n => Number(document.body.dataset.frame) > n", arg=await page.evaluate(frame) + count)


async def test_keys_do_what_their_dialog_says_and_none_is_taken_from_a_field(server: Running, browser: Browser) -> None:
    async with opened(server, browser) as page:
        keys, dialog = page.keyboard, page.locator("dialog[open]")
        await keys.press("?")
        await expect(dialog).to_contain_text("Freeze the picture")
        await keys.press("s")  # a dialog has its own keys
        await expect(dialog).to_have_count(1)
        await keys.press("Escape")
        await expect(page.locator("#picture-keys-title")).to_have_count(0)  # it is gone, and keys are the page's again

        await keys.press("Space")
        await expect(page.locator("#picture-frozen")).to_be_visible()
        await expect(page.locator("[data-do=freeze]")).to_have_attribute("aria-pressed", "true")
        before = await page.evaluate(SEEN)
        await more_frames(page, 5)
        assert await page.evaluate(SEEN) == before
        await page.locator("[data-do=freeze]").focus()
        await keys.press("Space")  # presses the button, once
        await expect(page.locator("#picture-frozen")).to_be_hidden()
        await page.wait_for_function(f"before => ({SEEN})() !== before", arg=before)

        await keys.press("o")
        await expect(page.locator("#overlay")).not_to_be_checked()
        await keys.press("2")
        await expect(page.locator("#overlay")).to_be_checked()
        await expect(page.locator("#mode")).to_have_value("tracks")
        await keys.press("m")
        await expect(page.locator("#mode")).to_have_value("filled")
        await expect(page.locator("#notice")).to_have_text("Shown as: Filled")
        await page.locator("#link").focus()
        for key in ("s", "?", "1", "o", "ArrowRight"):
            await keys.press(key)
        await expect(dialog).to_have_count(0)
        await expect(page.locator("#mode")).to_have_value("filled")
        await page.locator("#theme").focus()
        await keys.press("ArrowRight")
        await page.wait_for_url("**/view/yard?transport=websocket")


async def test_the_last_pictures_come_back_as_they_were(server: Running, browser: Browser) -> None:
    rewound = "() => Number(document.querySelector('#stage').dataset.rewound)"
    async with opened(server, browser) as page:
        keys = page.keyboard
        await page.locator("#mode").select_option("boxes")
        await page.locator("#theme").focus()
        fetched = "() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/ring.js'))"
        await page.wait_for_function(fetched)  # pictures are kept from now on
        await page.evaluate(REMEMBER)
        await more_frames(page, 12)
        await keys.press(",")  # the newest but one
        await page.wait_for_function(f"() => ({rewound})() > 0")
        for key in (",", ",", "ArrowLeft", "."):
            before = await page.evaluate(rewound)
            await keys.press(key)
            await page.wait_for_function(f"before => ({rewound})() !== before", arg=before)
            assert await page.evaluate(AS_IT_WAS), key
        before = await page.evaluate(rewound)
        await keys.press("2")
        await expect(page.locator("#mode")).to_have_value("tracks")
        await more_frames(page, 5)
        assert await page.evaluate(rewound) == before, "newer ones come, and it stays"
        await keys.press("r")
        await expect(page.locator("#rewind")).to_have_count(0)
        assert not await page.evaluate("() => document.querySelector('#viewer').painter.frozen")

        await page.get_by_role("button", name="Rewind").click()
        await expect(page.locator("#rewind-at")).to_be_focused()
        await page.wait_for_function(f"() => ({rewound})() > 0")
        before = await page.evaluate(rewound)
        await page.wait_for_function(f"before => ({rewound})() > before + 2", arg=before)  # it plays
        await keys.press("Space")
        await expect(page.get_by_role("button", name="Play")).to_be_visible()
        await keys.press("Home")
        await keys.press("ArrowRight")  # moves the slider, and leads to no other camera
        await expect(page.locator("#rewind-at")).to_have_value("1")
        assert await page.evaluate(OVERFLOWS) == []
        await page.get_by_role("button", name="Live", exact=True).click()
        before = await page.evaluate(SEEN)
        await page.wait_for_function(f"before => ({SEEN})() !== before", arg=before)


async def test_the_figures_of_the_last_day_are_there_after_a_reload(server: Running, browser: Browser) -> None:
    async with opened(server, browser) as page:
        await page.locator("#history > summary").click()
        await expect(page.locator("#history-words")).to_contain_text("with pictures in the last 24 hours")
        await page.goto(f"{server.url}/view/door?transport=websocket#history")
        await page.reload()
        await expect(page.locator("#history-words")).to_contain_text(re.compile(r"on average [1-9][\d.]* fps"))
        assert await page.evaluate(OVERFLOWS) == []


async def test_a_point_of_a_zone_is_where_it_was_clicked_however_far_in(server: Running, browser: Browser) -> None:
    corner, moved = (0.3, 0.4), (0.34, 0.4)
    async with opened(server, browser) as page:
        await page.locator("#zones > summary").click()
        await page.locator("#new-zone").click()
        await expect(page.locator("#drawing")).to_be_focused()
        x, y = await page.evaluate(AT, [*corner])
        right, _ = await page.evaluate(AT, [*moved])
        await page.mouse.move(x, y)
        await page.mouse.wheel(0, -550)  # exp(1.1) is about three
        await expect(page.locator("#picture-zoomed")).to_have_text("300 %: show all")
        await page.mouse.click(x, y)
        await page.mouse.down()
        await page.mouse.move(x + 3.004 * (right - x), y, steps=3)
        await page.mouse.up()
        await page.mouse.wheel(0, 2000)
        await expect(page.locator("#picture-zoomed")).to_be_hidden()
        for place in ((0.8, 0.4), (0.8, 0.9)):
            await page.mouse.click(*await page.evaluate(AT, [*place]))
        await page.keyboard.press("s")  # who draws is not disturbed
        await page.mouse.click(*await page.evaluate(AT, [*moved]))
        await page.locator("#zone-name").fill("floor")
        await page.locator("#drawing-save").click()
        await expect(page.locator('li[data-key="zone floor"]')).to_be_visible()
        report = await server.get("/api/streams/door/zones")
        points = report["zones"]["floor"]["zone"]["points"]
        for found, expected in zip(points, (moved, (0.8, 0.4), (0.8, 0.9)), strict=True):
            assert found == pytest.approx(expected, abs=0.006)

        x, y = await page.evaluate(AT, [0.5, 0.5])
        await page.mouse.dblclick(x, y)
        await expect(page.locator("#picture-zoomed")).to_have_text("225 %: show all")
        shown = "() => document.querySelector('#viewer').painter.place"
        before = await page.evaluate(shown)
        await page.mouse.down()
        await page.mouse.move(x + 60, y - 30, steps=3)
        await page.mouse.up()
        after = await page.evaluate(shown)
        assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((60, -30), abs=1)
        await page.get_by_role("button", name="Reset zoom").click()
        await page.get_by_role("button", name="Fill").click()
        filled = await page.evaluate(shown)
        room = await page.locator("#canvas").bounding_box()
        assert room is not None
        assert filled["width"] >= room["width"] - 1
        assert filled["height"] >= room["height"] - 1


async def test_a_snapshot_has_the_drawn_boxes_or_is_clean(server: Running, browser: Browser, tmp_path: Path) -> None:
    async with opened(server, browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.locator("#mode").select_option("boxes")
        await page.wait_for_function("() => Number(document.body.dataset.detections) > 0")
        await page.keyboard.press("s")
        sizes: list[int] = []
        for name in ("drawn.png", "clean.png"):
            await expect(page.locator("#snapshot-save")).to_be_enabled()
            async with page.expect_download() as download:
                await page.locator("#snapshot-save").click()
            saved = await download.value
            assert re.fullmatch(r"door \d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.png", saved.suggested_filename)
            await saved.save_as(tmp_path / name)
            image = pixels((tmp_path / name).read_bytes())[:, :, :3].astype(int)
            assert image.shape == (180, 320, 3)
            wall, square = (abs(image - 40).max(2) < 30), (abs(image - (40, 200, 240)).max(2) < 60)
            sizes.append(int((~(wall | square)).sum()))
            await page.locator("#snapshot-drawn").set_checked(False)
        drawn, clean = sizes
        assert drawn > clean + 100, "a box and its name"
        await page.locator("#snapshot-copy").click()
        await expect(page.locator("#snapshot-said")).to_have_text("Copied.")
        copied = "async () => (await navigator.clipboard.read())[0].types"
        assert await page.evaluate(copied) == ["image/png"]
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog[open]")).to_have_count(0)


async def shows(page: Page, stream: str) -> None:
    """The page is one stream's, with a picture of it, and is the one that was loaded at first."""
    await expect(page).to_have_title(f"{stream} · Viewer · Sightline")
    await page.wait_for_function(HAS_A_PICTURE)
    assert page.url.endswith(f"/view/{stream}?transport=websocket")
    assert await page.evaluate("() => window.loaded === 1")


async def test_arrows_lead_to_the_next_camera_on_the_same_page(server: Running, browser: Browser) -> None:
    """Full screen stays, what was open stays open, and all of it is the other camera's. Back goes back."""
    zone = {"points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}
    assert (await server.http.put("/api/streams/yard/zones/lawn", json=zone)).status_code == 200
    around = "() => [document.head, document.body].map((one) => one.children.length)"
    async with opened(server, browser) as page:
        await page.evaluate("() => { window.loaded = 1; }")
        for part in ("zones", "rules", "links"):
            await page.locator(f"#{part} > summary").click()
        await page.locator("#rule-new").click()
        await page.keyboard.press("Escape")
        await page.keyboard.press("f")
        await page.wait_for_function("() => document.fullscreenElement")
        await page.keyboard.press("ArrowRight")
        await shows(page, "yard")
        await expect(page.locator('li[data-key="zone lawn"]')).to_be_attached()
        await expect(page.locator("#link-snapshot")).to_have_value(re.compile(r"/snapshot/yard"))
        await expect(page.locator("#rules-body a")).to_have_attribute("href", "/events?stream=yard&kind=rule")
        await expect(page.locator("#link")).to_have_value(f"{server.url}/view/yard")
        await expect(page.locator("#to-events")).to_have_attribute("href", re.compile(r"\?stream=yard$"))
        await expect(page.locator("#model-name")).to_have_text("motion")
        left = await server.get("/api/streams/door")
        assert (left["viewers"], (await server.get("/api/streams/yard"))["viewers"]) == (0, 1)

        first = await page.evaluate(around)
        await page.keyboard.press("ArrowLeft")
        await shows(page, "door")
        await page.go_back()
        await shows(page, "yard")
        assert await page.evaluate("() => document.fullscreenElement !== null")

        await page.keyboard.press("f")
        await page.locator("[data-do=next]").focus()
        for key, stream in (("Enter", "door"), ("z", "yard"), ("Z", "door")):
            await page.keyboard.press(key)
            await shows(page, stream)
            await expect(page.locator("[data-do=next]")).to_be_focused()
        assert await page.evaluate(around) == first, "dialogs and style sheets do not add up"
        await page.evaluate("() => history.go(-4)")
        await shows(page, "door")
        await page.go_forward()
        await shows(page, "yard")


@pytest.mark.parametrize("colors", ["none", "active"])
async def test_all_fits_a_narrow_phone_in_any_colours(server: Running, browser: Browser, colors: str) -> None:
    narrow: dict[str, Any] = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "forced_colors": colors}
    async with opened(server, browser, **narrow) as page:
        await page.locator("#sheet-handle").tap()
        for button in await page.locator("[data-do]:visible").all():
            box = await button.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44, await button.inner_text()
        assert await page.evaluate(OVERFLOWS) == []
        for action, word in (("snapshot", "Download"), ("keys", "Full screen")):
            await page.locator(f"[data-do={action}]").tap()
            await expect(page.locator("dialog[open]")).to_contain_text(word)
            assert await page.evaluate(OVERFLOWS) == []
            await page.keyboard.press("Escape")
            await expect(page.locator("dialog[open]")).to_have_count(0)


async def test_two_fingers_zoom_the_picture_and_a_small_window_shows_it(server: Running, browser: Browser) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    async with opened(server, browser, **phone) as page:
        devtools = await page.context.new_cdp_session(page)

        async def touch(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            await devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        await page.locator("#canvas").tap()  # what zooms comes with the first touch
        await expect(page.locator("#picture-zoomed")).to_have_count(1)
        await touch("touchStart", (150, 350))
        await touch("touchStart", (150, 350), (240, 350))
        for apart in range(10, 91, 10):
            await touch("touchMove", (150 - apart / 2, 350), (240 + apart / 2, 350))
        await touch("touchEnd")
        await page.wait_for_function("() => document.querySelector('#viewer').painter.view.zoom > 1.5")
        assert await page.evaluate("() => visualViewport.scale") == 1, "the page itself stays as it is"
        await page.locator("#picture-zoomed").tap()
        await expect(page.locator("#picture-zoomed")).to_be_hidden()

        await page.locator("#sheet-handle").tap()
        await page.locator("#pip").tap()
        await page.wait_for_function("() => document.pictureInPictureElement?.videoWidth > 0")
        await page.locator("#pip").tap()
        await page.wait_for_function("() => !document.querySelector('body > video')")
        await page.locator("#sheet-handle").tap()

        for stream, (begin, end) in {"yard": (300, 100), "door": (100, 300)}.items():  # a finger goes across
            await touch("touchStart", (begin, 350))
            await touch("touchMove", (end, 360))
            await touch("touchEnd")
            await expect(page).to_have_title(f"{stream} · Viewer · Sightline")
            await page.wait_for_function(HAS_A_PICTURE)
