"""Notifications of a real Chromium: of a page that is open, and by Web Push."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Set
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from playwright.async_api import BrowserContext, Page, expect

from sightline.core.events import Event
from sightline.events.feed import EventFeed
from support.browsing import browsing, listen_for_errors, notifications, recorded
from support.ids import install_ids
from support.inside import Inside, inside
from support.push_service import push_service
from support.serving import Running, serving
from support.waiting import within
from support.walker import walking

ALERT = Event(
    id="e1",
    stream="door",
    phase="start",
    kind="rule",
    at=1700000000.5,
    seq=1,
    class_name="person",
    zone="drive",
    rule="Somebody in the drive",
    actions=("notify",),
)
SWITCH = "#notify-on"
PLACE = "#notify summary"
FAKE_PUSH = """endpoint => {
  const named = { endpoint, unsubscribe: async () => true, options: {} };
  Object.defineProperty(PushManager.prototype, "getSubscription", { value: async () => null });
  Object.defineProperty(PushManager.prototype, "subscribe", {
    value: async ({ userVisibleOnly, applicationServerKey }) => {
      window.asked = { userVisibleOnly, length: applicationServerKey.length };
      return { ...named, toJSON: () => ({ endpoint, keys: window.keys }) };
    },
  });
}"""
"""Chromium without Google's services has no push service: this one names the test's own."""


@asynccontextmanager
async def allowed(server: Inside | Running) -> AsyncGenerator[tuple[BrowserContext, list[str]]]:
    """A browser whose owner allows notifications, and what its pages say is wrong."""
    async with browsing() as browser:
        context = await browser.new_context()
        origin = server.url if isinstance(server, Running) else server.http
        await context.grant_permissions(["notifications"], origin=origin)
        errors: list[str] = []
        context.on("weberror", lambda e: errors.append(str(e.error)))
        yield context, errors


def listening(server: Inside) -> Set[EventFeed]:
    """The pages that listen. Not their ids: a feed that ended may leave its own to the next."""
    feeds = [mailbox for mailbox in server.hub.listeners.events if isinstance(mailbox, EventFeed)]
    return {feed for feed in feeds if feed.wanted.kind == "rule"}


async def one_listens(server: Inside, before: Set[EventFeed] = frozenset()) -> Set[EventFeed]:
    """Wait until one page listens, which is none of those before."""
    async with asyncio.timeout(60):
        while len(now := listening(server)) != 1 or now & before:  # noqa: ASYNC110 - the hub tells nobody of that
            await asyncio.sleep(0.01)
    return now


async def deliver(context: BrowserContext, page: Page, origin: str, event: Event) -> None:
    """Have the browser get a push message."""
    session = await context.new_cdp_session(page)
    ids: asyncio.Queue[str] = asyncio.Queue()

    def know(update: dict[str, Any]) -> None:
        for one in update["registrations"]:
            ids.put_nowait(one["registrationId"])

    session.on("ServiceWorker.workerRegistrationUpdated", know)
    await session.send("ServiceWorker.enable")
    number = await within(ids.get(), 30)
    data = json.dumps(structs.asdict(event))
    await session.send("ServiceWorker.deliverPushMessage", {"origin": origin, "registrationId": number, "data": data})
    await session.detach()


@pytest.mark.timeout(240)
async def test_an_alert_is_shown_once_however_many_pages_are_open(tmp_path: Path) -> None:
    async with inside(data=tmp_path) as server, allowed(server) as (context, errors):
        page, other = await context.new_page(), await context.new_page()
        policy = listen_for_errors(page)
        await page.goto(server.http)
        await page.click(PLACE)
        await expect(page.locator("#notify-about")).to_contain_text("When a rule")
        await page.check(SWITCH)
        await one_listens(server)
        await other.goto(server.http)
        await expect(other.locator(SWITCH)).to_be_checked()
        await expect(other.locator("#notify-about")).to_contain_text("On.")
        worker = await recorded(context)

        server.emit(structs.replace(ALERT, id="e0", actions=("webhook",)), ALERT)
        (one,) = await notifications(worker, 1)
        assert (one["tag"], one["title"]) == ("e1", "Somebody in the drive")
        assert one["body"].startswith("person in drive · door · ")
        assert one["data"] == {"url": "/events?event=e1"}
        first = listening(server)
        assert len(first) == 1

        await page.close()  # the other takes over, and hears what happened meanwhile
        server.emit(structs.replace(ALERT, id="e2"))
        await one_listens(server, first)
        await notifications(worker, 2)

        await deliver(context, other, server.http, structs.replace(ALERT, id="e2"))  # by Web Push too
        await deliver(context, other, server.http, structs.replace(ALERT, id="e3"))
        assert {one["tag"] for one in await notifications(worker, 3)} == {"e1", "e2", "e3"}

        viewer = await context.new_page()
        await viewer.goto(f"{server.http}/view/door")  # there it is on the screen
        await expect(viewer.locator(SWITCH)).to_be_checked()
        await expect(viewer.locator(SWITCH)).to_be_disabled()
        server.emit(structs.replace(ALERT, id="e4"), structs.replace(ALERT, id="e5", stream="hall"))
        assert {one["tag"] for one in await notifications(worker, 4)} == {"e1", "e2", "e3", "e5"}

        await other.click(PLACE)
        await other.uncheck(SWITCH)
        await expect(other.locator("#notify-about")).to_contain_text("When a rule")
        assert (errors, policy) == ([], [])


@pytest.mark.timeout(240)
async def test_a_browser_that_refuses_says_how_to_undo_it(tmp_path: Path) -> None:
    async with inside(data=tmp_path) as server, browsing() as browser:
        page = await browser.new_page()
        await page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
        await page.goto(f"{server.http}/view/door")
        await page.click(PLACE)
        await expect(page.locator("#notify-about")).to_contain_text("allow notifications, and load the page again")
        await expect(page.locator(SWITCH)).to_be_disabled()


@pytest.mark.timeout(240)
async def test_a_device_subscribes_and_what_the_server_sends_shows_up(tmp_path: Path) -> None:
    pytest.importorskip("pywebpush")
    async with (
        push_service() as service,
        inside(data=tmp_path, push_services=(service.origin,)) as server,
        allowed(server) as (context, errors),
    ):
        phone = service.phone("chromium")
        page = await context.new_page()
        await page.add_init_script(f"({FAKE_PUSH})({json.dumps(phone.endpoint)})")
        await page.add_init_script(f"window.keys = {json.dumps(phone.wants()['keys'])}")
        await page.goto(f"{server.http}/view/hall")
        await page.click(PLACE)
        await page.check(SWITCH)
        await expect(page.locator("#notify-about")).to_contain_text("Also when no page is open")
        assert await page.evaluate("window.asked") == {"userVisibleOnly": True, "length": 65}
        worker = await recorded(context)
        await page.goto(f"{server.http}/trust")  # a page that listens to nothing
        server.emit(structs.replace(ALERT, stream="garden"), structs.replace(ALERT, id="e2", stream="hall"))
        told = phone.read((await service.next()).body)
        assert told["id"] == "e2"
        await deliver(context, page, server.http, structs.replace(ALERT, id=told["id"], rule=told["rule"]))
        (one,) = await notifications(worker, 1)
        assert one["title"] == "Somebody in the drive"
        await page.goto(f"{server.http}/view/hall")
        await page.click(PLACE)
        await page.uncheck(SWITCH)
        await server.figures(lambda s: s["push"]["devices"] == 0)
        assert errors == []


@pytest.mark.timeout(240)
async def test_a_real_rule_is_told_with_its_picture_and_a_click_shows_the_event(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text('[streams.door]\nstages = ["ids"]\n')
    env = install_ids(tmp_path / "site")
    options = ("--model", "nano", "--engine", "onnx")
    async with (
        serving(*options, env=env, cwd=tmp_path, data=tmp_path / "data") as server,
        allowed(server) as (context, errors),
        walking(server, "door") as walker,
    ):
        page = await context.new_page()
        await page.goto(server.url)
        await page.click(PLACE)
        await page.check(SWITCH)
        await expect(page.locator("#notify-about")).to_contain_text("On.")
        worker = await recorded(context)
        rule = {"classes": ["person"], "actions": ["notify"]}
        assert (await server.http.put("/api/streams/door/rules/Somebody", json=rule)).status_code == 200
        await walker.see(*[0.45] * 5)
        (one,) = await notifications(worker, 1)
        assert (one["title"], one["body"].split(" · ")[:2]) == ("Somebody", ["person", "door"])
        assert one["icon"].startswith("data:image/jpeg;base64,")
        assert one["data"]["url"] == f"/events?event={one['tag']}"
        await page.goto(server.url + one["data"]["url"])
        await expect(page.locator("#detail[open]")).to_contain_text("Somebody")
        assert errors == []
