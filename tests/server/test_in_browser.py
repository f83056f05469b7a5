"""What a page is told that runs its stream's model itself."""

from __future__ import annotations

import json

import pytest

from sightline.server.api.client_inference import RUNTIME
from support.inside import inside
from support.serving import peer

pytestmark = pytest.mark.skipif(
    not RUNTIME.is_file(), reason="no ONNX Runtime Web: python packaging/npm/vendor.py gets it"
)


async def test_a_page_has_the_model_as_it_is_however_the_server_saves() -> None:
    """It loaded the model anew whenever the server changed the size of its own input, and had the smaller one, too."""
    async with inside(model="nano", engine="onnx") as server, peer(f"{server.ws}/ws/camera/door") as camera:
        await camera.send_frame(0)
        await camera.next("result")
        stream, switch = server.hub.streams["door"], server.hub.model_switch
        before = json.loads(server.get("/api/streams/door/in-browser"))
        assert (before["model"]["width"], before["model"]["height"]) == (416, 416)
        for adapted in ({"imgsz": 320}, {"imgsz": 256, "confidence": 0.4}, {"confidence": 0.5}, {}):
            await server.on_loop(switch.adapt(stream, adapted))
            assert switch.in_force(stream).imgsz == adapted.get("imgsz", 416)
            assert json.loads(server.get("/api/streams/door/in-browser")) == before
        await server.on_loop(switch.change(stream, {"imgsz": 320, "confidence": 0.3}))
        chosen = json.loads(server.get("/api/streams/door/in-browser"))["model"]
        assert (chosen["width"], chosen["confidence"]) == (320, 0.3)
