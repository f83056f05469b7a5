"""All WebRTC peers over one UDP port, as a container needs it (fault 66)."""

from __future__ import annotations

import re
import socket

from aioice.ice import get_host_addresses

from support.rtc import camera, viewer
from support.rtsp import free_port
from support.serving import balanced, serving


def ports(answer: str) -> set[tuple[str, str]]:
    """Address and port of each candidate."""
    return set(re.findall(r"^a=candidate:\S+ \d+ udp \d+ (\S+) (\d+)", answer, re.MULTILINE))


async def test_all_peers_share_the_port_and_find_their_own_way() -> None:
    port = free_port(socket.SOCK_DGRAM)
    hosts = {"SIGHTLINE_WEBRTC_HOSTS": '["203.0.113.9"]'}
    async with (
        serving("--no-static-skip", "--webrtc-port", str(port), env=hosts) as server,
        camera(server, "a") as a,
        camera(server, "b") as b,
        viewer(server, "a") as watcher,
    ):
        for one in (a, b, watcher):
            assert one.answer is not None
            offered = ports(one.answer.text)
            assert {number for _, number in offered} == {str(port)}
            assert {address for address, _ in offered} == {*get_host_addresses(True, True), "203.0.113.9"}
        await a.until(lambda: len(a.of("result")) > 10)
        await b.until(lambda: len(b.of("result")) > 10)
        await watcher.until(lambda: len(watcher.of("frame_metadata")) > 10)
        assert {m["stream"] for m in watcher.of("frame_metadata")} == {"a"}
        await b.connection.close()
        await server.until(lambda s: s["streams"]["b"]["state"] == "waiting")
        async with camera(server, "b") as again:
            await again.until(lambda: len(again.of("result")) > 10)
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:  # neither STUN nor of any peer
            for nonsense in (b"", b"\0", b"\1\1\0\0" + bytes(16), bytes(1400), b"\x80" * 40):
                stranger.sendto(nonsense, (get_host_addresses(True, False)[0], port))
        seen = len(a.of("result"))
        await a.until(lambda: len(a.of("result")) > seen + 5)
        await server.until(lambda s: all(balanced(stream) for stream in s["streams"].values()))


async def test_a_port_that_is_taken_costs_webrtc_alone() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        async with serving("--webrtc-port", str(port)) as server:
            told = await server.get("/api/webrtc")
            assert told["available"] is False
            assert f"UDP port {port} is taken" in told["reason"]
