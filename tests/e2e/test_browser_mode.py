"""In-browser mode, the phone's camera page and the export, in a real browser against a real server."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from playwright.async_api import Browser, Error, Page, expect

from sightline.core.predictions import Detections, Segmentation
from sightline.media import codecs
from sightline.server.api.client_inference import RUNTIME
from sightline.zoo.loader import load_model
from support.browsing import FAKE_CAMERA, SLOW_MS, browsing, camera_file, listen_for_errors
from support.serving import Json, Running, peer, serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not RUNTIME.is_file(), reason="no ONNX Runtime Web: python packaging/npm/vendor.py gets it"),
]
CLIP = "one-by-one-person-detection.mp4"
OFF = {"nano": 8}
"""Pixels by which a box may be off. Integers round what two decoders of JPEG make a little differently."""
FIND = """async ([answer, pictures]) => {
  const { Runtime } = await import("/static/infer/runtime.js");
  const model = answer.model;
  const file = new Uint8Array(await (await fetch(model.file)).arrayBuffer());
  const runtime = await Runtime.open(model, file, "wasm");
  const found = [];
  for (const text of pictures) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    canvas.drawImage(bitmap, 0, 0);
    const { rows, mask } = await runtime.find(canvas.getImageData(0, 0, bitmap.width, bitmap.height));
    found.push({ rows, mask: mask && { ...mask, values: [...mask.values] } });
  }
  return { found, device: runtime.device, isolated: crossOriginIsolated };
}"""
"""What the page's own modules see in pictures that it is given."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    played = camera_file(assets / "videos" / CLIP, tmp_path_factory.mktemp("camera"), start=120, count=60)
    async with browsing(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={played}") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "nano", "--engine", "onnx") as running:
        yield running


async def open_camera(browser: Browser, url: str, **context: Any) -> tuple[Page, list[str]]:
    page = await (await browser.new_context(**context)).new_page()
    errors = listen_for_errors(page)
    await page.goto(f"{url}/camera/hall")
    await page.locator("#start").click()
    await expect(page.locator("body")).to_have_attribute("data-state", "live")
    return page, errors


async def runs(page: Page, where: str) -> None:
    """Wait until pictures are inferred there."""
    await expect(page.locator("body")).to_have_attribute("data-place", where)
    await expect(page.locator("body")).to_have_attribute("data-state", "live")


def jpegs(clip: Path, start: int, every: int, count: int, size: tuple[int, int]) -> list[bytes]:
    found: list[bytes] = []
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= start and index % every == 0:
                image = cv2.resize(frame.to_ndarray(format="bgr24"), size, interpolation=cv2.INTER_AREA)
                found.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
            if len(found) == count:
                break
    return found


def semantic_graph(path: Path) -> Path:
    """Tells bright, dark and reddish parts of a picture apart: 1 x 3 x 64 x 64 logits."""
    import onnx
    from onnx import helper, numpy_helper

    weights = np.array([[1, 1, 1], [-1, -1, -1], [3, -1.5, -1.5]], np.float32)[:, :, None, None]
    bias = np.array([-0.5, 0.5, 0.2], np.float32)
    nodes = [
        helper.make_node("AveragePool", ["images"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["small", "weights", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "areas",
        [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 256, 256])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [1, 3, 64, 64])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"names": "['bright', 'dark', 'person']", "license": "MIT"})
    onnx.save(model, path)
    return path


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8, copy=False)


async def found_by_page(page: Page, url: str, model: Path | str, pictures: list[bytes]) -> list[Json]:
    """What the page finds with a server's model in pictures."""
    async with (
        serving("--model", str(model), "--engine", "onnx", "--browser-models", "all") as server,
        peer(f"{server.ws}/ws/camera/door") as camera,
    ):
        await camera.next("hello")
        await page.goto(server.url + url)
        answer = await server.get("/api/streams/door/in-browser")
        assert answer["model"], answer["reason"]
        said = await page.evaluate(FIND, [answer, [base64.b64encode(jpeg).decode() for jpeg in pictures]])
    assert said["isolated"], "the headers let the page have threads"
    assert said["device"]["backend"] == "wasm"
    return list(said["found"])


@pytest.mark.parametrize("name", ["nano", "yolox_nano.onnx", "yolov8n_640_int8.onnx"])
async def test_the_page_finds_what_the_server_finds_in_the_same_pictures(
    browser: Browser, assets: Path, name: str
) -> None:
    spec = assets / "models" / name if name.endswith(".onnx") else name
    pictures = jpegs(assets / "videos" / CLIP, 110, 12, 5, (640, 360))
    pictures += jpegs(assets / "videos" / "crowd.mp4", 10, 60, 4, (640, 360))
    page = await browser.new_page()
    found = await found_by_page(page, "/", spec, pictures)
    model = load_model(str(spec), engine="onnx")
    distances: list[list[float]] = []
    for jpeg, said in zip(pictures, found, strict=True):
        picture = codecs.check_jpeg(jpeg, max_pixels=1 << 24)
        image = codecs.decode(picture, at_least=model.wanted_side)  # as the server does
        expected = model.predict([image])[0]
        assert isinstance(expected, Detections)
        scale = picture.width / image.shape[1]
        sure = expected.confidence > 0.4  # around the threshold, a rounding decides
        distances.append([])
        for box, kind in zip(expected.xyxy[sure], expected.class_id[sure].tolist(), strict=True):
            near = [np.abs(row["xyxy"] - box * scale).max() for row in said["rows"] if row["class_id"] == kind]
            distances[-1].append(min(near, default=999))
        assert sum(row["confidence"] > 0.4 for row in said["rows"]) <= len(expected), "and nothing else"
    one, crowd = ([d for near in some for d in near] for some in (distances[:5], distances[5:]))
    assert len(one) >= 5
    assert np.median(one) <= 2
    assert max(one) <= OFF.get(name, 2)
    # in a crowd, of boxes that overlap nearly alike a rounding decides which is left
    assert np.mean(np.array(crowd) <= OFF.get(name, 2)) >= 0.75, crowd
    assert len(crowd) >= 12
    model.close()
    await page.close()


@pytest.mark.parametrize("name", ["areas.onnx", "person"])
async def test_a_segmenting_page_paints_what_the_server_paints(
    browser: Browser, assets: Path, tmp_path: Path, name: str
) -> None:
    spec = semantic_graph(tmp_path / name) if name.endswith(".onnx") else name
    (picture,) = jpegs(assets / "videos" / CLIP, 130, 1, 1, (640, 360))
    page = await browser.new_page()
    (said,) = await found_by_page(page, "/", spec, [picture])
    model = load_model(str(spec), engine="onnx")
    expected = model.predict([decoded(picture)])[0]
    assert isinstance(expected, Segmentation)
    ours = np.array(said["mask"]["values"], np.uint8).reshape(said["mask"]["height"], said["mask"]["width"])
    assert len(np.unique(ours)) >= 2
    ours = np.asarray(cv2.resize(ours, expected.class_map.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    assert (ours == expected.class_map).mean() > 0.985
    await page.close()


async def test_live_the_model_moves_into_the_page_and_back_and_outlives_its_worker(
    server: Running, browser: Browser
) -> None:
    page, errors = await open_camera(browser, server.url, accept_downloads=True)
    await runs(page, "server")
    async with peer(f"{server.ws}/ws?stream=hall") as listener:
        await page.locator("#place").select_option("browser")
        await runs(page, "browser")
        await page.wait_for_function("() => Number(document.body.dataset.detections) >= 1", timeout=SLOW_MS)
        await expect(page.locator("#place-why")).to_contain_text("This browser runs the model (wasm, ")
        told: Json = {}
        while not told.get("detections") or not told.get("browser"):
            told, _ = await listener.next("result")
        assert (told["model"], told["detections"][0]["class_name"]) == ("nano", "person")
        viewer = await browser.new_page()
        await viewer.goto(f"{server.url}/view/hall")
        await viewer.wait_for_function("() => Number(document.body.dataset.detections) >= 1", timeout=SLOW_MS)
        await expect(viewer.locator("[data-figure=model]")).to_have_text("nano, in the camera's browser")
        await viewer.close()

        # the worker dies twice: started again, then the server takes over, and it is said
        for _ in range(2):
            worker = next(w for w in page.workers if "infer/worker" in w.url)
            with suppress(Error):  # it may be gone before it has answered
                await worker.evaluate("() => self.close()")
            await expect(page.locator("#place-why")).to_contain_text("doesn't answer")
            await runs(page, "server")
            if _ == 0:
                await runs(page, "browser")
        await expect(page.locator("#place-why")).to_contain_text(
            "The server runs the model: in this browser it failed twice"
        )
        await page.locator("#place").select_option("auto")
        await expect(page.locator("#place-why")).to_contain_text("ms a picture in this browser")

    # the run in files
    files: dict[str, str] = {}
    for kind in ("json", "csv"):
        async with page.expect_download() as waiting:
            await page.locator(f"#run-{kind}").click()
        download = await waiting.value
        files[download.suggested_filename.rpartition(".")[2]] = (await download.path()).read_text()
    report = json.loads(files["json"])
    assert report["median_latency_ms"] > 0
    assert report["p95_latency_ms"] >= report["median_latency_ms"]
    assert report["processed_fps"] > 0
    assert {s["mode"] for s in report["settings_used"]} == {"server", "browser"}
    assert {s["device"] for s in report["settings_used"] if s["mode"] == "server"} == {"onnx, cpu"}
    assert (report["model"], report["transport"]) == ("nano", "websocket")
    assert {"infer", "preprocess"} <= set(report["stages_ms"])
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    assert len(rows) >= len(report["seconds"])
    assert sum(int(row["fps"]) for row in rows) >= report["frames"], "it went on meanwhile"
    await page.locator("#run summary").click()
    await expect(page.locator("#run-plots canvas")).to_have_count(2)

    await page.locator("#stop").click()
    stream = (await server.until(lambda s: s["streams"]["hall"]["in_flight"] == 0))["streams"]["hall"]
    settled = stream["delivered"] + sum(stream["dropped"].values()) + stream["failed"]
    assert (stream["received"], stream["failed"]) == (settled, 0)
    assert errors == []
    await page.context.close()


async def test_a_model_that_stays_on_the_server_is_explained(browser: Browser) -> None:
    async with serving("--model", "motion") as server:
        page, errors = await open_camera(browser, server.url)
        await page.locator("#place").select_option("browser")
        await expect(page.locator("#place-why")).to_contain_text("that pages can't run; the server does")
        await runs(page, "server")
        assert errors == []
        await page.context.close()


async def test_a_build_without_npm_says_so(browser: Browser, tmp_path: Path) -> None:
    shutil.copytree(RUNTIME.parents[2], tmp_path / "sightline", ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    async with serving("--model", "motion", env={"PYTHONPATH": str(tmp_path)}) as server:
        page, errors = await open_camera(browser, server.url)
        await expect(page.locator("#place-why")).to_contain_text("In-browser mode is not in this build")
        assert await page.locator("#place option[value=browser]").is_disabled()
        await page.locator("#run summary").click()
        await expect(page.locator("#run-note")).to_contain_text("This build has no plots")
        assert errors == []
        await page.context.close()


async def test_a_phone_has_all_of_the_page_and_switches_cameras(server: Running) -> None:
    two = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=2")
    async with browsing(*two) as browser:
        page, errors = await open_camera(
            browser, server.url, viewport={"width": 320, "height": 568}, is_mobile=True, has_touch=True
        )
        assert await page.evaluate("document.documentElement.scrollWidth") == 320, "nothing sticks out"
        for name in ("start", "stop", "flip", "sheet-handle", "theme"):
            box = await page.locator(f"#{name}").bounding_box()
            assert box is None or (box["width"] >= 44 and box["height"] >= 44 and box["x"] + box["width"] <= 320), name
        await expect(page.locator("[data-figure=latency]")).to_contain_text("ms")

        before = await page.evaluate("document.querySelector('#video').srcObject.getVideoTracks()[0].label")
        await page.locator("#flip").click()
        await page.wait_for_function(
            "label => document.querySelector('#video').srcObject?.getVideoTracks()[0].label !== label",
            arg=before,
            timeout=SLOW_MS,
        )
        await runs(page, "server")
        assert await page.locator("#torch-row").is_hidden(), "a light that is not there is not offered"

        await page.locator("#sheet-handle").click()
        for name in ("device", "place", "run-json", "run-csv", "copy"):
            box = await page.locator(f"#{name}").bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 320, name
        await page.locator("#sheet-handle").click()

        # the network goes and comes
        await page.context.set_offline(True)
        await expect(page.locator("body")).to_have_attribute("data-state", "reconnecting")
        await page.context.set_offline(False)
        await runs(page, "server")

        manifest = await page.evaluate(
            "async () => (await fetch(document.querySelector('link[rel=manifest]').href)).json()"
        )
        for icon in manifest["icons"]:
            assert (await server.http.get(f"/static/icons/{icon['src']}")).status_code == 200
        assert (manifest["display"], manifest["start_url"]) == ("standalone", "/")
        assert errors == []
        await page.context.close()
        await asyncio.sleep(0)
