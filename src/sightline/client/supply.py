"""The caller's pictures as JPEGs, produced one at a time and only on demand.

Arrays are encoded here, at the size and quality that the server asks for; JPEGs are sent as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeGuard

from sightline.core.errors import FAULTS, BadImage, TooLarge, cancelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
    Pictures: TypeAlias = AsyncIterable[Picture] | Iterable[Picture]

Jpeg: TypeAlias = bytes | bytearray | memoryview


@dataclass(slots=True)
class Form:
    """Encoding of arrays. Changes during a call as the server asks."""

    quality: int
    """JPEG quality, 1 to 100."""
    width: int | None = None
    """Maximum length of the longer side in pixels; None for no limit."""


class Prepared(NamedTuple):
    """A picture ready to be sent."""

    jpeg: Jpeg
    size: tuple[int, int] | None = None
    """Width and height of the caller's picture if a smaller one is sent."""


async def supply(pictures: Pictures, form: Form) -> AsyncGenerator[Prepared]:
    """Yield JPEGs of the caller's pictures. The next picture is taken when the last one has been used.

    An ordinary iterable may block (a camera, a file), so it is read in a thread of its own, which ends with it. Raises
    TypeError for items that are not pictures.
    """
    if isinstance(pictures, AsyncIterable):
        iterator = aiter(pictures)
        while (picture := await _following(iterator)) is not _END:
            yield Prepared(picture) if _is_bytes(picture) else await asyncio.to_thread(encode, picture, form)
    elif isinstance(pictures, (list, tuple)) and all(map(_is_bytes, pictures)):
        for picture in pictures:
            yield Prepared(picture)
    else:
        async with contextlib.aclosing(_from_thread(pictures, form)) as ready:
            async for one in ready:
                yield one


_END = object()


async def _following(iterator: AsyncIterator[Picture]) -> Any:
    """Return the next picture, or _END. Raises what the caller's iterable raises."""
    try:
        return await anext(iterator, _END)
    except asyncio.CancelledError as e:
        if cancelled(e):
            raise
        raise _raised(e) from e  # in our task it would mean that this is cancelled


def _raised(error: BaseException) -> RuntimeError:
    return RuntimeError(f"the pictures raised {type(error).__name__}")


def encode(picture: Picture, form: Form) -> Prepared:
    """Encode a picture as JPEG; JPEG bytes pass unchanged. Raises TypeError for anything that is not a picture."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return Prepared(picture)
    shape: tuple[int, ...] | None = getattr(picture, "shape", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or picture.dtype != "uint8":
        got = type(picture).__name__ if shape is None else f"{picture.dtype} array of shape {shape}"
        raise TypeError(f"a picture that is a {got}: expected JPEG bytes or an HxWx3 uint8 array (BGR)")
    from sightline.media import codecs  # OpenCV, only for those who need it

    smaller = codecs.shrink(picture, form.width)
    size = None if smaller is picture else (shape[1], shape[0])
    return Prepared(codecs.encode_jpeg(smaller, form.quality), size)


def check(jpeg: Jpeg, most: int) -> None:
    """Raise BadImage for bytes that don't begin like a JPEG, TooLarge for more than ``most`` of them."""
    if len(jpeg) > most:
        raise TooLarge(f"picture of {len(jpeg)} bytes: the server takes at most {most}")
    if bytes(jpeg[:2]) != b"\xff\xd8":
        begins = bytes(jpeg[:4]).hex(" ") or "nothing"
        raise BadImage(f"a picture of {len(jpeg)} bytes that begins with {begins}: expected a JPEG (ff d8) or an array")


def _is_bytes(picture: object) -> TypeGuard[Jpeg]:
    return isinstance(picture, (bytes, bytearray, memoryview))


_Asked: TypeAlias = "queue.SimpleQueue[asyncio.Future[Prepared | None] | None]"


async def _from_thread(pictures: Iterable[Picture], form: Form) -> AsyncGenerator[Prepared]:
    loop = asyncio.get_running_loop()
    asked: _Asked = queue.SimpleQueue()
    thread = threading.Thread(target=_read, args=(pictures, form, asked, loop), name="pictures", daemon=True)
    thread.start()
    try:
        while True:
            future: asyncio.Future[Prepared | None] = loop.create_future()
            asked.put(future)
            ready = await future
            if ready is None:
                return
            yield ready
    finally:
        asked.put(None)


def _read(pictures: Iterable[Picture], form: Form, asked: _Asked, loop: asyncio.AbstractEventLoop) -> None:
    iterator = None
    while (future := asked.get()) is not None:
        ready: Prepared | None = None
        error: Exception | None = None
        try:
            iterator = iter(pictures) if iterator is None else iterator
            picture: Any = next(iterator, None)
            ready = None if picture is None else encode(picture, form)
        except FAULTS as e:  # whatever the caller's iterable raises is raised to the caller
            error = _raised(e)  # in a task some mean more
            if isinstance(e, Exception) and not isinstance(e, StopIteration):
                error = e
        with contextlib.suppress(RuntimeError):  # the loop is closed and nobody waits
            loop.call_soon_threadsafe(_settle, future, ready, error)
    if inspect.isgenerator(iterator):
        iterator.close()


def _settle(future: asyncio.Future[Prepared | None], ready: Prepared | None, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(ready)
    else:
        future.set_exception(error)
