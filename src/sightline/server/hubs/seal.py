"""What hubs say to each other is encrypted and signed with their secret, whatever carries it.

A request brings its method and path, sealed, in a header. So it is good for nothing else, and only for a while. The
answer to it is sealed together with that header, so it is good for no other request.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections import OrderedDict

from cryptography.fernet import Fernet, InvalidToken

from sightline.core.errors import Unauthorized

HEADER = "sightline-hub"
"""Name of the header that a hub's request has."""
APART_S = 60
"""Seconds that the clocks of two hubs may differ."""
MOST_SEEN = 65536
"""Requests that are remembered, so that none counts twice."""
MOST_HEADER = 8192
"""Characters of the header."""
STAMP = hashlib.sha256().digest_size


class ClockDiffers(Unauthorized):
    """A hub knows the secret, and its clock goes wrong: its answer says so."""


class Seal:
    """Seals and opens with one secret."""

    def __init__(self, secret: str) -> None:
        key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"sightline hubs").digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._seen: OrderedDict[str, None] = OrderedDict()

    def request(self, method: str, target: str) -> str:
        """Return the header of a request. ``target``: path and query."""
        return self._fernet.encrypt(f"{method} {target}".encode()).decode()

    def check(self, header: str, method: str, target: str) -> None:
        """Raise Unauthorized unless a header was made by a hub of ours for this request, lately and never used.

        Raises ClockDiffers for one that lies in time further off than clocks may.
        """
        try:
            if len(header) > MOST_HEADER:
                raise InvalidToken
            asked = self._fernet.decrypt(header)
            ahead = self._fernet.extract_timestamp(header) - time.time()
        except (InvalidToken, ValueError):
            raise Unauthorized("this is no hub of ours: expected one that has the same secret in [cluster]") from None
        if asked != f"{method} {target}".encode() or header in self._seen:
            raise Unauthorized("a hub's words were used again: expected its own request, once")
        if abs(ahead) > APART_S:
            which = "ahead of" if ahead > 0 else "behind"
            raise ClockDiffers(
                f"its clock is {abs(ahead):.0f} s {which} that of the hub it asks: expected at most {APART_S} s"
            )
        self._seen[header] = None
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    def answer(self, header: str, body: bytes) -> bytes:
        """Return an answer to the request with that header."""
        return self._fernet.encrypt(hashlib.sha256(header.encode()).digest() + body)

    def read(self, header: str, answer: bytes) -> bytes:
        """Return what an answer to our request says. Raises Unauthorized for one that no hub of ours gave to it."""
        try:
            opened = self._fernet.decrypt(answer)
        except InvalidToken:
            raise Unauthorized(
                "it answered without our secret: expected a hub with the same secret in [cluster]"
            ) from None
        if opened[:STAMP] != hashlib.sha256(header.encode()).digest():
            raise Unauthorized("it gave an answer to another question")
        return opened[STAMP:]
