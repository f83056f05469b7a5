"""Packets that are kept while nobody watches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from sightline.sources import _packets
from sightline.sources._packets import Decoding
from support.clips import number_of, numbered


def packets(folder: Path, count: int, key_every: int) -> list[Any]:
    path = folder / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = key_every
        for i in range(count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), format="bgr24")))
        out.mux(stream.encode(None))
    with av.open(str(path)) as read:
        read.streams.video[0].thread_type = "SLICE"
        return [packet for packet in read.demux(video=0) if packet.size]


def test_a_camera_that_hardly_ever_sends_a_key_frame_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_packets, "MOST_PACKETS", 10)
    decoding = Decoding()
    seen: list[int] = []
    for i, packet in enumerate(packets(tmp_path, 50, key_every=40)):
        frames = decoding.decode(packet, idle=i < 30)
        assert len(decoding._kept) <= 10
        seen += [number_of(frame.to_ndarray(format="bgr24").astype("uint8")) for frame in frames]
    assert seen == [0, *range(40, 50)], "what was thrown away is not guessed at: it goes on with the next key frame"
