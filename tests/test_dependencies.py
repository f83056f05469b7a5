"""What a plain install brings along."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def installed_with(requirements: list[str]) -> set[str]:
    """These packages and all that they bring, as far as this system needs them."""
    found: set[str] = set()
    waiting = [name_of(r) for r in requirements]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:  # for another system or Python
            continue
        found.add(name)
        waiting += [name_of(r) for r in requires if "extra ==" not in r]
    return found


def licence(name: str) -> str:
    about = distribution(name).metadata
    said = [text[:100] for key in ("License-Expression", "License") for text in about.get_all(key, [])]
    return " ".join([*said, *(c for c in about.get_all("Classifier", []) if c.startswith("License"))])


def test_it_is_free_for_every_use_and_so_is_all_that_it_needs() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    found = installed_with(PROJECT["dependencies"])
    assert len(found) > 20
    for name in found:
        assert not re.search(r"\bA?GPL|Affero|GNU General", licence(name)), f"{name}: {licence(name)}"


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_it_needs_no_screen_and_only_one_opencv(extra: str) -> None:
    requirements = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    found = installed_with(requirements)
    with_libgl = {"opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless", "ultralytics"}
    assert not found & with_libgl


def test_the_plain_install_stays_light() -> None:
    """What is large comes when it is asked for: the extras ``torch`` and ``openvino``."""
    heavy = {"torch", "openvino", "transformers", "scipy", "tensorflow"}
    assert not installed_with(PROJECT["dependencies"]) & (heavy | {"httpx2"})


def test_a_server_alone_does_without_what_hubs_need_and_hubs_say_how_to_get_it() -> None:
    program = """if True:
        import sys
        sys.modules["httpx2"] = None
        from sightline.core.errors import ConfigError
        from sightline.server.app import create_app
        from sightline.settings.settings import load_settings
        create_app(load_settings())
        try:
            create_app(load_settings(cluster={"hubs": ["http://a:1", "http://b:1"], "secret": "0123456789abcdef" * 4}))
        except ConfigError as e:
            print(e.message)
    """
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said == "several hubs need the package httpx2; run: pip install 'sightline-vision[hubs]'\n"


def test_the_lock_has_every_package_in_a_version_that_fits() -> None:
    """Fault 66: what ``make`` and the container install is pinned, and ``make lock`` was not forgotten."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins: dict[str, set[str]] = {}
    for pin in (Requirement(line) for line in lines if line and not line.startswith("#")):
        (fixed,) = pin.specifier
        assert fixed.operator == "==", pin
        pins.setdefault(name_of(pin.name), set()).add(fixed.version)
    optional, groups = PROJECT["optional-dependencies"], PYPROJECT["dependency-groups"]
    for text in [*PROJECT["dependencies"], *(one for more in optional.values() for one in more), *groups["dev"]]:
        needed = Requirement(text)
        versions = pins.get(name_of(needed.name), set())
        assert versions, f"{needed.name}: run make lock"
        assert all(version in needed.specifier for version in versions), f"{text}: run make lock"
    assert "onnxruntime-gpu" in pins, "the container for cards needs it"
