"""Connections that do nothing, TLS handshakes that never end, and descriptors that run out."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil
import pytest
import pytest_asyncio

from sightline.security.connections import STRANGERS_EACH
from sightline.security.tokens import Store
from support.serving import Running, camera, peer, picture, serving, trusting
from support.tcp_peer import tcp_peer
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")

SILENT = 600
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lan(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, str, ssl.SSLContext]]:
    data = tmp_path_factory.mktemp("data")
    env = {"SIGHTLINE_REQUEST_TIMEOUT": "3"}
    async with serving("--lan", "--host", "127.0.0.1", "--tcp-port", "0", data=data, env=env) as server:
        token, _ = Store(data).create("admin", "*", lifetime=3600)
        yield server, token, trusting(data)


def address(url: str) -> tuple[str, int]:
    host, port = url.rpartition("//")[2].rsplit(":", 1)
    return host, int(port)


def descriptors(server: Running) -> int:
    return int(psutil.Process(server.process.pid).num_fds())


async def until_few(server: Running, before: int) -> None:
    async with asyncio.timeout(30):
        while descriptors(server) > before:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("begins", [b"", CLIENT_HELLO], ids=["nothing", "half of a handshake"])
@pytest.mark.parametrize("port", ["http", "tcp"])
async def test_silent_sockets_keep_nobody_out_and_are_closed(
    lan: tuple[Running, str, ssl.SSLContext], begins: bytes, port: str
) -> None:
    server, token, tls = lan
    before = descriptors(server)
    silent: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for _ in range(SILENT):
            one = stack.enter_context(socket.create_connection(address(server.url if port == "http" else server.tcp)))
            silent.append(one)
            if begins:
                with contextlib.suppress(OSError):
                    one.sendall(begins)
        headers = {"authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=server.url, verify=tls, headers=headers) as fresh:
            assert (await fresh.get("/stats")).status_code == 200
        async with tcp_peer(server.tcp, token=token, tls=tls) as good:
            assert (await good.publish(f"good-{port}-{len(begins)}", 1))[0]["type"] == "result"
        assert descriptors(server) - before <= STRANGERS_EACH + 16
        await until_few(server, before + 2)


async def test_who_signed_in_is_not_closed_by_a_flood(lan: tuple[Running, str, ssl.SSLContext]) -> None:
    server, token, tls = lan
    headers = {"authorization": f"Bearer {token}"}
    async with peer(f"{server.ws}/ws/camera/stays", ssl=tls, additional_headers=headers) as good:
        await good.send_frame(0, picture(0))
        await good.next("result")
        with contextlib.ExitStack() as stack:
            for _ in range(SILENT):
                stack.enter_context(socket.create_connection(address(server.url)))
            await good.send_frame(1, picture(1))
            await good.next("result")


async def test_what_is_no_tls_leaves_a_line_and_no_traceback(lan: tuple[Running, str, ssl.SSLContext]) -> None:
    server, token, tls = lan
    for url in (server.url, server.tcp):
        for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(3000), b"\x15\x03\x03\x00\x02\x02\x28"):
            reader, writer = await asyncio.open_connection(*address(url))
            writer.write(sent)
            with contextlib.suppress(OSError):
                await within(reader.read(), 20)
            writer.close()
    async with tcp_peer(server.tcp, token=token, tls=tls):
        assert "Traceback" not in "".join(server.log)


@pytest.mark.skipif(sys.platform != "linux", reason="another process's limits can be set on Linux only")
async def test_descriptors_that_run_out_are_waited_for_and_all_is_well_again(tmp_path: Path) -> None:
    async with serving("--tcp-port", "0") as server, camera(server, "before"), tcp_peer(server.tcp) as connected:
        await server.until(lambda s: "before" in s["streams"])
        await connected.publish("during", 1)  # who has said nothing gives way
        process = psutil.Process(server.process.pid)
        limits = process.rlimit(resource.RLIMIT_NOFILE)
        process.rlimit(resource.RLIMIT_NOFILE, (descriptors(server), limits[1]))
        waiting = [asyncio.create_task(asyncio.open_connection(*address(url))) for url in (server.url, server.tcp)]
        await server.said("connections can't be accepted and wait: the server lacks file descriptors")
        assert (await connected.publish("during", 1, start=1))[0]["type"] == "result", "who is in goes on"
        answer = await server.http.get("/static/css/style.css")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shortage")
        process.rlimit(resource.RLIMIT_NOFILE, limits)
        for reader, writer in await asyncio.gather(*waiting):
            writer.close()
            await within(reader.read(), 30)
        assert (await server.http.get("/static/css/style.css")).status_code == 200
        async with tcp_peer(server.tcp) as fresh:
            assert (await fresh.publish("after", 1))[0]["type"] == "result"
        await server.said("connections are accepted again")
        text = "".join(server.log)
        assert text.count("can't be accepted") <= 2, "told once by each listener"
        assert "Traceback" not in text
