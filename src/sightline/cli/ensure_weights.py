"""Download of missing weights from their makers when an operator asks for them, with a bar on the terminal."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from sightline import profiles
from sightline.core.errors import ConfigError
from sightline.profiles import File, Profile
from sightline.settings.settings import Settings
from sightline.zoo.catalogue import graph_in, lacks_torch
from sightline.zoo.store import Cache
from sightline.zoo.store.pull import pull
from sightline.zoo.store.verify import megabytes

LINE_EVERY_S = 10
"""Seconds between progress lines if no bar can be drawn."""


def provide(settings: Settings) -> None:
    """Before a start, get the weights of the settings' profile if they are missing. Raises ConfigError, ModelError."""
    if settings.model not in profiles.names() or settings.weights is not None:
        return
    profile, cache = profiles.load(settings.model), Cache(settings.cache)
    if graph_in(cache, profile) is not None or not cache.missing(profile):
        return
    lacking = lacks_torch(profile, settings.device)
    if lacking is not None:  # before hundreds of megabytes are downloaded for nothing
        raise ConfigError(lacking)
    get(profile, cache, settings.weights_url)


def get(profile: Profile, cache: Cache, hub: str) -> Path:
    """Get a profile's missing files and show the progress on standard error. Raises ModelError."""
    console = Console(stderr=True, highlight=False, emoji=False)
    missing = cache.missing(profile)
    if not missing:
        console.print(f"{profile.name} is here: {escape(str(cache.folder(profile)))}", soft_wrap=True)
        return cache.folder(profile)
    console.print(
        f"[bold]{profile.name}[/]: {escape(profile.description)}\n"
        f"Licence: {escape(profile.licence)}, {profile.licence_url}",
        soft_wrap=True,
    )
    if profile.restricts_use:
        console.print(f"[bold yellow]Restricted:[/] {escape(profile.restricts_use)}", soft_wrap=True)
    total = megabytes(sum(file.bytes for file in missing))
    console.print(f"Getting {total} into {escape(str(cache.folder(profile)))}", soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(compact=True), console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, int] = {}

        told = time.monotonic()

        def watch(file: File, done: int, size: int | None) -> None:
            nonlocal told
            if not console.is_terminal and time.monotonic() - told > LINE_EVERY_S:
                told = time.monotonic()
                of = "" if size is None else f" of {megabytes(size)}"
                console.print(f"{escape(file.name)}: {megabytes(done)}{of}", soft_wrap=True)
            if file.name not in tasks:
                tasks[file.name] = bar.add_task(escape(file.name))
            bar.update(tasks[file.name], completed=done, total=size)  # type: ignore[arg-type]

        def waiting() -> None:
            console.print("Another process is getting the same files; waiting for it")

        folder = pull(profile, cache, hub=hub, watch=watch, waiting=waiting)
    console.print(f"{profile.name} is here: {escape(str(folder))}", soft_wrap=True)
    return folder
