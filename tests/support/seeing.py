"""A camera whose own page finds a person."""

from __future__ import annotations

import json

from support.serving import Peer, picture


async def see(camera: Peer, seq: int, x: float) -> None:
    """Send a picture in which the camera's own page has found a person there."""
    row = {"class_id": 0, "confidence": 0.9, "xyxy": [320 * x - 8, 100, 320 * x + 8, 160]}
    results = {"model": "nano", "backend": "wasm", "threads": 1, "processing_time_ms": 3, "detections": [row]}
    meta = {"type": "frame_metadata", "timestamp": 1e6 + seq * 100, "frameNumber": seq}
    await camera.ws.send(json.dumps(meta | {"width": 320, "height": 180, "results": results}))
    await camera.ws.send(picture(seq))
    await camera.next("result")
