"""Makes recordings in the format of docs/recording.md, with numbers in the pixels that results name too."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from sightline.core.types import Image
from support.clips import numbered

CLOCK = Fraction(1, 60_000)
SIZE = 320, 180
PLACES = 30
"""Different places of the box."""


def place_of(number: int) -> tuple[int, int, int, int]:
    """Where the box of a numbered frame is: it tells the number, up to 30 of them."""
    left = 10 + number % PLACES * 10
    return left, 120, left + 8, 170


def result_of(number: int, at: float, stream: str, *, class_name: str = "person", class_id: int = 0) -> dict[str, Any]:
    """What the wire says of a numbered frame: one box, whose place is the number's."""
    box = {"class_id": class_id, "class_name": class_name, "confidence": 0.9, "xyxy": place_of(number)}
    return {
        **{"type": "result", "stream": stream, "frameNumber": number, "timestamp": at * 1000},
        **{"width": SIZE[0], "height": SIZE[1], "model": "made", "detections": [box | {"tracker_id": 7}]},
        **{"processing_time_ms": 1.0, "stages": {"infer": 1.0}},
    }


def picture_of(number: int) -> Image:
    """A picture whose upper half spells its number, above where boxes are."""
    image = np.full((SIZE[1], SIZE[0], 3), 30, np.uint8)
    image[:100] = numbered(number % 256, SIZE[0], 100)
    return image


def file_of(root: Path, stream: str, began: float) -> Path:
    """Where the recording that began then is."""
    named = datetime.fromtimestamp(began, UTC)
    folder = root / stream / named.strftime("%Y-%m-%d")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{named:%H-%M-%S}.{named.microsecond // 1000:03}.mp4"


def record(
    root: Path,
    stream: str,
    began: float,
    numbers: Iterable[int],
    *,
    fps: float = 10,
    codec: str = "libx264",
    killed: bool = False,
    dropped: frozenset[int] = frozenset(),
    size: tuple[int, int] = SIZE,
    key_every: int = 20,
) -> Path:
    """Write one file with its lines, as a recorder does. ``killed``: as it is where the recorder was killed."""
    path = file_of(root, stream, began)
    options = {"preset": "ultrafast", "crf": "20", "bf": "0"} if codec == "libx264" else {}
    flags = "frag_keyframe+empty_moov" if killed else "faststart"
    header = {"sightline": 1, "stream": stream, "started_at": began, "session": "made", "time_base": [1, 60_000]}
    lines = [header | {"codec": codec, "width": size[0], "height": size[1]}]
    with av.open(str(path), "w", format="mp4", options={"movflags": flags}) as container:
        video = container.add_stream(codec, rate=30, options=options)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base, video.codec_context.gop_size = CLOCK, key_every
        for i, number in enumerate(numbers):
            image = picture_of(number)
            image = image if size == SIZE else np.asarray(cv2.resize(image, size), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round(i / fps / CLOCK), CLOCK
            container.mux(video.encode(frame))
            at = began + i / fps
            line: dict[str, Any] = {"pts": frame.pts, "at": at, "seq": number}
            lines.append(
                line | ({"dropped": "rate"} if number in dropped else {"result": result_of(number, at, stream)})
            )
        container.mux(video.encode(None))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.with_suffix(".jsonl").write_text(text + ('{"pts": 99, "at"' if killed else ""))
    if killed:
        path.write_bytes(path.read_bytes()[:-2000])
    return path


def mask_line(path: Path, number: int, png: bytes) -> None:
    """Give the line of a number a mask."""
    file = path.with_suffix(".jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines[1:]:
        if line["seq"] == number:
            line["mask"] = base64.b64encode(png).decode()
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
