"""JSON lines and drawings of results from the network, shared by `sightline push` and `sightline watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict

if TYPE_CHECKING:
    from sightline.client import Result
    from sightline.core.types import Image
    from sightline.wire.lines import Line

URL = "ws://127.0.0.1:8000"


def line_of(result: Result, timestamp: float, source: str) -> Line:
    """A line as `sightline run` writes it. ``timestamp`` in seconds."""
    from sightline.wire.lines import line

    segmented = result.mask_kind == "classes" or bool(result.segments)
    return line(asdict(result), timestamp=timestamp, source=source, segmented=segmented)


def drawn(result: Result) -> Image:
    """The publisher's picture with the findings drawn in. Raises BadImage for a picture that can't be decoded."""
    import numpy as np

    from sightline.core.predictions import Detections, Prediction, Segmentation
    from sightline.media import codecs
    from sightline.renderers.base import draw

    data = result.picture or b""
    image = codecs.decode(codecs.check_jpeg(data, max_pixels=1 << 28))
    mask = None if result.mask is None else codecs.decode_mask(result.mask)
    rows = result.detections
    names = {row.class_id: row.class_name for row in rows} | {s.class_id: s.class_name for s in result.segments}
    labels = [names.get(i, "") for i in range(max(names, default=-1) + 1)]
    prediction: Prediction
    if result.mask_kind == "classes" and mask is not None:
        prediction = Segmentation(mask, alpha=codecs.decode_alpha(result.mask or b""))
    else:
        prediction = Detections(
            xyxy=np.array([row.xyxy for row in rows], np.float32).reshape(-1, 4),
            confidence=np.array([row.confidence for row in rows], np.float32),
            class_id=np.array([row.class_id for row in rows], np.int32),
            mask=mask,
        )
    return draw(image, prediction, labels)
