"""The command that installs an extra. It depends on how Sightline itself was installed."""

from __future__ import annotations

import shlex
from pathlib import Path

DISTRIBUTION = "sightline-vision"
"""Name of the package for pip. ``sightline`` on PyPI is another project's."""
_SOURCE = Path(__file__).resolve().parents[2]
"""Folder that the package lies in: ``src`` in a clone, ``site-packages`` where a wheel was installed."""


def install_command(extra: str, source: Path = _SOURCE) -> str:
    """Return the command, such as ``pip install 'sightline-vision[torch]'``.

    In a clone it is ``pip install -e '.[torch]'``, with the clone's path where another folder is the current one.
    """
    clone = source.parent
    if source.name != "src" or not (clone / "pyproject.toml").is_file():
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    here = "." if clone == _current_folder() else str(clone)
    return f"pip install -e {shlex.quote(f'{here}[{extra}]')}"


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return None
