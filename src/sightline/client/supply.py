"""What a caller publishes, as JPEGs that come one at a time and only when asked for."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from sightline.errors import BadImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
    Pictures: TypeAlias = AsyncIterable[Picture] | Iterable[Picture]

Jpeg: TypeAlias = bytes | bytearray | memoryview


async def supply(pictures: Pictures, quality: int) -> AsyncGenerator[Jpeg]:
    """JPEGs of the caller's pictures. The next one is asked for when the last one has been used.

    An ordinary iterable may block (a camera, a file), so it is read in a thread of its own, which ends with it.
    Raises BadImage for bytes that are no JPEG.
    """
    if isinstance(pictures, AsyncIterable):
        async for picture in pictures:
            yield picture if _is_bytes(picture) else await asyncio.to_thread(encode, picture, quality)
    elif isinstance(pictures, (list, tuple)) and all(map(_is_bytes, pictures)):
        for picture in pictures:
            yield picture
    else:
        async with contextlib.aclosing(_from_thread(pictures, quality)) as jpegs:
            async for jpeg in jpegs:
                yield jpeg


def encode(picture: Picture, quality: int) -> Jpeg:
    """A JPEG of a picture. Raises BadImage, or TypeError for what is none."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return picture
    shape: tuple[int, ...] | None = getattr(picture, "shape", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or picture.dtype != "uint8":
        got = type(picture).__name__ if shape is None else f"{picture.dtype} array of shape {shape}"
        raise TypeError(f"a picture that is a {got}: expected JPEG bytes or an HxWx3 uint8 array (BGR)")
    from sightline import codecs  # OpenCV, only for those who need it

    return codecs.encode_jpeg(picture, quality)


def check(jpeg: Jpeg) -> None:
    """Raise BadImage for bytes that don't begin as a JPEG."""
    if bytes(jpeg[:2]) != b"\xff\xd8":
        begins = bytes(jpeg[:4]).hex(" ") or "nothing"
        raise BadImage(f"a picture of {len(jpeg)} bytes that begins with {begins}: expected a JPEG (ff d8) or an array")


def _is_bytes(picture: object) -> TypeGuard[Jpeg]:
    return isinstance(picture, (bytes, bytearray, memoryview))


_Asked: TypeAlias = "queue.SimpleQueue[asyncio.Future[Jpeg | None] | None]"


async def _from_thread(pictures: Iterable[Picture], quality: int) -> AsyncGenerator[Jpeg]:
    loop = asyncio.get_running_loop()
    asked: _Asked = queue.SimpleQueue()
    thread = threading.Thread(target=_read, args=(pictures, quality, asked, loop), name="pictures", daemon=True)
    thread.start()
    try:
        while True:
            future: asyncio.Future[Jpeg | None] = loop.create_future()
            asked.put(future)
            jpeg = await future
            if jpeg is None:
                return
            yield jpeg
    finally:
        asked.put(None)


def _read(pictures: Iterable[Picture], quality: int, asked: _Asked, loop: asyncio.AbstractEventLoop) -> None:
    iterator = None
    while (future := asked.get()) is not None:
        jpeg: Jpeg | None = None
        error: Exception | None = None
        try:
            iterator = iter(pictures) if iterator is None else iterator
            picture: Any = next(iterator, None)
            jpeg = None if picture is None else encode(picture, quality)
        except Exception as e:  # noqa: BLE001  whatever the caller's iterable raises is raised to the caller
            error = e
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, future, jpeg, error)
    if inspect.isgenerator(iterator):
        iterator.close()


def _settle(future: asyncio.Future[Jpeg | None], jpeg: Jpeg | None, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(jpeg)
    else:
        future.set_exception(error)
