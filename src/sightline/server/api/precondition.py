"""Changes that hold only where nobody else was faster: the headers If-Match and If-None-Match."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from sightline.core.errors import BadRequest, Changed

_TAGS = re.compile(r'(?:W/)?"[^"]*"(?:\s*,\s*(?:W/)?"[^"]*")*')
"""Versions as the headers have them. Proxies that compress put W/ before them."""


class Precondition:
    """What a request says of the thing that it changes."""

    def __init__(
        self,
        if_match: Annotated[str | None, Header()] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> None:
        """Take the request's headers. Raises BadRequest for what they can't have."""
        for header, given in (("If-Match", if_match), ("If-None-Match", if_none_match)):
            if given is not None and given != "*" and not _TAGS.fullmatch(given):
                raise BadRequest(
                    f'{header}: got {given[:80]!r}; expected a version in double quotes, such as "1f2e3d4c", or *'
                )
        self._if_match, self._if_none_match = if_match, if_none_match

    def check(self, what: str, version: str | None) -> None:
        """Raise Changed if somebody was faster. ``version``: of what is there now; None if there is nothing."""
        if self._if_match is not None and not _names(self._if_match, version):
            there = "it is gone" if version is None else f'its version is "{version}" now'
            raise Changed(
                f"{what} was changed meanwhile: got If-Match {self._if_match[:80]}, expected another: {there}"
            )
        if self._if_none_match is not None and _names(self._if_none_match, version):
            raise Changed(
                f'{what} is there already, with the version "{version}": got If-None-Match {self._if_none_match[:80]}, '
                "expected another name, or If-Match"
            )


AsItWas = Annotated[Precondition, Depends(Precondition)]
"""Parameter of a route whose request may say what it expects to be there."""


def _names(given: str, version: str | None) -> bool:
    return version is not None and (given == "*" or version in re.findall(r'"([^"]*)"', given))
