"""Cache of the profiles' weights and of graphs exported from them.

CACHE/profiles/NAME holds a profile's files as the hub lays them out, ``pulled.json`` with their hashes and sizes at
download, and ``export/`` with the ONNX files made by ``models export``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from filelock import FileLock, Timeout

from sightline.core.errors import ConfigError, ModelError
from sightline.engines._address import SUFFIX, ModelAddress
from sightline.profiles import File, Profile
from sightline.settings.own_folder import cache_folder
from sightline.zoo.store.verify import Expected, judge

RECORD = "pulled.json"
Precision: TypeAlias = Literal["fp32", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")
"""Precisions of exported graphs."""


class CachedFile(msgspec.Struct, frozen=True):
    """Hash and size of a file when it came into the cache."""

    sha256: str
    size: int


class PullRecord(msgspec.Struct, frozen=True):
    """Record of a profile's files in the cache."""

    revision: str = ""
    """Commit of the files; empty if unknown."""
    files: dict[str, CachedFile] = {}


class Cache:
    """The cache in ``folder``, or with None in the folder of the settings."""

    def __init__(self, folder: Path | None = None) -> None:
        self.root = (folder or cache_folder()).expanduser()

    def folder(self, profile: Profile) -> Path:
        """Folder of a profile's files. It need not exist."""
        return self.root / "profiles" / profile.name

    def export(self, profile: Profile, precision: Precision = "fp32") -> Path:
        """Path of the ONNX file that ``models export`` makes from a profile. It need not exist."""
        return self.folder(profile) / "export" / f"{profile.name}-{precision}.onnx"

    def missing(self, profile: Profile) -> list[File]:
        """The files that still have to be downloaded. The check is cheap, as it reads only names and sizes."""
        record = self.record(profile)
        return [file for file in profile.files if not self._there(profile, file, record)]

    def got(self, profile: Profile) -> bool:
        """True if its files are all here, or a graph that was exported from them."""
        return not self.missing(profile) or any(self.export(profile, precision).is_file() for precision in PRECISIONS)

    def check(self, profile: Profile) -> Path:
        """Compare the hashes of all files. Returns the path of the weights. Raises ModelError if a file is wrong."""
        record = self.record(profile)
        for file in profile.files:
            path, was = self.folder(profile) / file.name, record.files.get(file.name)
            if was is None or not self._there(profile, file, record):
                raise ModelError(f"{path} is missing; run: sightline models pull {profile.name}")
            wrong = judge(path, Expected(was.sha256, file.git_sha1, was.size)).wrong
            if wrong:
                raise ModelError(f"{path} is damaged: {wrong}. Delete it and run: sightline models pull {profile.name}")
        return self.folder(profile) / profile.weights.name

    def address(self, address: ModelAddress) -> Path:
        """The file that stands for a model on an inference server, which is made. Raises ConfigError."""
        text = str(address)
        path = self.root / "addresses" / sha256(text.encode()).hexdigest()[:16] / f"{address.model}{SUFFIX}"
        if not path.is_file():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{text}\n")
            except OSError as e:
                raise ConfigError(_unwritable(path, e).message) from None
        return path

    @contextmanager
    def lock(self, profile: Profile, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Keep other processes from changing the profile's folder. ``waiting`` is called once if this must wait.

        Raises ModelError if the folder can't be written.
        """
        folder = self.folder(profile)
        lock = FileLock(folder / ".lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is not None:
                waiting()
            lock.acquire()
        except OSError as e:
            raise _unwritable(folder, e) from e
        try:
            yield
        finally:
            lock.release()

    def remove(self, profile: Profile) -> None:
        """Delete a profile's files and what was exported from them. Raises ModelError."""
        folder = self.folder(profile)
        with self.lock(profile):
            try:
                for path in folder.iterdir():
                    if path.is_dir():
                        shutil.rmtree(path)
                    elif path.name != ".lock":
                        path.unlink()
            except OSError as e:
                raise _unwritable(folder, e) from e

    def record(self, profile: Profile) -> PullRecord:
        """The record of a profile's files, which is empty if it can't be read."""
        return read_record(self.folder(profile) / RECORD)

    def remember(self, profile: Profile, file: File, entry: CachedFile, revision: str = "") -> None:
        """Record a file that came into the cache. The lock must be held. Raises ModelError."""
        record = self.record(profile)
        made = PullRecord(revision or record.revision, {**record.files, file.name: entry})
        path = self.folder(profile) / RECORD
        beside = path.with_suffix(".new")
        try:
            beside.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1))
            beside.replace(path)
        except OSError as e:
            raise _unwritable(path, e) from e

    def _there(self, profile: Profile, file: File, record: PullRecord) -> bool:
        path, was = self.folder(profile) / file.name, record.files.get(file.name)
        if was is None or not was.sha256.startswith(file.sha256):
            return False
        if profile.repository and record.revision not in ("", profile.revision or record.revision):
            return False  # a newer card names another commit
        return path.is_file() and path.stat().st_size == was.size == (file.size or was.size)


def _unwritable(path: Path, error: OSError) -> ModelError:
    return ModelError(f"{path} can't be written: {error.strerror or error}. The cache's folder is SIGHTLINE_CACHE")


def read_record(path: Path) -> PullRecord:
    """Read a record; an empty one if the file is missing or broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PullRecord)
    except (OSError, msgspec.DecodeError):
        return PullRecord()
