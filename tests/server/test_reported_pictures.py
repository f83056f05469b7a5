"""Pictures as people report them, through a real server with the default model: the same persons are found in all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightline.client import AsyncClient, Result
from sightline.core.boxes import overlap
from sightline.media import codecs
from support.serving import serving

PERSONS = [(22, 207, 107, 443), (105, 201, 172, 436)]


@pytest.mark.timeout(120)
async def test_persons_are_found_however_the_picture_is_stored(cases: Path) -> None:
    """Faults 3 and 9."""
    names = ("base.jpg", "exif6.jpg", "exif2.jpg", "noeoi.jpg")
    async with serving("--model", "nano", "--tcp-port", "0") as server:
        for number, url in enumerate((server.ws, server.tcp)):
            async with AsyncClient(url) as client:
                pictures = [(cases / name).read_bytes() for name in names]
                answers = [a async for a in client.publish(f"door{number}", pictures, pending=1)]
            assert len(answers) == len(names)
            for name, answer in zip(names, answers, strict=True):
                assert isinstance(answer, Result), name
                assert (answer.width, answer.height) == (405, 540), name
                assert answer.damaged == (name == "noeoi.jpg")
                boxes = np.array([row.xyxy for row in answer.detections if row.class_name == "person"]).reshape(-1, 4)
                for person in PERSONS:
                    assert overlap(boxes, np.array(person)).max(initial=0) > 0.6, (name, boxes)
    upright = [codecs.decode(codecs.check_jpeg(data, max_pixels=1 << 20)).astype(int) for data in pictures]
    assert all(np.abs(image - upright[0]).mean() < 12 for image in upright[1:])
