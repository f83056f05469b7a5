"""The files of events: one SQLite database, written by one thread and read by others.

A happening has one start and at most one end, whatever is written: an index of the database holds it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import structs

from sightline.core.database import all_or_none, open_database
from sightline.core.events import Event, EventFilter, EventRecord
from sightline.events.pictures import EventPicture
from sightline.security import files

log = logging.getLogger(__name__)

Entry: TypeAlias = "tuple[Event, EventPicture | None]"
"""An event to be stored, and its picture where it has a new one."""
VERSION = 2
"""Of the tables. A file of a later one is left alone."""
MOST_REMOVED = 256
"""Happenings that are removed in one go, so that what happens meanwhile does not wait for long."""
ROW_BYTES = 1000
"""Bytes that a happening takes without its picture, about."""
PATIENCE_S = 3.0
"""Seconds for a server that ends to let go of the folder."""
TABLES = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, stream TEXT NOT NULL, kind TEXT NOT NULL,
    class_name TEXT NOT NULL, zone TEXT NOT NULL, rule TEXT NOT NULL, started REAL NOT NULL, ended REAL,
    body BLOB NOT NULL, picture INTEGER NOT NULL, shot BLOB, hidden INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS events_of ON events (stream, number);
CREATE INDEX IF NOT EXISTS events_in ON events (zone, number, started, class_name, stream);
CREATE INDEX IF NOT EXISTS events_by ON events (rule, number, started, class_name, stream);
CREATE INDEX IF NOT EXISTS lasting ON events (number) WHERE ended IS NULL;
CREATE INDEX IF NOT EXISTS pictures ON events (picture) WHERE picture > 0;
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, phase TEXT NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS once ON messages (id, phase) WHERE phase != 'update';
CREATE INDEX IF NOT EXISTS messages_of ON messages (id);
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
"""
PROBE = "SELECT count(*), (SELECT max(number) FROM messages), (SELECT count(*) FROM cursors) FROM events"
"""Raises DatabaseError for a database that is torn, as a copy of a running server's may be. It reads no whole table."""
ANEW = "the server was started anew"
"""Reason of the ends of what lasted when an earlier server died."""

_decode_event = msgspec.json.Decoder(Event).decode
_decode_record = msgspec.json.Decoder(EventRecord).decode
_decode_shot = msgspec.json.Decoder(EventPicture).decode
_encode = msgspec.json.Encoder().encode


class StoredEvent(NamedTuple):
    """A happening in the store."""

    number: int
    """That of its start."""
    record: EventRecord
    shot: EventPicture | None


class EventStore:
    """Events, newest last, by their number. Those that write belong to one thread; any may read."""

    def __init__(self, folder: Path | None) -> None:
        """Open the folder's files, which are made where there are none; with None, keep all in memory.

        Raises ConfigError, Shortage, sqlite3.Error or OSError where the folder can't be used.
        """
        self.folder = folder
        self._reading = threading.Lock()
        self._lock: sqlite3.Connection | None = None
        if folder is None:
            self._writer = self._reader = self._connect(":memory:")
        else:
            files.make_folder(folder)
            self._lock = files.hold_folder(folder)
            try:
                self._writer = self._opened(folder / "events.db")
                self._reader = self._connect(folder / "events.db")
            except BaseException:
                self._lock.close()
                raise

    # For the thread that writes

    def write(self, entries: Sequence[Entry]) -> list[Event]:
        """Store events, all or none, and return those that are to be told: without a number where they are not stored.

        Left out are a second start or end, an end without a start, and what comes after the end. An update without a
        start is a message and no happening. What no table can hold is only told. Raises sqlite3.Error.
        """
        told = []
        with all_or_none(self._writer):
            for given, picture in entries:
                if not _fits(given):
                    told.append(structs.replace(given, number=0))
                    continue
                event = self._with_picture(given)
                if self._write(event, picture):
                    told.append(event)
        return told

    def _with_picture(self, event: Event) -> Event:
        """Return an event with the paths of the picture and the clip that its happening has."""
        if event.phase == "start":
            return event
        row = self._writer.execute("SELECT body FROM events WHERE id = ? AND NOT hidden", (event.id,)).fetchone()
        if row is None:
            return event
        known = _decode_record(row[0])
        return structs.replace(event, snapshot=event.snapshot or known.snapshot, clip=known.clip)

    def _write(self, event: Event, picture: EventPicture | None) -> bool:
        fits = self._begin(event, picture) if event.phase == "start" else self._go_on(event, picture)
        if fits:
            row = (event.number, event.id, event.phase, _encode(event))
            self._writer.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)
        else:
            log.warning("event %s: its %s came twice or late, and is dropped", quote(event.id[:80]), event.phase)
        return fits

    def _begin(self, event: Event, shot: EventPicture | None) -> bool:
        record = EventRecord(
            **{key: getattr(event, key) for key in EventRecord.__struct_fields__ if hasattr(event, key)},
            started_at=event.at,
            start_seq=event.seq,
        )
        columns = (event.number, event.id, event.stream, event.kind, event.class_name, event.zone, event.rule, event.at)
        picture = (0, None) if shot is None else (shot.size, _encode(shot))
        sql = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, 0)"
        return self._writer.execute(sql, (*columns, _encode(record), *picture)).rowcount == 1

    def _go_on(self, event: Event, shot: EventPicture | None) -> bool:
        row = self._writer.execute("SELECT body, ended FROM events WHERE id = ?", (event.id,)).fetchone()
        if row is None:  # a stage may tell of what neither begins nor ends
            return event.phase == "update"
        if row[1] is not None:
            return False
        known = _decode_record(row[0])
        told = {key: getattr(event, key) for key in ("class_name", "direction", "track", "snapshot")}
        changes: dict[str, Any] = {key: value for key, value in told.items() if value not in (None, "")}
        if event.phase == "end":
            changes |= {"ended_at": event.at, "end_seq": event.seq}
            changes |= {"seconds": event.seconds, "speed": event.speed, "reason": event.reason or known.reason}
        set_picture, picture = "", tuple[object, ...]()
        if shot is None:  # the box is that of its picture, where there is one
            changes["box"] = known.box or event.box
        else:
            changes["box"] = None if shot.detection is None else shot.detection.xyxy
            set_picture, picture = ", picture = ?, shot = ?", (shot.size, _encode(shot))
        record = structs.replace(known, **changes)
        values = (record.class_name, record.ended_at, _encode(record), *picture, event.id)
        self._writer.execute(f"UPDATE events SET class_name = ?, ended = ?, body = ?{set_picture} WHERE id = ?", values)
        return True

    def lasting(self) -> list[tuple[Event, EventRecord]]:
        """Return the start of what has no end, and what is known of it by now, oldest first."""
        both = "SELECT messages.body, events.body FROM events JOIN messages USING (number)"
        rows = self._writer.execute(f"{both} WHERE ended IS NULL ORDER BY number")
        return [(_decode_event(start), _decode_record(record)) for start, record in rows]

    def newest(self) -> int:
        """Return the newest number that is known."""
        newest = "SELECT max(ifnull((SELECT max(number) FROM messages), 0), ifnull(max(number), 0)) FROM cursors"
        return int(self._writer.execute(newest).fetchone()[0])

    def delete(self, id: str) -> None:
        """Forget a happening. One that lasts is hidden, as those who heard of its start have to hear of its end."""
        ended = "SELECT id FROM events WHERE id = ? AND ended IS NOT NULL"
        with all_or_none(self._writer):
            self._writer.execute(f"DELETE FROM messages WHERE id IN ({ended})", (id,))
            self._writer.execute("UPDATE events SET hidden = 1, picture = 0, shot = NULL WHERE id = ?", (id,))

    def oldest(self, before: int, more: int) -> list[int]:
        """Return the numbers of happenings that have to go: those before a number, and as many as free ``more`` bytes.

        They are the oldest that have an end, a few hundred at a time.
        """
        sql = "SELECT number, picture FROM events WHERE ended IS NOT NULL ORDER BY number LIMIT ?"
        found = []
        for number, size in self._writer.execute(sql, (MOST_REMOVED,)).fetchall():
            if number >= before and more <= 0:
                break
            found.append(number)
            more -= size + ROW_BYTES
        return found

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget these happenings."""
        places = ", ".join("?" * len(numbers))
        ids = f"SELECT id FROM events WHERE number IN ({places})"
        with all_or_none(self._writer):
            self._writer.execute(f"DELETE FROM messages WHERE id IN ({ids})", numbers)
            self._writer.execute(f"DELETE FROM events WHERE number IN ({places})", numbers)

    def remove_loose(self, before: int) -> int:
        """Forget updates of no happening before a number, a few hundred at a time; return how many those were."""
        loose = (
            "SELECT number FROM messages WHERE number < ? AND phase = 'update' AND id NOT IN (SELECT id FROM events)"
        )
        sql = f"DELETE FROM messages WHERE number IN ({loose} ORDER BY number LIMIT ?)"
        return self._writer.execute(sql, (before, MOST_REMOVED)).rowcount

    def size(self) -> int:
        """Return the bytes that events and pictures take: what is free in the file will be used again."""
        (pictures,) = self._writer.execute("SELECT ifnull(sum(picture), 0) FROM events WHERE picture > 0").fetchone()
        pages, free, page = (
            self._writer.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
        return int(pictures + (pages - free) * page)

    def keep_cursor(self, name: str, number: int) -> None:
        """Keep up to which number somebody has the events."""
        self._writer.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (name, number))

    def close(self) -> None:
        """Let go of the files."""
        with self._reading:
            for connection in (self._reader, self._writer, self._lock):
                if connection is not None:
                    connection.close()

    # For any thread

    def after(self, number: int, limit: int) -> list[Event]:
        """Return the oldest events after that number."""
        sql = "SELECT body FROM messages WHERE number > ? ORDER BY number LIMIT ?"
        return [_decode_event(row[0]) for row in self._read(sql, (number, limit))]

    def find(self, id: str) -> StoredEvent | None:
        """Return what is known of a happening, and its picture; None for one that is not here."""
        rows = self._read("SELECT number, body, shot FROM events WHERE id = ? AND NOT hidden", (id,))
        return _stored(*rows[0]) if rows else None

    def search(
        self,
        wanted: EventFilter,
        limit: int,
        *,
        before: int | None = None,
        since: float | None = None,
        until: float | None = None,
        lasting: bool | None = None,
    ) -> list[StoredEvent]:
        """Return the newest happenings of those that are wanted.

        ``before``: only those whose start has a lower number. ``since`` and ``until``: only those that started then.
        ``lasting``: only those that have no end, or have one.
        """
        # Fewer happenings are of a zone or a rule than of a stream: the plus keeps SQLite from going by that.
        narrow = wanted.zone is not None or wanted.rule is not None
        asked: dict[str, object] = {
            f"{'+' if narrow and key == 'stream' else ''}{key} = ?": value for key, value in wanted.given.items()
        }
        asked |= {"number < ?": before, "started >= ?": since, "started <= ?": until}
        given = {part: value for part, value in asked.items() if value is not None}
        more = "" if lasting is None else f" AND ended IS {'' if lasting else 'NOT '}NULL"
        where = " AND ".join(["NOT hidden", *given]) + more
        sql = f"SELECT number, body, shot FROM events WHERE {where} ORDER BY number DESC LIMIT ?"
        return [_stored(*row) for row in self._read(sql, (*given.values(), limit))]

    def cursor(self, name: str) -> int | None:
        """Return the number that was kept under that name."""
        rows = self._read("SELECT number FROM cursors WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else None

    def _read(self, sql: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        with self._reading:
            return self._reader.execute(sql, tuple(values)).fetchall()

    def _opened(self, path: Path) -> sqlite3.Connection:
        """Open the database; one that is none is put aside."""
        try:
            return self._connect(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as e:
            aside = files.put_aside(path, ("-wal", "-shm"))
            log.error("%s: %s; events begin anew, and the file is kept as %s", path, e, aside.name)
            return self._connect(path)

    def _connect(self, path: Path | str) -> sqlite3.Connection:
        return open_database(path, TABLES, VERSION, probe=PROBE, patience_s=PATIENCE_S)


def read_happenings(folder: Path, stream: str, since: float, until: float, limit: int) -> list[EventRecord]:
    """Return what began in a stream in a time, oldest first, also while a server writes; nothing is changed.

    ``folder``: that of the store. Raises sqlite3.Error where it can't be read.
    """
    path = folder / "events.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
        sql = "SELECT body FROM events WHERE stream = ? AND NOT hidden AND started BETWEEN ? AND ? ORDER BY number"
        return [_decode_record(row[0]) for row in connection.execute(f"{sql} LIMIT ?", (stream, since, until, limit))]


def _stored(number: int, body: bytes, shot: bytes | None) -> StoredEvent:
    return StoredEvent(number, _decode_record(body), None if shot is None else _decode_shot(shot))


def _fits(event: Event) -> bool:
    """Return False for an event that could not be read again, and would be in the way for ever."""
    try:
        _decode_event(_encode(event))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as e:
        log.error("an event of stream %s can't be stored: %s", event.stream, e)
        return False
    return True


NEVER = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""What writing raises where no other try can help."""
