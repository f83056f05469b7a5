"""The index of recordings: SQLite beside the files, from which it can be made anew at any time.

Any thread may call; one at a time has the connection.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from sightline.core.database import all_or_none, open_database
from sightline.recordings.files import stream_of
from sightline.recordings.lines import SECONDS, SegmentHeader, Summary
from sightline.security.files import put_aside

VERSION = 1
PATIENCE_S = 5.0
TABLES = """
CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, name TEXT NOT NULL UNIQUE, started REAL NOT NULL,
    ended REAL NOT NULL, frames INTEGER NOT NULL, bytes INTEGER NOT NULL, codec TEXT NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, protected INTEGER NOT NULL DEFAULT 0, event INTEGER NOT NULL DEFAULT 0,
    kept REAL NOT NULL, open INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS segments_of ON segments (stream, started);
CREATE INDEX IF NOT EXISTS segments_by_age ON segments (kept, id);
CREATE TABLE IF NOT EXISTS gaps (
    stream TEXT NOT NULL, started REAL NOT NULL, ended REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (stream, started)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
    stream INTEGER NOT NULL, class INTEGER NOT NULL, span INTEGER NOT NULL, count INTEGER NOT NULL,
    offset INTEGER NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (stream, class, span)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sights ON marks (class, span) WHERE first;
"""
PROBE = "SELECT max(ended), (SELECT count(*) FROM gaps), (SELECT count(*) FROM names) FROM segments"
"""Raises DatabaseError for a database that is torn, as a copy of a running server's may be."""
COLUMNS = "id, stream, name, started, ended, frames, bytes, codec, width, height, protected, event, kept, open"
MOTION = 0
"""In place of a class: the count is the motion in thousandths, and there is one wherever something is recorded."""
APART = 2
"""Spans without a class after which it counts as seen anew."""
MOST_SEGMENTS = 10_000
"""Segments that are listed at once: a week."""


class VideoSegment(Struct, kw_only=True):
    """A piece of a recording."""

    id: int = 0
    stream: str
    name: str
    """Its path below the folder of recordings, without the ending."""
    started_at: float
    ended_at: float
    frames: int = 0
    bytes: int = 0
    codec: str
    width: int
    height: int
    protected: bool = False
    event: bool = False
    """Something happened in it, so that it is kept for longer."""
    kept_at: float = 0.0
    """When it was recorded, on the clock by which its age is told: see ``retention``."""
    open: bool = False
    """It is being recorded now."""

    @classmethod
    def of(cls, name: str, header: SegmentHeader) -> VideoSegment:
        """Return a piece of this name before its first frame."""
        return cls(
            stream=stream_of(name),
            name=name,
            started_at=header.started_at,
            ended_at=header.started_at,
            codec=header.codec,
            width=header.width,
            height=header.height,
        )


NO_CAMERA, NOT_RUNNING, NOT_ASKED, UNWRITABLE = "no camera", "server not running", "not asked for", "disk full"
"""Why nothing is recorded."""


class Gap(Struct):
    """A time from which nothing is recorded though it should be."""

    started_at: float
    ended_at: float
    reason: str


class Marks(Struct):
    """What was seen in a time, in equal parts."""

    bucket_s: float
    started_at: float
    motion: list[float | None]
    """0 to 1; None where nothing is recorded."""
    classes: dict[str, list[int]]
    """Most of each at once."""


class ClassSighting(Struct):
    """A class came into sight."""

    stream: str
    at: float
    class_name: str
    count: int


class Index:
    """What is recorded. All methods raise sqlite3.Error where the database can't be used."""

    def __init__(self, path: Path) -> None:
        """Open the file, which is made where there is none; one that is none is put aside.

        Raises ConfigError for one of a later version.
        """
        self.path = path
        self.fresh = not path.exists()
        """Nothing was there, so that the files have to be looked through."""
        self._lock = threading.RLock()
        self._ids: dict[str, int] = {}
        try:
            self._db = self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            put_aside(path, ("-wal", "-shm"))
            self.fresh = True
            self._db = self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = open_database(self.path, TABLES, VERSION, probe=PROBE, patience_s=PATIENCE_S)
        connection.execute("PRAGMA cache_size = -16000")
        return connection

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    # Writing

    @contextmanager
    def all_or_none(self) -> Iterator[sqlite3.Connection]:
        """Store what the block writes, or nothing of it; within such a block, together with the rest of that."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            try:
                with all_or_none(self._db):
                    yield self._db
            except BaseException:
                self._ids.clear()
                raise

    def begin(self, segment: VideoSegment) -> int:
        """Add a segment and return its id."""
        values = (
            *(segment.stream, segment.name, segment.started_at, segment.ended_at, segment.frames, segment.bytes),
            *(segment.codec, segment.width, segment.height, segment.protected, segment.event, segment.kept_at),
            segment.open,
        )
        columns = COLUMNS.removeprefix("id, ")
        with self.all_or_none() as db:
            sql = f"INSERT OR REPLACE INTO segments ({columns}) VALUES ({', '.join('?' * len(values))})"
            return int(db.execute(sql, values).lastrowid or 0)

    def update(self, segment: VideoSegment, summary: Summary | None = None) -> None:
        """Tell how far a segment is. ``summary``: what was seen in it since the last time."""
        sql = "UPDATE segments SET ended = ?, frames = ?, bytes = ?, event = event OR ?, open = ? WHERE id = ?"
        values = (segment.ended_at, segment.frames, segment.bytes, segment.event, segment.open, segment.id)
        with self.all_or_none() as db:
            db.execute(sql, values)
            if summary is not None:
                self._mark(db, segment.stream, summary)

    def _mark(self, db: sqlite3.Connection, stream: str, summary: Summary) -> None:
        stream_id = self._id(db, stream)
        rows = [(stream_id, MOTION, span, round(motion * 1000), 0, 0) for span, motion in summary.motion.items()]
        for span in sorted(summary.seen):
            for name, sight in summary.seen[span].items():
                class_id = self._id(db, name)
                offset = min(max(round((sight.at - span * SECONDS) * 1000), 0), SECONDS * 1000 - 1)
                rows.append((stream_id, class_id, span, sight.count, offset, 0))
        keep = "count = excluded.count, offset = excluded.offset WHERE excluded.count > count"
        sql = f"INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET {keep}"
        db.executemany(sql, rows)
        first = f"""UPDATE marks SET first = NOT EXISTS (SELECT 1 FROM marks AS before
            WHERE before.stream = marks.stream AND before.class = marks.class
            AND before.span BETWEEN marks.span - {APART} AND marks.span - 1)
            WHERE stream = ? AND class = ? AND span = ?"""
        db.executemany(first, [row[:3] for row in rows if row[1] != MOTION])

    def _id(self, db: sqlite3.Connection, name: str) -> int:
        if name not in self._ids:
            db.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
            self._ids[name] = db.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()[0]
        return self._ids[name]

    def replace(self, segment: VideoSegment, summary: Summary) -> None:
        """Add a segment, or what is newly known of it."""
        known = self.named(segment.name)
        if known is not None:
            segment.id, segment.protected = known.id, known.protected or segment.protected
        else:
            segment.id = self.begin(segment)
        self.update(segment, summary)

    def remove(self, segment: VideoSegment) -> None:
        """Forget a segment, and what was seen in it alone."""
        low, high = int(segment.started_at // SECONDS), int(segment.ended_at // SECONDS)
        with self.all_or_none() as db:
            db.execute("DELETE FROM segments WHERE id = ?", (segment.id,))
            shared = "SELECT 1 FROM segments WHERE stream = ? AND started < ? AND ended >= ? LIMIT 1"
            spans = [low, high] if low != high else [low]
            for span in spans:  # only at its ends may there be another one
                if db.execute(shared, (segment.stream, (span + 1) * SECONDS, span * SECONDS)).fetchone():
                    low, high = (low + 1, high) if span == low else (low, high - 1)
            ids = "stream = (SELECT id FROM names WHERE name = ?)"
            classes = db.execute(f"SELECT DISTINCT class FROM marks WHERE {ids}", (segment.stream,)).fetchall()
            for (class_id,) in classes:
                sql = f"DELETE FROM marks WHERE {ids} AND class = ? AND span BETWEEN ? AND ?"
                db.execute(sql, (segment.stream, class_id, low, high))

    def protect(self, stream: str, start: float, end: float, *, on: bool) -> int:
        """Protect what was recorded in that time from being deleted, or no longer; return how many segments."""
        sql = "UPDATE segments SET protected = ? WHERE stream = ? AND started < ? AND ended >= ?"
        with self.all_or_none() as db:
            return db.execute(sql, (on, stream, end, start)).rowcount

    def happened(self, stream: str, start: float, end: float) -> None:
        """Keep what was recorded in that time for longer."""
        sql = "UPDATE segments SET event = 1 WHERE stream = ? AND started <= ? AND ended >= ? AND NOT event"
        with self.all_or_none() as db:
            db.execute(sql, (stream, end, start))

    def gap(self, stream: str, gap: Gap) -> None:
        """Add a time from which nothing is recorded."""
        with self.all_or_none() as db:
            sql = "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)"
            db.execute(sql, (stream, gap.started_at, gap.ended_at, gap.reason))

    def forget_gaps(self, before: float) -> None:
        """Forget gaps that ended before a time."""
        with self.all_or_none() as db:
            db.execute("DELETE FROM gaps WHERE ended < ?", (before,))

    # Reading

    def _read(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, tuple(values)).fetchall()

    def _segments(self, where: str, values: Iterable[object]) -> list[VideoSegment]:
        return [_segment(row) for row in self._read(f"SELECT {COLUMNS} FROM segments {where}", values)]

    def segments(self, stream: str, start: float, end: float) -> list[VideoSegment]:
        """Return what was recorded in a time, in order: at most ``MOST_SEGMENTS``."""
        # A segment lasts a minute or two; one that began an hour before can't reach into the time.
        return self._later(stream, start - 3600, start, end)

    def every(self, stream: str, start: float, end: float) -> Iterator[VideoSegment]:
        """Yield all that was recorded in a time, however much that is, in order."""
        after = start - 3600
        while some := self._later(stream, after, start, end):
            yield from some
            after = some[-1].started_at

    def _later(self, stream: str, after: float, start: float, end: float) -> list[VideoSegment]:
        where = "WHERE stream = ? AND started > ? AND started < ? AND ended >= ? ORDER BY started LIMIT ?"
        return self._segments(where, (stream, after, end, start, MOST_SEGMENTS))

    def at(self, stream: str, at: float) -> VideoSegment | None:
        """Return the segment that has a moment, or the next one after it; None at the end."""
        values = (stream, at - 3600, at)
        found = self._segments("WHERE stream = ? AND started > ? AND ended >= ? ORDER BY started LIMIT 1", values)
        return found[0] if found else None

    def find(self, stream: str, id: int) -> VideoSegment | None:
        """Return a segment by its number."""
        found = self._segments("WHERE id = ? AND stream = ?", (id, stream))
        return found[0] if found else None

    def named(self, name: str) -> VideoSegment | None:
        """Return a segment by its file."""
        found = self._segments("WHERE name = ?", (name,))
        return found[0] if found else None

    def closed(self) -> list[VideoSegment]:
        """Return all segments that are not being recorded, stream by stream, in order."""
        return self._segments("WHERE NOT open ORDER BY stream, started", ())

    def unfinished(self) -> list[VideoSegment]:
        """Return those that were being recorded when an earlier server died."""
        return self._segments("WHERE open ORDER BY id", ())

    def oldest(self, limit: int, stream: str | None = None) -> list[VideoSegment]:
        """Return what goes first: the oldest in which nothing happened, then the oldest; none that is protected."""
        of = "" if stream is None else "AND stream = ?"
        values = [] if stream is None else [stream]
        where = f"WHERE NOT protected AND NOT open {of} ORDER BY event, kept, id LIMIT ?"
        return self._segments(where, (*values, limit))

    def aged(self, stream: str, before: float, before_events: float, limit: int) -> list[VideoSegment]:
        """Return what is too old: recorded before a time, or before another one where something happened."""
        where = "WHERE NOT protected AND NOT open AND stream = ? AND (kept < ? AND NOT event OR kept < ?) LIMIT ?"
        return self._segments(where, (stream, before, before_events, limit))

    def gaps(self, stream: str, start: float, end: float) -> list[Gap]:
        """Return the gaps that reach into a time, in order."""
        sql = "SELECT started, ended, reason FROM gaps WHERE stream = ? AND started < ? AND ended > ? ORDER BY started"
        return [Gap(*row) for row in self._read(sql, (stream, end, start))]

    def totals(self) -> dict[str, tuple[int, float, float]]:
        """Return bytes, first and last moment of each stream."""
        sql = "SELECT stream, sum(bytes), min(started), max(ended) FROM segments GROUP BY stream"
        return {row[0]: (row[1], row[2], row[3]) for row in self._read(sql)}

    def newest(self) -> float | None:
        """Return the newest ``kept_at``."""
        newest: float | None = self._read("SELECT max(kept) FROM segments")[0][0]
        return newest

    def marks(self, stream: str, start: float, end: float, bucket_s: float) -> Marks:
        """Return what was seen in a time, in parts of ``bucket_s`` seconds: ten, or many times that."""
        first, parts = start // SECONDS, max(1, -int(-(end - start) // bucket_s))
        step = bucket_s / SECONDS
        marks = Marks(bucket_s, first * SECONDS, [None] * parts, {})
        with self._lock:
            found = self._db.execute("SELECT id FROM names WHERE name = ?", (stream,)).fetchone()
            if found is None:
                return marks
            names = self._db.execute("SELECT 0, '' UNION ALL SELECT id, name FROM names").fetchall()
            # Only what is larger than a span has to be put together.
            what, group = ("max(count)", "GROUP BY 1") if step > 1 else ("count", "")
            sql = f"""SELECT CAST((span - ?) / ? AS INTEGER), {what} FROM marks
                WHERE stream = ? AND class = ? AND span >= ? AND span < ? {group}"""
            for class_id, name in names:
                rows = self._db.execute(sql, (first, step, found[0], class_id, first, first + parts * step)).fetchall()
                if class_id == MOTION:
                    for part, count in rows:
                        marks.motion[part] = count / 1000
                elif rows:
                    marks.classes[name] = [0] * parts
                    for part, count in rows:
                        marks.classes[name][part] = count
        return marks

    def search(
        self,
        class_name: str,
        streams: Collection[str] | None,
        start: float,
        end: float,
        limit: int,
        after: tuple[float, str] | None = None,
    ) -> list[ClassSighting]:
        """Return when a class came into sight, newest first. ``streams``: None for all.

        ``after``: moment and stream of the last one of the page before.
        """
        at = f"(span * {SECONDS} + offset / 1000.0)"
        of, more = "", f" AND {at} >= ? AND {at} < ?"
        values: list[object] = [class_name, start // SECONDS, end // SECONDS, start, end]
        if after is not None:
            more += f" AND span <= ? AND ({at} < ? OR {at} = ? AND names.name > ?)"
            values += [after[0] // SECONDS, after[0], after[0], after[1]]
        if streams is not None:
            of = f" AND marks.stream IN (SELECT id FROM names WHERE name IN ({', '.join('?' * len(streams))}))"
            values += streams
        sql = f"""SELECT names.name, {at}, count FROM marks JOIN names ON names.id = marks.stream
            WHERE first AND class = (SELECT id FROM names WHERE name = ?) AND span BETWEEN ? AND ?{more}{of}
            ORDER BY span DESC, offset DESC, names.name LIMIT ?"""
        found = self._read(sql, (*values, limit))
        return [ClassSighting(stream, moment, class_name, count) for stream, moment, count in found]


def _segment(row: Sequence[Any]) -> VideoSegment:
    names = VideoSegment.__struct_fields__
    given = dict(zip(names, row, strict=True))
    return VideoSegment(**given | {key: bool(given[key]) for key in ("protected", "event", "open")})
