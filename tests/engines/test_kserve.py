"""Models of an inference server: a real one answers over HTTP, and whatever it answers is checked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from sightline.core.errors import BadSetting, ConfigError, ModelError
from sightline.engines import _address, kserve
from sightline.inference.offers import Offers
from sightline.settings.settings import load_settings
from sightline.zoo.loader import check_model, load_model
from support.inside import inside
from support.kserve import KserveServer, Reply, packed, said
from support.made_graph import MakeGraph, maker_in
from support.serving import peer, publish

VALUE = {"y": np.arange(6, dtype=np.float32).reshape(2, 3)}
YOLOX = {"output": np.zeros((84, 8), np.float32)}
FEED = {"images": np.zeros((1, 3, 64, 64), np.float32)}
META, INFER = "/v2/models/finder", "/v2/models/finder/infer"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KserveServer]:
    with KserveServer(maker_in(tmp_path_factory.mktemp("graph"))(VALUE)) as running:
        yield running


@pytest.fixture(autouse=True)
def straight(server: KserveServer) -> Iterator[None]:
    """Each test begins with a server that does as it should."""
    yield
    server.twist, server.extensions, server.ready = lambda _, reply: reply, ["binary_tensor_data"], True


def opened(server: KserveServer) -> kserve.KserveEngine:
    return kserve.KserveEngine(_address.parse(server.spec))


def test_a_graph_elsewhere_gives_what_it_gives_here(server: KserveServer) -> None:
    engine = opened(server)
    assert list(map(str, engine.inputs.values())) == ["images: float32[1x3x64x64]"]
    for _ in range(3):
        (made,) = engine.run(FEED).values()
        np.testing.assert_array_equal(made.reshape(2, 3), VALUE["y"])
        made += 1  # it is the caller's own
    engine.close()


def test_a_connection_that_was_closed_meanwhile_is_made_anew(server: KserveServer) -> None:
    engine = opened(server)
    server.twist = lambda _, reply: Reply(reply.status, reply.body, {**reply.headers, "Connection": "close"})
    before = server.connections
    engine.run(FEED)
    engine._connection.sock.shutdown(socket.SHUT_RDWR) if engine._connection.sock else None
    engine.run(FEED)
    assert server.connections > before
    engine.close()


def test_a_model_elsewhere_sees_what_it_sees_here(assets: Path) -> None:
    file = assets / "models/yolox_nano.onnx"
    image = cv2.imread(str(assets / "images/bus.jpg"))
    assert image is not None
    with KserveServer(file) as server:
        here, there = load_model(str(file), engine="onnx"), load_model(server.spec, cache=None)
        assert (there.card.name, there.card.family, there.card.labels) == ("finder", "yolox", here.card.labels)
        one, other = here.predict([np.asarray(image, np.uint8)])[0], there.predict([np.asarray(image, np.uint8)])[0]
    assert len(one) > 3  # type: ignore[arg-type]
    np.testing.assert_allclose(one.xyxy, other.xyxy, atol=1e-3)  # type: ignore[attr-defined]
    here.close()
    there.close()


def test_names_lie_beside_a_file_with_the_address(make_graph: MakeGraph, tmp_path: Path) -> None:
    with KserveServer(make_graph(YOLOX)) as server:
        file = tmp_path / "pets.kserve"
        file.write_text(f"{server.spec}\n")
        (tmp_path / "pets.labels.txt").write_text("dog\ncat\nbird\n")
        check_model(str(file))
        model = load_model(str(file))
    assert (model.card.name, model.card.labels) == ("pets", ("dog", "cat", "bird"))
    assert model.engine_reason == "the one that asks an inference server"
    model.close()


NO_ADDRESSES = """ftp://a/b http://a http://a/b/c http://u:p@a/b http://a/b?c=d http://a:99999/b http:///b a http://a/..
http://a/b/versions/.. http://[/b"""


@pytest.mark.parametrize("spec", ["kserve:", "kserve:http://a\n/b", *(f"kserve:{one}" for one in NO_ADDRESSES.split())])
def test_an_address_that_is_none_is_said_before_anything_starts(spec: str) -> None:
    with pytest.raises(ConfigError, match="expected kserve:http://HOST:PORT/MODEL"):
        check_model(spec)


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_address_or_refused(text: str) -> None:
    try:
        address = _address.parse(text)
    except ConfigError:
        return
    assert _address.parse(str(address)) == address


def refused(server: KserveServer) -> str:
    with pytest.raises(ModelError) as caught:
        opened(server)
    assert caught.value.message.startswith("http://127.0.0.1:")
    return caught.value.message


def test_what_is_wrong_with_a_server_is_said(server: KserveServer) -> None:
    server.ready = False
    assert "there and not ready (400)" in refused(server)
    server.ready, server.extensions = True, ["statistics"]
    assert "expected a server with the extension binary_tensor_data; it has statistics" in refused(server)
    server.extensions = ["binary_tensor_data"]
    server.twist = lambda path, reply: said({"error": "unknown\nmodel"}, 400) if path == META else reply
    assert refused(server).endswith("has no model finder (400: unknown model)")
    server.twist = lambda _, reply: Reply(404, b"<html>")
    assert refused(server).endswith("does not speak the protocol's version 2 (404)")


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ModelError, match=r"can't be reached: .*refused"):
            load_model(f"kserve:http://127.0.0.1:{nobody.getsockname()[1]}/finder")


def test_a_server_that_says_nothing_is_given_up(server: KserveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kserve, "ANSWER_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = _address.parse(f"http://127.0.0.1:{silent.getsockname()[1]}/finder")
        with pytest.raises(ModelError, match="no answer in time"):
            kserve.KserveEngine(address)


def test_answers_have_a_size_at_most(server: KserveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(server)
    monkeypatch.setattr(kserve, "MOST_ANSWER", 1000)
    server.twist = lambda _, reply: Reply(200, reply.body, reply.headers, declared=1 << 40)
    with pytest.raises(ModelError, match="expected at most 1000"):
        engine.run(FEED)
    server.twist = lambda _, reply: reply
    engine.run(FEED)  # and it goes on
    engine.close()


def twisted(change: dict[str, Any]) -> Reply:
    one = {"name": "y", "datatype": "FP32", "shape": [1, 2, 3], "parameters": {"binary_data_size": 24}} | change
    return packed({"outputs": [one]}, bytes(24))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "z"},
        {"datatype": "FP64"},
        {"datatype": "BYTES"},
        {"shape": [1, 2, 4], "parameters": {"binary_data_size": 32}},
        {"shape": [-1, -2, 3]},
        {"shape": [1, 6]},
        {"parameters": {"binary_data_size": 20}},
        {"parameters": {"binary_data_size": 1 << 70}},
        {"parameters": {}},
    ],
)
def test_tensors_are_what_was_declared(server: KserveServer, change: dict[str, Any]) -> None:
    engine = opened(server)
    server.twist = lambda _, reply: twisted(change)
    with pytest.raises(ModelError, match="the server answered"):
        engine.run(FEED)
    server.twist = lambda _, reply: reply
    engine.run(FEED)
    engine.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.binary(max_size=200) | JSON.map(lambda one: json.dumps(one).encode()),
    st.none() | st.text("0123456789-x", max_size=4),
)
@example_settings(max_examples=60)
def test_garbage_is_refused_and_nothing_else(server: KserveServer, body: bytes, length: str | None) -> None:
    headers = {} if length is None else {kserve.LENGTH: length}
    engine = opened(server)
    server.twist = lambda _, reply: Reply(200, body, headers)
    with pytest.raises(ModelError):
        engine.run(FEED)
    with pytest.raises(ModelError):
        opened(server)
    server.twist = lambda _, reply: reply
    engine.close()


async def test_a_server_serves_a_model_elsewhere_and_nobody_else_names_one(
    make_graph: MakeGraph, tmp_path: Path
) -> None:
    with KserveServer(make_graph(YOLOX)) as elsewhere:
        async with inside(data=tmp_path, model=elsewhere.spec, cache=tmp_path) as server:
            async with peer(f"{server.ws}/ws/camera/door") as camera:
                assert (await publish(camera, 3))["result"] == 3
            assert server.hub.pool.own.key.name == "finder"
    offers = Offers(load_settings(model=elsewhere.spec, cache=tmp_path))
    with pytest.raises(BadSetting, match="model"):
        offers.key({"model": "kserve:http://192.0.2.1/finder"})
