"""Forms with files, as browsers, ``curl -F`` and libraries send them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.message import Message

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from sightline.core.errors import BadRequest

FILES = ("image/", "video/", "application/octet-stream")
"""How kinds begin whose parts are files also without a name."""


@asynccontextmanager
async def form_of(request: Request, *, files: int, fields: int, field_bytes: int) -> AsyncGenerator[FormData]:
    """The form of a request, with so many files and fields at most. Raises BadRequest for an unreadable one."""
    limits = {"max_files": files, "max_fields": fields, "max_part_size": field_bytes}
    try:
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            form = await _Parser(request.headers, request.stream(), **limits).parse()
        else:
            form = await request.form(**limits)
    except MultiPartException as e:
        raise BadRequest(f"a form that can't be read: {e.message}") from None
    except (UnicodeError, LookupError):  # a form may name any encoding that Python has
        raise BadRequest("a form whose texts can't be read: expected UTF-8") from None
    try:
        yield form
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """Starlette's parser, to which only a part with ``filename`` is a file.

    Libraries give names that are not ASCII as ``filename*`` alone (urllib3 before 2), or none at all (Apache's).
    """

    def on_headers_finished(self) -> None:
        """See MultiPartParser."""
        part = self._current_part
        head = Message()
        for key, value in part.item_headers:
            head[key.decode("latin-1")] = value.decode("latin-1")
        told = head.get_param("filename", header="content-disposition")  # three parts of ``filename*``
        unnamed = told is None and head.get_content_type().startswith(FILES)
        if part.content_disposition and (unnamed or isinstance(told, tuple)):
            name = head.get_filename("").replace("\\", "\\\\").replace('"', '\\"')
            part.content_disposition += f'; filename="{name}"'.encode()
        super().on_headers_finished()
