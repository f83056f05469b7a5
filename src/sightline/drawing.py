"""Pictures with everything drawn in, for those who can't draw: each made once, whoever asks, off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sightline import codecs
from sightline.registry import load
from sightline.renderers.base import default_for
from sightline.types import Result


class Drawing:
    """A small pool of threads that draws results."""

    def __init__(self, quality: int) -> None:
        self._quality = quality
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="drawing")

    async def jpeg(self, result: Result) -> bytes:
        """The frame with its boxes or mask burned in, as a JPEG of the frame's size."""
        drawn: asyncio.Future[bytes] | None = result.forms.get("drawn")
        if drawn is None:
            loop = asyncio.get_running_loop()
            drawn = result.forms["drawn"] = loop.run_in_executor(self._pool, self._draw, result)
        return await asyncio.shield(drawn)  # one viewer's leaving must not cancel the others' picture

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _draw(self, result: Result) -> bytes:
        render = load("renderers", default_for(result.prediction)).render
        image = render(codecs.decode(result.frame.image), result.prediction, result.card.labels)
        return codecs.encode_jpeg(image, self._quality)
