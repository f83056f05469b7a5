"""A WebRTC peer that leaves while its connection is being made."""

from __future__ import annotations

import asyncio
import gc

import pytest
from aiortc import RTCIceParameters, RTCPeerConnection

from support.inside import inside


async def leave() -> None:
    """Begin a connection that is closed, as aiortc's own tasks now and then do."""
    connection = RTCPeerConnection()
    connection.createDataChannel("sightline")
    assert connection.sctp is not None
    ice = connection.sctp.transport.transport
    await connection.close()
    late = asyncio.ensure_future(ice.start(RTCIceParameters()))
    await asyncio.wait([late])
    del late
    gc.collect()


async def test_it_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The fuzzer of offers found a traceback, once in 2,000 sessions."""
    with caplog.at_level("INFO"):
        async with inside() as server:
            await server.on_loop(leave())
    said = [record for record in caplog.records if "RTCIceTransport is closed" in record.getMessage()]
    assert len(said) == 1
    assert not [record for record in caplog.records if record.exc_info]
