"""Tokens: each gives its holder a right on a stream. The file holds only their hashes.

A token has 256 random bits, so a plain hash reveals nothing and needs no salt.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import msgspec

from sightline.core.errors import BadRequest, ConfigError, LimitReached, NotFound, shortage
from sightline.core.types import check_stream_name
from sightline.security import files as private

Role: TypeAlias = Literal["publish", "view", "admin"]
"""Role of a token. publish: be the camera. view: pictures and results. admin: both, and everything else."""
ROLES: tuple[Role, ...] = get_args(Role)
ALL = "*"
"""Placeholder for all streams in place of a stream's name."""
PREFIX = "slt_"
"""Prefix of every token, by which scanners find tokens that leaked."""
KEPT_S = 7 * 86400.0
"""Seconds for which expired tokens stay listed."""
MOST = 4096
"""Tokens that are kept."""


class TokenRecord(msgspec.Struct, frozen=True):
    """A token as it is kept. Times are seconds since 1970."""

    id: str
    """Name for people; reveals nothing about the token."""
    hash: str
    role: Role
    stream: str
    created: float
    expires: float | None = None
    """End of validity; None for never."""
    kind: Literal["token", "browser"] = "token"
    """Origin of the token. browser: made when a page exchanged its ticket, kept in a cookie."""

    def expired(self, now: float) -> bool:
        """True from the token's end on."""
        return self.expires is not None and now >= self.expires


class _File(msgspec.Struct):
    tokens: list[TokenRecord]
    version: Literal[1] = 1


def digest(token: str) -> str:
    """Hash that is stored of a token or a ticket."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def check_right(role: str, stream: str) -> Role:
    """Check a role and a stream; returns the role. Raises BadRequest."""
    if stream != ALL:
        check_stream_name(stream)
    for known in ROLES:
        if role == known:
            return known
    raise BadRequest(f"role {role[:40]!r}: expected one of {', '.join(ROLES)}")


class Store:
    """A server's tokens, in a file that the server and ``sightline token`` share."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"

    def stamp(self) -> tuple[int, int, int] | None:
        """A value that changes whenever the file is written; None if there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def records(self) -> list[TokenRecord]:
        """All tokens, also those that have expired. Raises ConfigError, or Shortage, where the file can't be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_File).tokens
        except FileNotFoundError:
            return []
        except OSError as e:
            raise shortage(e) or ConfigError(f"can't read {self.path}: {e.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise ConfigError(f"{self.path}: {e}; expected the file that `sightline token` writes") from None

    def create(
        self, role: str, stream: str, *, lifetime: float | None, kind: Literal["token", "browser"] = "token"
    ) -> tuple[str, TokenRecord]:
        """A new token for ``lifetime`` seconds, None for ever. It is given out here and never again.

        Raises BadRequest, LimitReached, ConfigError or Shortage.
        """
        checked = check_right(role, stream)
        token, now = PREFIX + secrets.token_urlsafe(32), time.time()
        expires = None if lifetime is None else now + lifetime
        record = TokenRecord(secrets.token_hex(4), digest(token), checked, stream, now, expires, kind)
        with private.locked(self.path.parent):
            kept = [r for r in self.records() if not r.expired(now - KEPT_S)]
            if len(kept) >= MOST:
                raise LimitReached(f"{MOST} tokens are kept: revoke those that nobody needs")
            self._write([*kept, record])
        return token, record

    def revoke(self, token_id: str) -> TokenRecord:
        """Take a token back. Raises NotFound where there is none of that id, ConfigError or Shortage."""
        with private.locked(self.path.parent):
            records = self.records()
            for record in records:
                if record.id == token_id:
                    self._write([r for r in records if r is not record])
                    return record
        raise NotFound(f"no token has the id {token_id[:40]!r}: expected one that is listed")

    def _write(self, records: list[TokenRecord]) -> None:
        private.write(self.path, msgspec.json.format(msgspec.json.encode(_File(records))) + b"\n")
