"""Forms with files, as browsers and ``curl -F`` send them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.datastructures import FormData
from starlette.requests import Request

from sightline.core.errors import BadRequest


@asynccontextmanager
async def form_of(request: Request, *, files: int, fields: int, field_bytes: int) -> AsyncGenerator[FormData]:
    """The form of a request, with so many files and fields at most. Raises BadRequest for an unreadable one."""
    async with AsyncExitStack() as stack:
        form = request.form(max_files=files, max_fields=fields, max_part_size=field_bytes)
        try:
            found = await stack.enter_async_context(form)
        except (UnicodeError, LookupError):  # a form may name any encoding that Python has
            raise BadRequest("a form whose texts can't be read: expected UTF-8") from None
        yield found
