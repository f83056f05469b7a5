"""JPEGs of frames that came as pixels: made when somebody wants one, in a thread, once for all who do."""

from __future__ import annotations

import asyncio

from sightline import codecs
from sightline.types import Encoded, Image, Result


async def jpeg_of(result: Result) -> bytes:
    """The frame of a result as a JPEG: the publisher's own, where it sent one."""
    image = result.frame.image
    if isinstance(image, Encoded):
        return image.data
    made: asyncio.Task[bytes] | None = result.forms.get("jpeg")
    if made is None:
        made = result.forms["jpeg"] = asyncio.create_task(encoded(image))
    return await asyncio.shield(made)  # one viewer's leaving must not cancel the others' picture


async def encoded(image: Encoded | Image) -> bytes:
    """A picture as a JPEG."""
    return image.data if isinstance(image, Encoded) else await asyncio.to_thread(codecs.encode_jpeg, image)
