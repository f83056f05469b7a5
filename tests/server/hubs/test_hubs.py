"""Several hubs, each a server in a process of its own: all streams on each of them, whoever is asked."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from sightline import AsyncClient
from sightline.client.answers import Result
from sightline.server.hubs.relay import OF_STREAM
from support import rtc
from support.hubs import Cluster, clustered, free_ports, table
from support.serving import Json, balanced, camera, endless, peer, picture, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")
PULLED = [f"pulled-{number}" for number in range(6)]
SOURCES = tuple(f"--source={name}=synthetic:shapes?size=160x120&fps=5" for name in PULLED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Cluster]:
    room = {"SIGHTLINE_RECORD_FREE_GB": "0"}
    async with clustered(tmp_path_factory.mktemp("hubs"), 2, "--tcp-port=0", *SOURCES, env=room) as cluster:
        yield cluster


def at(said: Json, name: str) -> str:
    """The hub of a live stream in a list of streams; empty while it is not live."""
    found = [one for one in said["streams"] if one["name"] == name and one["state"] == "live"]
    assert len(found) <= 1, "a stream is listed twice"
    return str(found[0]["hub"]) if found else ""


async def test_all_hubs_list_all_streams_and_each_pulls_its_own(pair: Cluster) -> None:
    for hub in pair.hubs.values():
        await hub.until(lambda s: all(at(s, name) == pair.owner(name) for name in PULLED), path="/api/streams")
    for address, hub in pair.hubs.items():
        own = {name for name in PULLED if pair.owner(name) == address}
        await hub.until(lambda s, own=own: own == {name for name in s["streams"] if name in PULLED})  # type: ignore[misc]


async def test_whoever_asks_the_wrong_hub_gets_what_the_right_one_has(pair: Cluster) -> None:
    a, b = pair.addresses
    asked, has = pair.hubs[a], pair.hubs[b]
    name = pair.named(b, at="relayed")
    async with camera(asked, name):
        await has.until(lambda s: name in s["streams"] and s["streams"][name]["delivered"] > 2)
        assert name not in (await asked.get("/stats"))["streams"], "a frame is counted on one hub only"
        assert (await asked.get(f"/api/streams/{name}"))["received"] > 2
        shot = await asked.http.get(f"/snapshot/{name}.jpg")
        assert shot.headers["content-type"] == "image/jpeg"
        assert shot.content[:2] == b"\xff\xd8"
        async with peer(f"{asked.ws}/ws/view/{name}") as viewer:
            message, jpeg = await viewer.next("frame_metadata")
            assert message["stream"] == name
            assert jpeg
        async with peer(f"{asked.ws}/ws?stream={name}") as listener:
            assert (await listener.next("result"))[0]["stream"] == name
        async with asked.http.stream("GET", f"/mjpeg/{name}") as motion:
            assert await anext(motion.aiter_bytes())
        zone = {"points": [[0, 0], [1, 0], [1, 1]]}
        assert (await asked.http.put(f"/api/streams/{name}/zones/door", json=zone)).is_success
        assert "door" in (await has.get(f"/api/streams/{name}/zones"))["zones"]
        async with peer(f"{asked.ws}/ws/tiles?hub={b}") as page:
            await page.ws.send(json.dumps({"type": "tiles", "streams": [name], "width": 320}))
            assert (await page.next("tiles"))[0]["tiles"][0]["stream"] == name
    await has.until(lambda s: balanced(s["streams"][name]))


async def test_a_video_begins_at_the_wrong_hub_and_goes_to_the_right_one(pair: Cluster) -> None:
    a, b = pair.addresses
    asked, name = pair.hubs[a], pair.named(b, at="video")
    async with rtc.camera(asked, name) as sender:
        await pair.hubs[b].until(lambda s: name in s["streams"] and s["streams"][name]["delivered"] > 2)
        async with rtc.viewer(asked, name) as watcher:
            await watcher.state("connected")
        assert (await asked.http.delete(sender.location)).is_success
    assert name not in (await asked.get("/stats"))["streams"]


async def test_an_event_is_found_at_whichever_hub_has_it(pair: Cluster) -> None:
    a, b = pair.addresses
    asked, name = pair.hubs[a], pair.named(b, at="seen")
    async with camera(asked, name):
        await asked.until(lambda s: at(s, name) == b, path="/api/streams")
        changed = await asked.http.patch(f"/api/streams/{name}", json={"object_events": True})
        assert changed.is_success, changed.text
        found = await asked.until(lambda s: bool(s["events"]), path=f"/api/events?stream={name}")
    event = found["events"][0]["id"]
    assert (await asked.get(f"/api/events/{event}"))["id"] == event
    assert (await asked.http.get(f"/api/events/{event}/nothing")).status_code == 404
    clips = [await hub.http.get(f"/api/events/{event}/clip.mp4") for hub in (asked, pair.hubs[b])]
    assert clips[0].json() == clips[1].json(), "the event is there; nothing is recorded of it"
    assert "nothing is recorded" in clips[0].text
    missing = await asked.http.get("/api/events/no-such-event")
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "not_found"


async def test_a_link_that_was_made_at_one_hub_is_good_at_every_hub(pair: Cluster) -> None:
    a, b = pair.addresses
    asked, has = pair.hubs[a], pair.hubs[b]
    name = pair.named(b, at="shared")
    async with camera(asked, name):
        await asked.until(lambda s: at(s, name) == b, path="/api/streams")
        assert (await asked.http.post(f"/api/recordings/{name}/record", json={"on": True})).is_success
        await asked.until(lambda s: bool(s.get("segments")), path=f"/api/recordings/{name}")
    now = time.time()
    made = await asked.http.post(f"/api/recordings/{name}/shares", json={"from": now - 60, "to": now})
    assert made.status_code == 201, made.text
    link = made.json()["path"].removeprefix("/share/")
    for hub in (has, asked):
        assert (await hub.http.get(f"/share/{link}")).is_success
        told = await hub.until(lambda s: s.get("name") == name, path=f"/api/shared/{link}")
        async with asyncio.timeout(30):
            while (clip := await hub.http.get(told["file"])).status_code == 404:  # noqa: ASYNC110 - written soon
                await asyncio.sleep(0.1)
        assert clip.headers["content-type"] == "video/mp4"
        async with peer(f"{hub.ws}/ws/shared/{link}?play=0") as viewer:
            assert (await viewer.next("frame_metadata"))[0]["stream"] == name
        assert (await hub.http.get(f"/api/shared/{link[:-4]}AAAA")).status_code == 404
    assert (await asked.http.delete(f"/api/shares/{link.partition('.')[0]}")).status_code == 204
    for hub in (has, asked):
        assert (await hub.http.get(f"/api/shared/{link}")).status_code == 404


async def test_a_recording_of_another_hub_is_replayed_by_whichever_hub_is_asked(pair: Cluster) -> None:
    a, b = pair.addresses
    asked, name = pair.hubs[a], pair.named(b, at="kept")
    async with camera(asked, name):
        await asked.until(lambda s: at(s, name) == b, path="/api/streams")
        assert (await asked.http.post(f"/api/recordings/{name}/record", json={"on": True})).is_success
        await pair.hubs[b].until(lambda s: s["recordings"].get(name, {}).get("written", 0) > 10)
    kept = await asked.until(lambda s: bool(s["segments"]), path=f"/api/recordings/{name}")
    span = {"from": kept["segments"][0]["started_at"], "to": kept["segments"][0]["started_at"] + 5}
    begun = (await asked.http.post(f"/api/recordings/{name}/replays", json=span)).json()
    await asked.until(lambda s: s["state"] == "done", path=f"/api/replays/{begun['id']}")


@pytest.mark.parametrize("transport", ["ws", "tcp"])
async def test_a_program_that_asks_the_wrong_hub_ends_at_the_right_one(pair: Cluster, transport: str) -> None:
    a, b = pair.addresses
    asked, has = pair.hubs[a], pair.hubs[b]
    name = pair.named(b, at=f"sdk-{transport}")
    async with AsyncClient(asked.ws if transport == "ws" else asked.tcp) as client:
        answers = client.publish(name, [picture(n) for n in range(5)], pending=1)
        got = [answer async for answer in answers]
        watched = client.subscribe(name)
        waiting = asyncio.ensure_future(anext(watched))
        again = client.publish(name, endless())
        async with asyncio.timeout(30):
            while not waiting.done():
                await anext(again)
        assert (await waiting).stream == name
        await again.aclose()
        await watched.aclose()
    assert isinstance(got[-1], Result)
    stats = (await has.get("/stats"))["streams"][name]
    assert stats["received"] >= 5
    assert balanced(stats)
    assert name not in (await asked.get("/stats"))["streams"]


async def test_other_addresses_are_never_asked(pair: Cluster) -> None:
    hub = pair.hubs[pair.addresses[0]]
    answer = await hub.http.get("/api/streams", params={"hub": "http://169.254.169.254:80"})
    assert answer.status_code == 400
    assert "expected one of" in answer.json()["error"]["message"]
    for path in ("/api/hubs/state", "/api/hubs/shared"):
        assert (await hub.http.get(path)).status_code == 401
        assert (await hub.http.get(path, headers={"sightline-hub": "x" * 4000})).status_code == 401


async def test_every_route_that_names_a_stream_is_passed_on(pair: Cluster) -> None:
    hub = pair.hubs[pair.addresses[0]]
    paths = [path for path in (await hub.get("/openapi.json"))["paths"] if "{stream}" in path]
    assert len(paths) > 20
    for path in [*paths, "/ws/camera/{stream}", "/ws/view/{stream}", "/ws/playback/{stream}"]:
        found = OF_STREAM.fullmatch(path.replace("{stream}", "door"))
        assert found is not None, path
        assert "door" in (found["stream"], found["shot"])


async def test_a_camera_is_added_where_it_belongs_and_moves_when_that_hub_dies(tmp_path: Path) -> None:
    async with clustered(tmp_path, 3, *SOURCES, env={"SIGHTLINE_CAMERA_SCHEMES": '["synthetic"]'}) as cluster:
        first, second, dies = cluster.addresses
        added = cluster.named(dies, at="added")
        names = [*PULLED, added]
        asked = cluster.hubs[first]
        source = {"id": added, "source": "synthetic:shapes?size=160x120&fps=5", "name": "Gate"}
        answer = await asked.http.post("/api/streams", json=source)
        assert answer.status_code == 201, answer.text
        await asked.until(lambda s: at(s, added) == dies, path="/api/streams")
        assert (await asked.http.patch(f"/api/streams/{added}", json={"name": "Door"})).is_success
        publisher = AsyncClient(f"{cluster.hubs[dies].ws},{asked.ws}")
        pushed = cluster.named(dies, at="pushed")
        answers = publisher.publish(pushed, endless())
        await within(anext(answers), 30)

        for hub in cluster.hubs.values():  # what it shared with all is not lost
            await hub.until(lambda s: "Door" in [one["display_name"] for one in s["streams"]], path="/api/streams")
        await cluster.kill(dies)
        publishing = asyncio.ensure_future(_publish(answers))
        for hub in cluster.hubs.values():
            said = await hub.until(
                lambda s: all(at(s, name) in (first, second) for name in [*names, pushed]), path="/api/streams"
            )
            assert next(one for one in said["streams"] if one["name"] == added)["display_name"] == "Door"
        refused = await asked.http.patch(f"/api/streams/{added}", json={"name": "Yard"})
        assert "kept by another hub" in refused.text

        await cluster.start(dies)
        for hub in cluster.hubs.values():
            await hub.until(lambda s: at(s, added) == at(s, pushed) == dies, path="/api/streams")
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        for address, hub in cluster.hubs.items():
            for name, stats in (await hub.get("/stats"))["streams"].items():
                assert cluster.owner(name) == address or not stats["in_flight"]


async def test_a_camera_of_the_settings_can_be_changed_whatever_another_hub_keeps_of_it(tmp_path: Path) -> None:
    """One card was put elsewhere, and cameras of the other hub could not be changed any more."""
    cluster = Cluster(tmp_path, [f"http://127.0.0.1:{port}" for port in free_ports(2)])
    stays, dies = cluster.addresses
    mine, theirs = cluster.named(stays, at="a"), sorted(cluster.named(dies, index=number) for number in range(3))
    cluster.options = tuple(f"--source={n}=synthetic:shapes?size=160x120&fps=5" for n in (mine, *theirs))

    async def call(name: str, what: str) -> str:
        return (await asked.http.patch(f"/api/streams/{name}", json={"name": what})).text

    try:
        asked, _ = await asyncio.gather(*map(cluster.start, cluster.addresses))
        await cluster.agree()
        await asked.until(lambda s: all(at(s, name) == dies for name in theirs), path="/api/streams")
        moved = await asked.http.patch(f"/api/streams/{theirs[0]}", json={"before": theirs[2], "group": "Yard"})
        assert moved.is_success, moved.text
        await asked.until(
            lambda s: (
                [one["name"] for one in s["streams"] if one["hub"] == dies] == [theirs[1], theirs[0], theirs[2]]
                and "Yard" in [one["group"] for one in s["streams"]]
            ),
            path="/api/streams",
        )
        await cluster.kill(dies)
        await asked.until(lambda s: all(at(s, name) == stays for name in (mine, *theirs)), path="/api/streams")
        assert "kept by another hub, which is gone" in await call(theirs[0], "First")
        assert '"display_name":"Third"' in await call(theirs[2], "Third"), "nobody else keeps anything of it"

        back = await cluster.start(dies)
        for hub in (asked, back):
            await hub.until(lambda s: all(at(s, name) == dies for name in theirs), path="/api/streams")
        for name in (mine, *theirs):
            assert f'"display_name":"New {name}"' in await call(name, f"New {name}")
        for hub in (asked, back):
            await hub.until(
                lambda s: all(one["display_name"] == f"New {one['name']}" for one in s["streams"]), path="/api/streams"
            )
    finally:
        await cluster.close()


async def test_what_is_passed_on_to_a_hub_that_hangs_ends_as_soon_as_it_is_gone(tmp_path: Path) -> None:
    """It took a minute, while the stream was long at another hub."""
    async with clustered(tmp_path, 2) as cluster:
        asks, hangs = cluster.addresses
        asked, name = cluster.hubs[asks], cluster.named(hangs)
        async with (
            camera(cluster.hubs[hangs], name),
            peer(f"{asked.ws}/ws/view/{name}") as viewer,
            asked.http.stream("GET", f"/mjpeg/{name}") as motion,
        ):
            await viewer.next("frame_metadata")
            pictures = motion.aiter_bytes()
            await anext(pictures)
            cluster.hubs[hangs].process.send_signal(signal.SIGSTOP)
            answer, (error, _), _ = await within(
                asyncio.gather(
                    asked.http.get(f"/api/streams/{name}", timeout=30), viewer.next("error"), _end(pictures)
                ),
                30,
            )
            cluster.hubs[hangs].process.send_signal(signal.SIGCONT)
            assert answer.status_code == 503
            assert f"the hub {hangs} does not answer" in answer.text
            assert error["code"] == "unreachable"


async def _end(pictures: AsyncIterator[bytes]) -> None:
    """Read to an end that says that something is missing."""
    with pytest.raises(httpx2.RemoteProtocolError):
        async for _ in pictures:
            pass


async def _publish(answers: AsyncGenerator[object]) -> None:
    async for _ in answers:
        pass


async def test_a_wrong_secret_and_another_list_are_told(tmp_path: Path) -> None:
    ours, wrong, strange = (f"http://127.0.0.1:{port}" for port in free_ports(3))
    tables = {ours: table([ours, wrong, strange]), wrong: table([ours, wrong, strange], secret="another-secret-here")}
    tables[strange] = table([ours, strange])
    running = [
        serving("--port", address.rpartition(":")[2], env={"SIGHTLINE_CLUSTER": said})
        for address, said in tables.items()
    ]
    async with running[0] as hub, running[1], running[2]:

        def told(said: Json) -> bool:
            by = {one["address"]: one["trouble"] for one in said["hubs"]}
            return "same secret" in by[wrong] and "expected the same list" in by[strange]

        await hub.until(told, path="/api/hubs")
        assert "same secret" in (await hub.get("/api/streams"))["trouble"]
