"""Models on the machines of a Ray cluster: two nodes, each of which stands for a machine, with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightline.analytics.base import Pipeline
from sightline.core.errors import ConfigError
from sightline.core.types import Encoded, Frame, FrameResult, Image
from sightline.inference.place import InferenceOptions, Place, Request
from sightline.inference.places.messages import LoadRequest
from sightline.inference.places.ray import QUALITY, RayPlace
from sightline.inference.places.ray_link import RayLink
from sightline.inference.places.ray_messages import Needs
from sightline.inference.places.thread import ThreadPlace
from sightline.inference.static_scene import LastResults
from sightline.media import codecs
from sightline.models.base import Options
from sightline.settings.settings import Settings, load_settings
from sightline.zoo import loader
from sightline.zoo.options import LoadOptions
from support.outside import install
from support.ray_cluster import RayCluster, add_node, ray_cluster
from support.serving import Json, Peer, Running, balanced, peer, picture, serving
from support.sleeping import SLEEPING

OPTIONS = LoadOptions(engine="onnx", threads=1)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process needs to know the sleeping model."""
    return install(tmp_path_factory.mktemp("plugins"), {"sleeping": SLEEPING}, {"models": {"sleeping": "sleeping"}})


@pytest.fixture(scope="module")
def cluster(plugins: dict[str, str]) -> Iterator[RayCluster]:
    with ray_cluster(2, 2, env=plugins) as made:
        yield made


def settings_for(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, **changed: object) -> Settings:
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    return load_settings(cluster={"address": "auto", "token_file": str(cluster.token), **changed})


@asynccontextmanager
async def placed(settings: Settings, spec: str, **labels: str) -> AsyncGenerator[RayPlace]:
    first = LoadRequest(spec, Path(spec).stem, OPTIONS, static_skip=True, memory_bytes=None, log_level=20)
    link = RayLink(settings)
    place = RayPlace(first, LastResults(), link=link, needs=Needs(1, 0, labels), load_s=60, name="model")
    try:
        yield place
    finally:
        place.close()
        await place.closed()
        await link.close()


async def outcome(place: Place, image: Encoded | Image, seq: int) -> FrameResult:
    frame = Frame("door", seq, 1.0, time.monotonic(), image)
    (one,) = await place.run([Request(frame, InferenceOptions(Options(0.2)), Pipeline())])
    assert isinstance(one, FrameResult), one
    return one


async def test_results_are_those_of_a_thread_and_the_weights_come_to_the_machine(
    assets: Path, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JPEGs, the same one again, and pixels, which are sent as JPEG."""
    picture = cv2.imread(str(assets / "images" / "bus.jpg"))
    assert picture is not None
    pixels: Image = cv2.resize(picture, (640, 360)).astype(np.uint8)
    jpeg = Encoded(codecs.encode_jpeg(pixels, QUALITY), 640, 360)
    spec = str(assets / "models" / "yolox_nano.onnx")
    async with placed(settings_for(cluster, monkeypatch), spec, m="1") as place, in_thread(spec) as thread:
        facts = await thread.load(), await place.load()
        assert facts[0].card.labels == facts[1].card.labels
        shown: list[Encoded | Image] = [jpeg, jpeg, pixels]
        for seq, image in enumerate(shown):
            expected, got = await outcome(thread, jpeg, seq), await outcome(place, image, seq)
            assert got.detections, "there is something to compare"
            assert (expected.detections, expected.reused is None) == (got.detections, got.reused is None)
            assert got.stages.keys() == expected.stages.keys()
            assert 0 <= got.stages.get("queue", 0) < 60_000, "on this machine's clock"
    assert kept(cluster, "yolox_nano.onnx") == [os.stat(spec).st_size]  # noqa: PTH116 - no file is read


def kept(cluster: RayCluster, name: str) -> list[int]:
    """The sizes of what the machines keep of a model's file."""
    return [one.stat().st_size for one in Path(cluster.token.parent, "cache", "cluster").rglob(name)]


@asynccontextmanager
async def in_thread(spec: str) -> AsyncGenerator[ThreadPlace]:
    place = ThreadPlace(lambda: loader.load_model(spec, OPTIONS), LastResults())
    try:
        yield place
    finally:
        place.close()
        await place.closed()


async def test_what_no_machine_has_is_said(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async with placed(settings_for(cluster, monkeypatch), "motion", m="7") as place:
        with pytest.raises(ConfigError, match=r"no machine of the cluster has 1 cores .* labels .*'7'.* with 2 cores"):
            await place.load()


async def test_a_cluster_that_is_out_of_reach(monkeypatch: pytest.MonkeyPatch, cluster: RayCluster) -> None:
    link = RayLink(settings_for(cluster, monkeypatch, address="127.0.0.1:9"))
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9 can't be reached: Connection refused"):
        await link.join()
    assert link.problem is not None
    await link.close()


async def test_a_server_waits_for_a_cluster_that_is_not_there_yet() -> None:
    """It ended a second after it had said that it would try again."""
    async with serving("--cluster=127.0.0.1:9", "--place=ray", "--model=motion", ready=False) as server:
        await server.said("and is tried again: the Ray cluster at 127.0.0.1:9 can't be reached: Connection refused")
        server.log.clear()
        await server.said("and is tried again")
        ready = await server.http.get("/ready")
        assert (ready.status_code, "Is its machine on?" in ready.text) == (503, True)
        assert (await server.http.get("/health")).status_code == 200


async def test_a_wrong_token_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, cluster: RayCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray would try for half a minute, and print a line each second."""
    wrong = tmp_path / "token"
    wrong.write_text("0" * 32)
    link = RayLink(settings_for(cluster, monkeypatch, token_file=str(wrong)))
    with pytest.raises(ConfigError, match=r"this machine's Ray does not accept the cluster's token: expected the one"):
        await link.join()
    await link.close()
    assert link.problem is not None
    assert "does not accept" in link.problem
    assert "InvalidAuthToken" not in caplog.text


@asynccontextmanager
async def served(cluster: RayCluster, plugins: dict[str, str], **table: object) -> AsyncGenerator[Running]:
    """A server whose model has a replica on each of the two machines."""
    given = {"address": "auto", "token_file": str(cluster.token), "replicas_min": 2, "replicas_max": 2, "cpus": 2}
    env = plugins | cluster.env | {"SIGHTLINE_CLUSTER": json.dumps(given | table), "SIGHTLINE_PLACE": "ray"}
    async with serving("--model", "sleeping", "--no-static-skip", env=env) as server:
        yield server


class Feeder:
    """A camera with two frames under way, which counts what comes of them."""

    def __init__(self, name: str, camera: Peer) -> None:
        self.name, self.camera = name, camera
        self.sent: set[int] = set()
        self.answers: dict[str, int] = {}
        self.gap = 0.0
        """Longest time between two results."""

    async def run(self, until: asyncio.Event) -> None:
        await self.camera.next("status")
        count, last = 0, time.monotonic()
        while self.sent or not until.is_set():
            while len(self.sent) < 2 and not until.is_set():
                self.sent.add(count)
                await self.camera.send_frame(count, picture(count))
                count += 1
            answer, _ = await self.camera.next("result", "dropped", "error")
            self.sent.discard(answer["frameNumber"])
            kind = str(answer.get("reason", answer["type"]))
            self.answers[kind] = self.answers.get(kind, 0) + 1
            if kind == "result":
                now = time.monotonic()
                self.gap, last = max(self.gap, now - last), now


@asynccontextmanager
async def feeding(server: Running, *names: str) -> AsyncGenerator[list[Feeder]]:
    until = asyncio.Event()
    async with AsyncExitStack() as stack:
        made = [Feeder(n, await stack.enter_async_context(peer(f"{server.ws}/ws/camera/{n}"))) for n in names]
        async with asyncio.TaskGroup() as tasks:
            for one in made:
                tasks.create_task(one.run(until))
            try:
                yield made
            finally:
                until.set()


def replicas(stats: Json) -> list[Json]:
    return [dict(one) for one in stats["cluster"]["replicas"]]


async def test_a_replica_a_machine_and_a_slow_one_go_and_come_back(
    cluster: RayCluster, plugins: dict[str, str]
) -> None:
    """Streams go on with the other replica, every frame is accounted for, and late answers are counted."""
    async with served(cluster, plugins) as server:
        first = await server.get("/stats")
        assert len({one["node"] for one in replicas(first)}) == 2, "they are spread"
        assert {len(first["cluster"]["machines"]), first["cluster"]["problem"]} == {3, ""}
        async with feeding(server, "a", "b", "c", "d") as feeders:
            await server.until(lambda s: all(s["streams"][f.name]["delivered"] > 12 for f in feeders))
            busy = [one for one in replicas(await server.get("/stats")) if one["streams"]]
            assert len(busy) == 2, "both work"

            (dies,) = cluster.nodes[0].replicas
            dies.kill()
            await server.until(lambda s: sum(one["restarts"] for one in replicas(s)) == 1)
            await server.until(lambda s: not any(one["out"] for one in replicas(s)))

            cluster.nodes[1].signal(signal.SIGSTOP)
            stats = await server.until(lambda s: any(one["out"] for one in replicas(s)))
            assert any("did not answer in" in one["out"] for one in replicas(stats))
            cluster.nodes[1].signal(signal.SIGCONT)
            stats = await server.until(lambda s: not any(one["out"] for one in replicas(s)))
            stats = await server.until(lambda s: sum(one["late"] for one in replicas(s)) > 0)
            assert len({one["node"] for one in replicas(stats)}) == 2, "the slow one is back"
        await settled(server, feeders)


async def test_replicas_come_when_frames_do_and_more_where_they_are_busy(
    cluster: RayCluster, plugins: dict[str, str]
) -> None:
    """None while nobody needs results; the first frame has one started, and it is told so; a busy one gets a second."""
    table = {"replicas_min": 0, "replicas_max": 2, "cpus": 1}
    async with served(cluster, plugins | {"SIGHTLINE_MODEL_GRACE": "0.5"}, **table) as server:
        stats = await server.until(lambda s: scale(s)["replicas"] == 0)
        assert (replicas(stats), scale(stats)["coming"], scale(stats)["most"]) == ([], 0, 2)
        assert (await server.get("/ready"))["ready"], "it only rests"
        async with feeding(server, "a", "b", "c") as feeders:
            stats = await server.until(lambda s: scale(s)["coming"] == 1)
            assert (scale(stats)["replicas"], scale(stats)["trouble"]) == (0, "")
            await server.until(lambda s: all(s["streams"][f.name]["delivered"] > 3 for f in feeders))
            assert scale(await server.get("/stats"))["coming"] == 0
            await server.until(lambda s: scale(s)["replicas"] == 2 and all(one["streams"] for one in replicas(s)))
        await settled(server, feeders)
        assert all(feeder.answers.keys() <= {"result", "replaced"} for feeder in feeders)


def scale(stats: Json) -> Json:
    """How many replicas the only model has."""
    (one,) = stats["cluster"]["models"]
    return dict(one)


async def settled(server: Running, feeders: list[Feeder]) -> None:
    """Every frame had one answer, and the books are exact."""
    stats = await server.until(lambda s: not any(one["in_flight"] for one in s["streams"].values()))
    for feeder in feeders:
        assert not feeder.sent
        stream = stats["streams"][feeder.name]
        assert balanced(stream)
        assert stream["received"] == sum(feeder.answers.values())
        assert stream["delivered"] == feeder.answers["result"]


async def test_a_machine_is_drained_and_another_one_dies(cluster: RayCluster, plugins: dict[str, str]) -> None:
    """Drained: no frame fails. Dead: its frames have another try elsewhere, or newer ones take their place."""
    async with AsyncExitStack() as stack:
        third = stack.enter_context(add_node(cluster, 2, 2, plugins | token_of(cluster)))
        server = await stack.enter_async_context(served(cluster, plugins))
        async with feeding(server, "a", "b") as feeders:
            await server.until(lambda s: all(s["streams"][f.name]["delivered"] > 12 for f in feeders))
            node = replicas(await server.get("/stats"))[0]["node"]
            said = await asyncio.to_thread(command, cluster, "drain", node[:16])
            assert "gets no more replicas" in said.stderr, said
            await server.until(lambda s: len(replicas(s)) == 2 and node not in [one["node"] for one in replicas(s)])
            assert all(feeder.answers.keys() <= {"result", "replaced"} for feeder in feeders)

            stats = await server.get("/stats")
            struck = label_of(stats, replicas(stats)[0]["node"])
            next(one for one in (*cluster.nodes, third) if one.label == struck).signal(signal.SIGKILL)
            stats = await server.until(lambda s: sum(bool(one["out"]) for one in replicas(s)) == 1)
            done = {name: one["delivered"] for name, one in stats["streams"].items()}
            await server.until(lambda s: all(s["streams"][name]["delivered"] > n + 9 for name, n in done.items()))
        await settled(server, feeders)
        for feeder in feeders:  # the frame in work has a second try, unless a newer one waits by then
            others = {kind: n for kind, n in feeder.answers.items() if kind not in ("result", "replaced")}
            assert sum(others.values()) <= 1, others


def label_of(stats: Json, node: str) -> str:
    """The label by which a node was started."""
    return next(str(one["labels"]["m"]) for one in stats["cluster"]["machines"] if one["node"] == node)


def token_of(cluster: RayCluster) -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(cluster.token)}


def command(cluster: RayCluster, *words: str) -> subprocess.CompletedProcess[str]:
    table = json.dumps({"address": "auto", "token_file": str(cluster.token)})
    return subprocess.run(
        [sys.executable, "-m", "sightline", "cluster", *words],
        env={**os.environ, **cluster.env, "SIGHTLINE_CLUSTER": table},
        capture_output=True,
        text=True,
        timeout=60,
    )
