"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real models, clips and photos. Tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SIGHTLINE_ASSETS", ROOT.parent / "shared" / "assets"))
    if not folder.is_dir():
        pytest.skip(f"no assets at {folder}: set SIGHTLINE_ASSETS to the folder of test models and clips")
    return folder
