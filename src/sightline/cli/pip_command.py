"""Install commands for the environment that Sightline runs in, which may differ from the shell's."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path


def exactly(text: str) -> str:
    """The text with each ``pip install`` and ``pip uninstall -y`` turned into a command for this environment."""
    pip = shutil.which("pip")
    if pip is not None and Path(pip).parent == Path(sys.executable).parent:
        return text
    python = subprocess.list2cmdline([sys.executable]) if os.name == "nt" else shlex.quote(sys.executable)
    if importlib.util.find_spec("pip") is None and shutil.which("uv"):  # environments made by uv have no pip
        return re.sub(r"(?<!\S)pip (install|uninstall)( -y)?", lambda m: f"uv pip {m[1]} --python {python}", text)
    return re.sub(r"(?<!\S)pip (?=install|uninstall)", lambda _: f"{python} -m pip ", text)
