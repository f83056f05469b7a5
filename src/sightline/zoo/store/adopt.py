"""Import of files into the cache, from another machine's cache, a snapshot of the hub or any folder.

A file is recognised by its hash: the card's, the one recorded beside the file, or the one in the hub's own cache, where
a large file is stored under its sha256. A file without any known hash is imported only on the operator's word, or if it
is JSON beside recognised weights.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline.core.errors import ConfigError, ModelError
from sightline.profiles import SAFE, File, Profile
from sightline.zoo.refusals import EXPORTS, export_of
from sightline.zoo.store import PRECISIONS, RECORD, Cache, CachedFile, read_record
from sightline.zoo.store.verify import Expected, digest_of, judge, megabytes

MOST_FILES = 10_000
SNAPSHOT = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/([0-9a-f]{40})$")


@dataclass(frozen=True, slots=True)
class Came:
    """A file that was imported into the cache."""

    profile: Profile
    name: str
    size: int
    known: bool
    """Whether it was recognised by a hash, not only by the operator's word."""
    source: Path


def adopt(source: Path, cache: Cache, known: Sequence[Profile], *, on_my_word: bool = False) -> list[Came]:
    """Copy the files of ``known`` profiles in ``source`` into the cache.

    With ``on_my_word``, files without a known hash are taken by their names. Raises ConfigError if nothing is
    recognised, ModelError if a file can't be copied or has the wrong content.
    """
    if not source.exists():
        raise ConfigError(f"{source}: no such file or folder")
    files = [source] if source.is_file() else list(_files(source))
    came: list[Came] = []
    wrong: list[str] = []
    doubtful: list[tuple[Profile, File, Path]] = []
    for path in files:
        for profile in known:
            came += _exports(profile, path, cache)
            for file in profile.files:
                expected = _spoken_for(profile, file, path)
                if expected is None:
                    doubtful += [(profile, file, path)] if path.name == file.name else []
                elif not _came(came, profile, file):
                    found = judge(path, expected)
                    if not found.wrong:
                        came.append(_take(profile, file, path, cache, known=True))
                    elif path.name == file.name and file is profile.weights:
                        wrong.append(f"{path} is not {file.name} of {profile.name}: {found.wrong}")
    for profile, file, path in doubtful:
        if not _came(came, profile, file) and (on_my_word or _beside_its_weights(came, profile, path)):
            came.append(_take(profile, file, path, cache, known=False))
    if wrong and (on_my_word or not (came or doubtful)):
        raise ModelError("\n".join(wrong))
    if not came:
        raise ConfigError("\n".join([_unknown(source, files, doubtful, known), *wrong]))
    return came


def _spoken_for(profile: Profile, file: File, path: Path) -> Expected | None:
    """Hash and size that the file must have to be the profile's ``file``; None if no hash is known.

    None also if neither name nor size fit.
    """
    size = path.stat().st_size
    if file.sha256 or file.git_sha1:
        fits = path.name == file.name or (bool(file.size) and size == file.size and path.suffix.lower() != ".json")
        return Expected(file.sha256, file.git_sha1, file.size) if fits else None
    if path.name != file.name:
        return None
    was = read_record(path.parent / RECORD).files.get(file.name) if path.parent.name == profile.name else None
    if was is not None:
        return Expected(was.sha256, size=was.size)
    return _hub_cache(profile, path)


def _hub_cache(profile: Profile, path: Path) -> Expected | None:
    """The hash by which the hub's own library stores the file, if it lies there in the profile's repository."""
    found = SNAPSHOT.search(path.parent.as_posix())
    if found is None or f"{found[1]}/{found[2]}" != profile.repository or profile.revision not in ("", found[3]):
        return None
    stored = path.resolve().name
    if re.fullmatch("[0-9a-f]{64}", stored):
        return Expected(sha256=stored)
    return Expected(git_sha1=stored) if re.fullmatch("[0-9a-f]{40}", stored) else None


def _take(profile: Profile, file: File, path: Path, cache: Cache, *, known: bool) -> Came:
    """Copy a file into the cache and record what it is."""
    with cache.lock(profile):
        target = cache.folder(profile) / file.name
        _copy(path, target)
        entry = CachedFile(digest_of(target), target.stat().st_size)
        cache.remember(profile, file, entry, _revision(profile, path))
    return Came(profile, file.name, entry.size, known, path)


def _exports(profile: Profile, path: Path, cache: Cache) -> list[Came]:
    """Import a graph that ``models export`` made on another machine. Empty if the file is no such graph."""
    for precision in PRECISIONS:
        target = cache.export(profile, precision)
        if path.parent.name == target.parent.name and path.name == target.name:
            with cache.lock(profile):
                target.parent.mkdir(exist_ok=True)
                _copy(path, target)
            return [Came(profile, f"{target.parent.name}/{target.name}", target.stat().st_size, True, path)]
    return []


def _copy(path: Path, target: Path) -> None:
    part = target.with_name(target.name + ".import")
    try:
        shutil.copyfile(path, part)
        part.replace(target)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise ModelError(f"{path} can't be copied to {target.parent}: {e.strerror or e}") from e


def _beside_its_weights(came: Sequence[Came], profile: Profile, path: Path) -> bool:
    """True for a JSON file in the same folder as recognised weights of its profile."""
    return path.suffix == ".json" and any(
        one.profile.name == profile.name and one.name == profile.weights.name and one.source.parent == path.parent
        for one in came
    )


def _revision(profile: Profile, path: Path) -> str:
    """The commit of a file, if its folder tells; else empty."""
    found = SNAPSHOT.search(path.parent.as_posix())
    if found is not None and f"{found[1]}/{found[2]}" == profile.repository:
        return found[3]
    return read_record(path.parent / RECORD).revision if path.parent.name == profile.name else ""


def _came(came: list[Came], profile: Profile, file: File) -> bool:
    return any(one.profile.name == profile.name and one.name == file.name for one in came)


def _files(folder: Path) -> Iterator[Path]:
    """Files that may belong to a profile, in ``folder`` and its subfolders, and linked files.

    Raises ConfigError above MOST_FILES, so that a mistaken folder does not take for ever.
    """
    looked = 0
    for base, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            looked += 1
            if looked > MOST_FILES:
                raise ConfigError(f"{folder} has more than {MOST_FILES:,} files; name the folder with the weights")
            path = Path(base, name)
            if path.suffix.lower() in SAFE and name != RECORD and path.is_file():
                yield path


def _unknown(
    source: Path, files: list[Path], doubtful: list[tuple[Profile, File, Path]], known: Sequence[Profile]
) -> str:
    if doubtful:
        names = sorted({path.name for _, _, path in doubtful})
        owners = sorted({profile.name for profile, file, _ in doubtful if file.name in names})
        return (
            f"{source}: nothing tells whose these files are: {', '.join(names)}. "
            f"Say it: --profile {' or --profile '.join(owners)}"
        )
    wanted = "".join(
        f"\n  {profile.name}: {profile.weights.name} ({megabytes(profile.weights.bytes)})" for profile in known
    )
    if source.suffix.lower() in EXPORTS:
        return f"{source}: it is of no profile, and only those are imported. To use it: {export_of(source)}"
    other = "" if files else f" (looked for {', '.join(SAFE)}; other kinds of files are never loaded)"
    return f"{source}: no file of a profile is there{other}. Expected one of:{wanted}"
