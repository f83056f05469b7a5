"""SQLite databases with a version of their tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sightline.core.errors import ConfigError, SightlineError

UNUSABLE = (SightlineError, sqlite3.Error, OSError)
"""What opening and writing may raise where a folder or a disk can't be used."""


def open_database(path: Path | str, tables: str, version: int, *, probe: str, patience_s: float) -> sqlite3.Connection:
    """Open a database for any thread; one that is not there is made.

    ``tables``: makes those that lack. ``probe``: a query that fails where the file is torn. ``patience_s``: seconds to
    wait for others who write. Raises ConfigError for tables of a later version, or sqlite3.Error.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=patience_s)
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise ConfigError(f"{path} is of a later Sightline (tables {found}): expected at most {version}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the newest; a crash costs nothing
        if found < version:
            connection.executescript(f"BEGIN IMMEDIATE; {tables} PRAGMA user_version = {version}; COMMIT;")
        connection.execute(probe).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def all_or_none(connection: sqlite3.Connection) -> Iterator[None]:
    """Store what the block writes, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
