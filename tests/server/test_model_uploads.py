"""Models that admins send, get and remove while the server runs."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest
import pytest_asyncio

import sightline
from sightline.core.errors import BadRequest, NotFound
from sightline.core.types import ModelCard
from sightline.inference import model_check
from sightline.inference.kept_models import KeptModels
from sightline.inference.offers import Offers
from sightline.security.tokens import Store
from sightline.server import uploads
from sightline.server.app import create_app
from sightline.server.state import state_of
from sightline.server.uploads import MOST_BYTES, Uploads, plain_name
from sightline.settings.settings import load_settings
from support import made_exports
from support.made_graph import maker_in
from support.made_hub import made_hub
from support.made_profile import of_the_hub
from support.serving import Running, camera, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPLOAD = "/api/models/upload"
SHIPPED = Path(sightline.__file__).parent / "weights"
onnx = pytest.importorskip("onnx")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    async with serving("--model", "motion", data=data) as running:
        running.http.headers["x-data"] = str(data)
        yield running


def folder_of(server: Running) -> Path:
    return Path(server.http.headers["x-data"]) / "models"


async def listed(server: Running, name: str) -> dict[str, Any] | None:
    return next((m for m in (await server.get("/api/models"))["models"] if m["name"] == name), None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def test_a_file_is_sent_looked_at_kept_used_and_removed(server: Running, tmp_path: Path) -> None:
    http, file = server.http, made_exports.damoyolo(maker_in(tmp_path))
    sent = await http.post(UPLOAD, params={"name": "C:\\models\\Küche 1.ONNX"}, content=file.read_bytes())
    assert sent.status_code == 200, sent.text
    told = sent.json()
    assert (told["name"], told["family"], told["input_size"]) == ("Kuche-1", "damoyolo", [64, 64])
    assert (told["labels"], told["size_bytes"]) == (["ant", "bee", "cow"], file.stat().st_size)
    assert await listed(server, "Kuche-1") is None, "nothing uses it before it is kept"

    place = f"{UPLOAD}/{told['upload']}"
    for name in ("motion", "../up", "", 7):
        refused = await http.post(place, json={"name": name})
        assert (refused.status_code, refused.json()["error"]["key"]) == (422, "name"), name
    kept = await http.post(place, json={"name": "insects"})
    assert (kept.status_code, kept.json()["usable"], kept.json()["removable"]) == (201, True, True)
    assert (await http.post(place, json={"name": "again"})).status_code == 404
    assert str(tmp_path.parent) not in json.dumps(kept.json())

    async with camera(server, "door"):
        await server.until(lambda s: s.get("state") == "live", path="/api/streams/door")
        chosen = await http.patch("/api/streams/door", json={"model": "insects"})
        assert (chosen.status_code, chosen.json()["labels"]) == (200, ["ant", "bee", "cow"])
        found = await listed(server, "insects")
        assert found is not None
        assert found["streams"] == ["door"]
        assert found["memory_bytes"] > 0
        in_use = await http.delete("/api/models/insects")
        assert (in_use.status_code, in_use.json()["error"]["code"]) == (409, "in_use")
        assert "door" in in_use.json()["error"]["message"]
        await http.patch("/api/streams/door", json={"model": "motion"})
        await server.until(lambda s: s["settings"]["model"] == "motion", path="/api/streams/door")

    restarted = Offers(load_settings(model="motion", data=folder_of(server).parent))
    assert restarted.key({"model": "insects"}).spec == str(folder_of(server) / "insects.onnx")
    assert (await http.delete("/api/models/insects")).status_code == 204
    assert await listed(server, "insects") is None
    assert (await http.delete("/api/models/insects")).status_code == 404
    assert (await http.delete("/api/models/nano")).status_code == 409
    left = [path.name for path in folder_of(server).rglob("*") if path.is_file()]
    assert left == []


async def test_a_file_that_leaves_its_family_open_is_told_which_it_may_be(server: Running, tmp_path: Path) -> None:
    values = np.random.default_rng(1).uniform(0.01, 0.99, (4 + 3, made_exports.CELLS)).astype(np.float32)
    values[:4] *= 60  # boxes in pixels
    data = maker_in(tmp_path)({"output0": values}).read_bytes()
    open_ = await server.http.post(UPLOAD, content=data)
    assert open_.status_code == 422, open_.text
    error = open_.json()["error"]
    assert error["key"] == "family"
    family = error["expected"].split(" or ")[0]
    sent = await server.http.post(UPLOAD, params={"family": family}, content=data)
    assert sent.json().get("family") == family, sent.text
    assert (await server.http.post(f"{UPLOAD}/{sent.json()['upload']}", json={"name": "said"})).status_code == 201
    async with camera(server, "shed"):
        await server.until(lambda s: s.get("state") == "live", path="/api/streams/shed")
        assert (await server.http.patch("/api/streams/shed", json={"model": "said"})).status_code == 200


def memory_bomb() -> bytes:
    """A graph of a few bytes that asks for 64 GB."""
    helper = onnx.helper
    size = onnx.numpy_helper.from_array(np.array([1 << 34], np.int64), "size")
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["huge"]),
        helper.make_node("ReduceMean", ["huge"], ["mean"], keepdims=0),
        helper.make_node("Add", ["images", "mean"], ["output"]),
    ]
    infos = [helper.make_tensor_value_info(name, 1, [1, 3, 64, "side"]) for name in ("images", "output")]
    graph = helper.make_graph(nodes, "bomb", infos[:1], infos[1:], initializer=[size])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def time_bomb() -> bytes:
    """A graph of a few bytes that counts to a million millions."""
    helper = onnx.helper
    kinds = [helper.make_tensor_value_info(n, k, []) for n, k in (("i", 7), ("go", 9), ("x", 1))]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["x"], ["y"])],
        "body",
        kinds,
        [helper.make_tensor_value_info("on", 9, []), helper.make_tensor_value_info("y", 1, [])],
    )
    constants = [
        onnx.numpy_helper.from_array(np.array(10**12, np.int64), "times"),
        onnx.numpy_helper.from_array(np.array(True), "true"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Loop", ["times", "true", "mean"], ["sum"], body=body),
        helper.make_node("Add", ["images", "sum"], ["output"]),
    ]
    infos = [helper.make_tensor_value_info(name, 1, [1, 3, 64, "side"]) for name in ("images", "output")]
    graph = helper.make_graph(nodes, "bomb", infos[:1], infos[1:], initializer=constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def external() -> bytes:
    model = onnx.load_from_string(memory_bomb())
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return bytes(model.SerializeToString())


def changed(change: Callable[[Any], object]) -> bytes:
    """A graph that is sound but for this."""
    infos = [onnx.helper.make_tensor_value_info(name, 1, [1, 3, 64, 64]) for name in ("images", "output")]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["images"], ["output"])], "odd", infos[:1], infos[1:]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    change(model)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("none.onnx", changed(lambda m: m.graph.ClearField("output")), "Outputs: none\nIt gives nothing: export it"),
        ("two.onnx", changed(lambda m: m.graph.input.add().CopyFrom(m.graph.output[0])), "Duplicate definition"),
        (
            "new.onnx",
            changed(lambda m: setattr(m.opset_import[0], "version", 99)),
            "its opset for ai.onnx is 99, expected",
        ),
        (
            "newer.onnx",
            changed(lambda m: setattr(m, "ir_version", 99)),
            " supports (Unsupported model IR version: 99, max",
        ),
        ("own.onnx", changed(lambda m: setattr(m.graph.node[0], "op_type", "Secret")), "Secret"),
        ("model.onnx", b"", "an empty file came"),
        ("yolo.onnx", external(), "lie in another file"),
        ("yolo.onnx", memory_bomb(), "takes more memory than the 1024 MB"),
        ("best.pt", b"PK\x03\x04", "export it to ONNX first"),
        ("photo.jpg", b"\xff\xd8\xff\xe0", "no ONNX file"),
    ],
)
async def test_what_is_no_model_is_refused_in_words_and_leaves_nothing(
    server: Running, name: str, data: bytes, says: str
) -> None:
    refused = await server.http.post(UPLOAD, params={"name": name}, content=data)
    assert refused.status_code == 400, refused.text
    message = refused.json()["error"]["message"]
    assert says in message
    assert str(folder_of(server)) not in message
    assert "onnxruntime::" not in message, "where in its code that is helps nobody"
    assert list((folder_of(server) / "uploads").iterdir()) == []


async def test_a_quantized_detector_is_taken(server: Running) -> None:
    data = (SHIPPED / "nano.onnx").read_bytes()
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in onnx.load_from_string(data).graph.node}
    sent = await server.http.post(UPLOAD, params={"name": "nano.onnx"}, content=data)
    assert (sent.status_code, sent.json()["name"], sent.json()["task"]) == (200, "nano-2", "detect"), sent.text
    assert (await server.http.delete(f"{UPLOAD}/{sent.json()['upload']}")).status_code == 204


async def test_a_name_that_is_too_long_is_told_with_what_is_expected(server: Running) -> None:
    refused = await server.http.post(UPLOAD, params={"name": "x" * 301}, content=b"x")
    assert (refused.status_code, "at most 300 characters" in refused.json()["error"]["message"]) == (422, True)


async def test_a_file_that_takes_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_check, "PATIENCE_S", 3.0)
    path = tmp_path / "slow.onnx"
    path.write_bytes(time_bomb())
    with pytest.raises(BadRequest, match="did not load within 3 s"):
        await model_check.checked(path, path.stat().st_size, None)


async def test_a_file_that_is_too_large_is_refused_before_it_comes(server: Running) -> None:
    to = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: {to.netloc}\r\nContent-Length: {MOST_BYTES + 1}\r\n\r\n"
    writer.write(head.encode())
    assert b" 413 " in await within(reader.readline(), 30)
    writer.close()


async def test_one_that_breaks_off_leaves_nothing_and_the_next_gets_its_turn(server: Running) -> None:
    to = urlsplit(server.url)
    _, writer = await asyncio.open_connection(to.hostname, to.port)
    writer.write(f"POST {UPLOAD} HTTP/1.1\r\nHost: {to.netloc}\r\nContent-Length: 5000000\r\n\r\n".encode())
    writer.write(bytes(2_000_000))
    await writer.drain()
    uploads = folder_of(server) / "uploads"
    await until(lambda: any(uploads.iterdir()))
    busy = await server.http.post(UPLOAD, content=b"x")
    assert (busy.status_code, busy.json()["error"]["code"]) == (429, "limit_reached")
    writer.close()
    await until(lambda: not any(uploads.iterdir()))
    assert (await server.http.post(UPLOAD, content=b"")).status_code == 400


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("yolo11n.onnx", "yolo11n.onnx"),
        ("../../etc/passwd", "passwd.onnx"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a b.v2.ONNX", "a-b-v2.onnx"),
        ("", "model.onnx"),
        (".onnx", "model.onnx"),
        ("\u202egnp.exe", "gnp.exe"),
        ("CON\0.onnx", "CON.onnx"),
        ("x" * 400 + ".onnx", "x" * 60 + ".onnx"),
        ("模型.onnx", "model.onnx"),
    ],
)
async def test_odd_names_become_plain_ones(given: str, plain: str) -> None:
    assert plain_name(given) == plain


async def test_what_nobody_keeps_in_time_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sound(path: Path, size: int, family: str | None) -> ModelCard:
        return ModelCard(path.stem, "made", "detect", (), None, "-", "-")

    monkeypatch.setattr(uploads, "checked", sound)
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path / "data"))
    kept = Uploads(KeptModels(load_settings()))
    folder = tmp_path / "data" / "models" / "uploads"
    for name in ("left", "fresh"):
        (folder / name).mkdir(parents=True)
    os.utime(folder / "left", (0, 0))

    async def chunks() -> AsyncIterator[bytes]:
        yield b"a model"

    first = await kept.receive("one.onnx", 0, chunks(), None)
    assert {one.name for one in folder.iterdir()} == {"fresh", first.id}, "what an earlier server left is gone"
    os.utime(first.path.parent, (0, 0))
    second = await kept.receive("two.onnx", 0, chunks(), None)
    assert kept.of(first.id).path.exists(), "it goes by when it came, not by what a clock says"
    monkeypatch.setattr(uploads, "WAITS_S", 0)
    third = await kept.receive("three.onnx", 0, chunks(), None)
    for old in (first, second):
        with pytest.raises(NotFound, match="within the hour"):
            kept.of(old.id)
        assert not old.path.exists()
    assert kept.of(third.id).path.exists()


async def test_a_download_is_cancelled_goes_on_and_its_files_are_removed(tmp_path: Path) -> None:
    with made_hub() as hub:
        of_the_hub(hub)  # whose files are made ones
        hub.hold = threading.Event()
        env = {"SIGHTLINE_WEIGHTS_URL": hub.url, "SIGHTLINE_CACHE": str(tmp_path)}
        async with serving("--model", "motion", env=env) as own:
            address = "/api/models/accurate/weights"
            assert (await own.http.delete(address)).status_code == 404
            assert (await own.http.post(address)).status_code == 202

            async def accurate(holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
                def told(answer: dict[str, Any]) -> dict[str, Any]:
                    return next(model for model in answer["models"] if model["name"] == "accurate")

                return told(await own.until(lambda answer: holds(told(answer)), path="/api/models"))

            await accurate(lambda m: bool(m["getting"] and m["getting"]["done"]))
            assert (await own.http.delete(address)).status_code == 204
            await accurate(lambda m: m["getting"] is None)
            hub.hold.set()
            hub.hold = None
            assert (await own.http.post(address)).status_code == 202
            got = await accurate(lambda m: bool(m["removable"]))
            assert got["licence_url"].startswith("https://")
            assert any(asked.startswith("bytes=") for _, asked in hub.asked), "it went on where it was"
            assert (await own.http.delete("/api/models/accurate")).status_code == 204
            gone = await accurate(lambda m: not m["removable"])
            assert "its weights are not here" in gone["reason"]


async def test_where_a_model_is_used_is_told_to_those_who_may_see_it(tmp_path: Path) -> None:
    token, _ = Store(tmp_path).create("view", "door", lifetime=None)
    app = create_app(load_settings(model="motion", data=tmp_path, tokens=True))
    async with app.router.lifespan_context(app):
        for name in ("door", "shed"):
            state_of(app).hub.open_stream(name)
        transport = httpx2.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as http:
            models = (await http.get("/api/models")).json()["models"]
    assert next(model["streams"] for model in models if model["name"] == "motion") == ["door"]
