"""The version of what a data folder has. A server leaves a folder alone that it would misread."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sightline.core.errors import ConfigError, SightlineError
from sightline.security import files

VERSION = 1
"""Of all that is kept in a data folder. It grows with what an earlier Sightline would misread, or lose."""
FILE = "VERSION"
KEPT = (".json", ".key", ".pem")
"""Endings of the files without which a server would begin anew."""
LARGEST = 100
"""Bytes of the file that are read."""


def check_data(folder: Path) -> None:
    """Note this version in a data folder. Raises ConfigError for a folder of a later one, or that can't be read."""
    found = _version(folder / FILE)
    if found > VERSION:
        raise ConfigError(
            f"the data folder {folder} is of a later Sightline (version {found} of the folder): expected at most "
            f"{VERSION}. Start the later one again, or restore the copy from before the upgrade (docs/deploy.md)"
        )
    for path in sorted(folder.iterdir()):
        if path.suffix in KEPT:
            _check_readable(path)
    if found < VERSION:
        with suppress(SightlineError):  # no room, which is told elsewhere: then at the next start
            files.write(folder / FILE, f"{VERSION}\n".encode())


def _version(path: Path) -> int:
    """Return the version that was noted; 0 where none was."""
    try:
        with path.open("rb") as file:
            said = file.read(LARGEST)
    except FileNotFoundError:
        return 0
    except OSError as e:
        raise _unreadable(path, e) from None
    if not said.strip().isdigit():
        raise ConfigError(f"{path}: got {said!r}, expected a whole number such as {VERSION}")
    return int(said)


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as e:
        raise _unreadable(path, e) from None


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"can't read {path}: {error.strerror}; expected all files of the data folder to belong to whom the server "
        "runs as (chown -R USER FOLDER), as after a copy was restored"
    )
