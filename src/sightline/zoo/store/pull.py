"""Download of a profile's files from where their makers publish them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from sightline.core.errors import ModelError
from sightline.profiles import WEIGHTS_URL, File, Profile
from sightline.zoo.store import Cache, CachedFile
from sightline.zoo.store.download import PATIENCE, DownloadFailed, fetch, shown
from sightline.zoo.store.verify import Expected, megabytes

Watch: TypeAlias = Callable[[File, int, int | None], None]
"""Function called with the file, the number of its bytes so far, and the total, which is None if unknown."""


def pull(
    profile: Profile,
    cache: Cache,
    *,
    hub: str = WEIGHTS_URL,
    watch: Watch | None = None,
    waiting: Callable[[], None] | None = None,
    patience: Sequence[float] = PATIENCE,
) -> Path:
    """Download a profile's missing files. Returns the folder with its files.

    ``hub`` is the address of the hub or of a mirror. ``waiting`` is called once if another process must be waited for.
    Raises ModelError.
    """
    if not cache.missing(profile):  # before the lock, as the folder may be read-only
        return cache.folder(profile)
    with cache.lock(profile, waiting):
        for file in cache.missing(profile):
            _get(profile, file, cache, hub, watch, patience)
    return cache.folder(profile)


def _get(profile: Profile, file: File, cache: Cache, hub: str, watch: Watch | None, patience: Sequence[float]) -> None:
    url = profile.address(file, hub, cache.record(profile).revision)
    expected = Expected(file.sha256, file.git_sha1, file.size)

    def progress(done: int, total: int | None) -> None:
        if watch is not None:
            watch(file, done, total or file.bytes or None)

    try:
        got = fetch(
            url,
            cache.folder(profile) / file.name,
            expected,
            hub=not file.url,
            progress=progress,
            patience=patience,
        )
    except DownloadFailed as e:
        raise ModelError(f"{e}\n{by_hand(profile, cache, hub)}") from e
    if not file.url and not profile.revision and not got.commit:
        raise ModelError(f"{shown(url)}: the hub does not say of which commit its files are, and the card names none")
    cache.remember(
        profile, file, CachedFile(got.sha256, got.size), revision="" if file.url else profile.revision or got.commit
    )


def by_hand(profile: Profile, cache: Cache, hub: str = WEIGHTS_URL) -> str:
    """Instructions for bringing a profile's files to a machine without a network."""
    revision = cache.record(profile).revision
    wanted = "".join(
        f"\n  {file.name} ({megabytes(file.bytes)}) from {shown(profile.address(file, hub, revision))}"
        for file in cache.missing(profile)
    )
    return (
        f"Without a network, on a machine that has one: sightline models pull {profile.name}, then copy its folder "
        f"profiles/{profile.name} of the cache over and here: sightline models import FOLDER\n"
        f"Or get these files in any other way and import them (sightline models import FOLDER --profile {profile.name})"
        f"; they go to {cache.folder(profile)}:{wanted}\n"
        f"Or use a file where it lies: --profile {profile.name} --weights PATH"
    )
