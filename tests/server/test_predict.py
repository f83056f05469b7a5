"""``POST /api/predict`` of a real server (fault 65)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator

import cv2
import numpy as np
import pytest
import pytest_asyncio

from sightline.server.api.predict import MOST_PICTURES, wants_jpeg
from support.serving import Running, balanced, peer, picture, pixels, publish, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREDICT = "/api/predict"
JPEG = picture(1)
AS_JPEG = {"accept": "image/jpeg"}
ODD_FORM = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncGenerator[Running]:
    async with serving("--model", "person", env={"SIGHTLINE_MAX_PIXELS": str(320 * 320)}) as running:
        yield running


def encoded(ending: str, width: int = 320, height: int = 180) -> bytes:
    return bytes(cv2.imencode(ending, np.full((height, width, 3), 90, np.uint8))[1])


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
async def test_one_picture_gives_one_result(server: Running, ending: str) -> None:
    answer = await server.http.post(PREDICT, content=encoded(ending))
    assert answer.status_code == 200
    found = answer.json()
    assert (found["width"], found["height"], found["model"], found["name"]) == (320, 180, "person", None)
    assert [segment["class_name"] for segment in found["segments"]] == ["background"]
    assert found["mask"]["kind"] == "classes"
    assert pixels(base64.b64decode(found["mask"]["png"]), grey=True).max() == 0


async def test_a_form_has_a_picture_and_parameters(server: Running) -> None:
    answer = await server.http.post(
        PREDICT, files={"image": ("a.jpg", JPEG)}, data={"classes": ["person", "0"], "model": "person"}
    )
    assert answer.status_code == 200
    assert answer.json()["name"] == "a.jpg"


def part(disposition: str, body: bytes, *headers: str) -> bytes:
    """A part of a form whose boundary is b."""
    head = "\r\n".join((f"Content-Disposition: form-data; {disposition}", *headers))
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n"


@pytest.mark.parametrize(
    ("disposition", "headers", "name"),
    [
        ("name=\"image\"; filename*=utf-8''B%C3%BCro%22.jpg", (), 'Büro".jpg'),
        ('name="image"; filename="Büro.jpg"', (), "Büro.jpg"),
        ('name="image"; filename="a.jpg"; filename*=utf-8\'\'B%C3%BCro.jpg', (), "a.jpg"),
        ('name="image"', ("Content-Type: image/jpeg",), ""),
        ("name=image", ("Content-Type: application/octet-stream",), ""),
    ],
)
async def test_a_forms_picture_may_be_named_in_any_way(
    server: Running, disposition: str, headers: tuple[str, ...], name: str
) -> None:
    """Also by libraries that give names outside ASCII as ``filename*`` alone, or none. One file may not be chosen."""
    unchosen = part('name="other"; filename=""', b"", "Content-Type: application/octet-stream")
    conf = part('name="conf"', b"0.5", "Content-Type: text/plain; charset=utf-8")
    form = unchosen + part(disposition, encoded(".png", 200, 200), *headers) + conf + b"--b--\r\n"
    answer = await server.http.post(PREDICT, content=form, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["width"]) == (name, 200)


async def test_of_several_pictures_a_bad_one_harms_no_other(server: Running) -> None:
    files = [("image", (name, data)) for name, data in (("a", JPEG), ("b", b"nonsense"), ("c", encoded(".png")))]
    found = (await server.http.post(PREDICT, files=files)).json()["results"]
    assert [one["name"] for one in found] == ["a", "b", "c"]
    assert found[1]["error"]["code"] == "bad_image"
    assert "nonsense" in found[1]["error"]["message"]
    assert [one["width"] for one in (found[0], found[2])] == [320, 320]


async def test_a_drawn_picture_comes_back(server: Running) -> None:
    for headers, query in ((AS_JPEG, "?mode=contours"), ({}, "?format=jpeg&mode=contours")):
        answer = await server.http.post(PREDICT + query, content=encoded(".png"), headers=headers)
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["sightline-mode"] == "contours"
        assert pixels(answer.content).shape == (180, 320, 3)


REFUSED = [
    ("", b"", {}, 400, "expected a picture"),
    ("", b'{"image": 1}', {"content-type": "application/json"}, 400, "JPEG, PNG or WebP"),
    ("", JPEG[:30], {}, 400, "cut off"),
    ("", encoded(".bmp"), {}, 400, "JPEG, PNG or WebP"),
    ("", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", {}, 400, "HEIC pictures are not read: convert"),
    ("", encoded(".jpg", 400, 400), {}, 413, "102400"),
    ("", encoded(".png", 400, 400), {}, 413, "102400"),
    ("", encoded(".webp", 400, 400), {}, 413, "102400"),
    ("", bytes(5 << 20), {}, 413, "4194304"),
    ("", b"x", {"content-type": "multipart/form-data"}, 400, "boundary"),
    ("", ODD_FORM, {"content-type": "multipart/form-data; charset=undefined; boundary=b"}, 400, "expected UTF-8"),
    ("?model=unknown", JPEG, {}, 422, "unknown"),
    ("?model=motion", JPEG, {}, 422, "by itself"),
    ("?conf=1.5", JPEG, {}, 422, "1.5"),
    ("?conf=nan", JPEG, {}, 422, "nan"),
    ("?confidence=0.5", JPEG, {}, 422, "confidence"),
    ("?classes=zebra", JPEG, {}, 422, "zebra"),
    ("?mode=pretty", JPEG, {}, 400, "pretty"),
    ("?opacity=101", JPEG, {}, 400, "101"),
    ("?format=gif", JPEG, {}, 422, "gif"),
]


@pytest.mark.parametrize(("query", "data", "headers", "status", "why"), REFUSED)
async def test_what_is_wrong_is_told(
    server: Running, query: str, data: bytes, headers: dict[str, str], status: int, why: str
) -> None:
    answer = await server.http.post(PREDICT + query, content=data, headers=headers)
    assert (answer.status_code, why in answer.json()["error"]["message"]) == (status, True), answer.text


async def test_forms_have_limits(server: Running) -> None:
    for files, data, status in (
        ([("image", ("a", JPEG))] * (MOST_PICTURES + 1), {}, 400),
        ([], {"image": "no file"}, 400),
        ([("image", ("a", JPEG))], {"conf": "high"}, 422),
        ([("image", ("a", JPEG))] * 2, {"format": "jpeg"}, 400),
    ):
        boundary = {} if files else {"content-type": "multipart/form-data; boundary=b"}
        content = None if files else b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\nno file\r\n--b--\r\n'
        answer = await server.http.post(
            PREDICT, files=files or None, data=data if files else None, content=content, headers=boundary
        )
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["message"]


async def test_every_picture_is_counted_and_streams_go_on(server: Running) -> None:
    before = (await server.get("/stats"))["posted"]
    async with peer(f"{server.ws}/ws/camera/live") as camera:
        await camera.next("hello")
        posts = [server.http.post(PREDICT, content=picture(n)) for n in range(8)]
        answers = asyncio.gather(*posts, server.http.post(PREDICT, content=b"bad"))
        answered = await publish(camera, 20)
        assert answered.total() == 20
        assert answered["result"]
        assert sorted(answer.status_code for answer in await answers) == [200] * 8 + [400]
    assert balanced(await server.stream("live"))
    after = (await server.get("/stats"))["posted"]
    assert after["received"] - before["received"] == 9
    assert after["delivered"] - before["delivered"] == 8
    assert after["received"] == after["delivered"] + after["failed"] + sum(after["dropped"].values())
    metrics = (await server.http.get("/metrics")).text
    assert f"sightline_posted_received_total {after['received']:.1f}" in metrics
    assert f"sightline_posted_delivered_total {after['delivered']:.1f}" in metrics
    models = (await server.get("/stats"))["models"]
    assert all(set(model["streams"]) <= {"live"} for model in models), "posted pictures are no stream"


@pytest.mark.parametrize(
    ("accept", "jpeg"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("image/jpeg", True),
        ("image/*", True),
        ("IMAGE/JPEG;q=0.5, application/json;q=0.4", True),
        ("image/jpeg;q=0.5, application/json", False),
        ("image/avif,image/webp,image/*,*/*;q=0.8", True),
        ("image/jpeg;q=nonsense, text/html", True),
        ("image/jpeg;q=1.2.3, text/html", False),
    ],
)
async def test_the_preferred_kind_is_given(accept: str, jpeg: bool) -> None:
    assert wants_jpeg(None, accept) is jpeg
    assert wants_jpeg("jpeg", accept)
    assert not wants_jpeg("json", accept)
