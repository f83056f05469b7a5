"""The build's hook: the documentation goes into the wheel, and what the pages take from npm, where npm can be had."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class VendorHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before a wheel (an editable one, too) or a source archive is made. Without npm the build goes on."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling."""
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"] |= documentation(Path(self.root) / "docs")
        path = Path(self.root) / "packaging" / "npm" / "vendor.py"
        spec = importlib.util.spec_from_file_location("vendor", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        why = module.vendor()
        if why is not None:
            self.app.display_warning(f"The pages do without in-browser mode and plots: {why}")


def documentation(folder: Path) -> dict[str, str]:
    """The documents and their pictures, and where they are in a wheel: see ``sightline/server/help_pages.py``."""
    files = [*folder.glob("*.md"), *(path for path in (folder / "images").rglob("*") if path.is_file())]
    return {str(path): f"sightline/help/{path.relative_to(folder).as_posix()}" for path in files}
