"""A separate package with plugins of its own, found through its entry points."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def install(
    folder: Path, modules: Mapping[str, str], plugins: Mapping[str, Mapping[str, str]], name: str = "outside"
) -> dict[str, str]:
    """Install a distribution into ``folder``; returns what a process needs in its environment to see it.

    ``modules``: source by module name. ``plugins``: by kind, such as ``models``, the module of each plugin by its name.
    """
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups = (
        f"[sightline.{kind}]\n" + "".join(f"{plugin} = {module}\n" for plugin, module in named.items())
        for kind, named in plugins.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
