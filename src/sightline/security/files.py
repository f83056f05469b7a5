"""Files that only their owner may read: token hashes and certificate keys. Written completely or not at all."""

from __future__ import annotations

import itertools
import os
import sqlite3
import sys
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from sightline.core.errors import ConfigError, FolderInUse, shortage

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


HOLD_S = 6.0
"""Seconds for which a folder is waited for that another server has: longer than one takes to end."""


def make_folder(path: Path) -> None:
    """Make a folder for the owner only, if there is none. Raises ConfigError or Shortage if that fails."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        unusable = ConfigError(f"can't make the folder {path}: {e.strerror}; choose another with the setting data")
        raise shortage(e) or unusable from None


def write(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable and writable for the folder's owner only. Raises ConfigError or Shortage."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                _hand_over(handle, path.parent)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as e:
        raise shortage(e) or ConfigError(f"can't write {path}: {e.strerror}") from None


def put_aside(path: Path, beside: Iterable[str] = ()) -> Path:
    """Rename a file that is no good to a free name, ``NAME.bad`` or ``NAME.bad2`` and so on; return where it lies now.

    That is where it was if it can't be renamed. ``beside``: endings of files that belong to it.
    """
    names = (path.with_name(f"{path.name}.bad{'' if number == 1 else number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    try:
        path.replace(aside)
    except OSError:
        return path
    for ending in beside:
        with suppress(OSError):
            path.with_name(path.name + ending).replace(aside.with_name(aside.name + ending))
    return aside


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lock the folder against other Sightline processes, waiting for them first. Raises ConfigError or Shortage."""
    make_folder(folder)
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as e:
        raise shortage(e) or ConfigError(f"can't write to {folder}: {e.strerror}") from None
    try:
        _hand_over(handle, folder)
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # closing releases the lock


def hold_folder(folder: Path) -> sqlite3.Connection:
    """Keep other servers away from a folder, by a lock that goes with this process.

    Raises FolderInUse or ConfigError.
    """
    try:
        lock = sqlite3.connect(folder / "lock", isolation_level=None, check_same_thread=False, timeout=HOLD_S)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException:
            lock.close()
            raise
    except sqlite3.Error as e:
        if e.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise FolderInUse(f"another server has {folder}: choose another folder with the setting data") from e
        raise ConfigError(f"can't write to {folder}: {e}") from e
    return lock


def _hand_over(handle: int, folder: Path) -> None:
    """Give a file made by root to the owner of the folder, such as a service, which could not read it otherwise."""
    if sys.platform != "win32" and os.geteuid() == 0:
        owner = folder.stat()
        with suppress(OSError):  # a container's root may not be allowed to, and does not need to
            os.fchown(handle, owner.st_uid, owner.st_gid)
