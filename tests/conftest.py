"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from support.made_graph import MakeGraph, maker_in

if TYPE_CHECKING:  # tests without a browser don't wait for it
    from playwright.async_api import Browser, BrowserContext

# Time says nothing on a busy machine. The same examples everywhere: --hypothesis-profile=default looks for new ones.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("here")

# The default model takes milliseconds; most tests are of what is around a model, for which the cheapest will do.
os.environ.setdefault("SIGHTLINE_MODEL", "motion")
# A process for each server's model would cost minutes. Tests of places, and those that try to break a server, have one.
os.environ.setdefault("SIGHTLINE_PLACE", "thread")
# Whatever weights lie in this user's own cache, the tests see none but those that they put there.
os.environ["SIGHTLINE_CACHE"] = os.path.join(tempfile.gettempdir(), "sightline-tests-without-weights")  # noqa: PTH118

# Nor is anything kept in this user's own folder, where the events of another server may lie.
_data = tempfile.TemporaryDirectory(prefix="sightline-tests-")
os.environ["XDG_DATA_HOME"] = _data.name

# A shell's background jobs ignore Ctrl-C, and so would every process that the tests start to interrupt it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real models, clips and photos. Tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SIGHTLINE_ASSETS", ROOT.parent / "shared" / "assets"))
    if not folder.is_dir():
        pytest.skip(f"no assets at {folder}: set SIGHTLINE_ASSETS to the folder of test models and clips")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of small inputs that once failed. Tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SIGHTLINE_CASES", ROOT.parent / "shared" / "cases" / "from-reports"))
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}: set SIGHTLINE_CASES to the folder of inputs that once failed")
    return folder


@pytest.fixture
def make_graph(tmp_path: Path) -> MakeGraph:
    """Makes an ONNX file in the test's own folder: see ``made_graph``."""
    return maker_in(tmp_path)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    """Chromium, started with the options that a module names as ``CHROMIUM``."""
    from support.browsing import browsing

    async with browsing(*getattr(request.module, "CHROMIUM", ())) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Somebody at a desk."""
    from support.browsing import SLOW_MS

    made = await browser.new_context(viewport={"width": 1280, "height": 800})
    made.set_default_timeout(SLOW_MS)
    yield made
    await made.close()
