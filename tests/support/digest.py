"""Digest authentication as cameras ask for it, over HTTP and RTSP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import md5

CHALLENGE = 'Digest realm="IP Camera", nonce="5d1c", algorithm=MD5, qop="auth"'


def answers(headers: Mapping[str, str], method: str, user: str, password: str) -> bool:
    """Whether a request shows that its sender knows user and password. ``headers``: with small letters."""
    given: dict[str, str] = dict(re.findall(r'(\w+)="?([^",]*)', headers.get("authorization", "")))
    if given.get("nonce") != "5d1c" or given.get("username") != user:
        return False
    secret = _hashed(f"{user}:IP Camera:{password}")
    what = _hashed(f"{method}:{given['uri']}")
    return given["response"] == _hashed(f"{secret}:5d1c:{given['nc']}:{given['cnonce']}:{given['qop']}:{what}")


def _hashed(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
