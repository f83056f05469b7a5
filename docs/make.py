"""Makes the pages of docs/ that are made: api, cli, settings. ``--check`` only says whether they are up to date."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import api_page
from pydantic import BaseModel
from typer.main import get_command

from sightline.cli import app
from sightline.settings.changes import SettingChanges
from sightline.settings.settings import PREFIX, Settings

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/make.py: change the code, then run make docs. -->\n"


def cli() -> str:
    """Every command with its arguments and options."""
    root: Any = get_command(app)
    lines = [MADE, "# Command line", "", root.help, ""]
    for name, command in sorted(_commands(root)):
        told = [parameter for parameter in command.params if parameter.name != "help" and not parameter.hidden]
        lines += [f"## `sightline {name}`", "", " ".join(command.help.split("\n\n")[0].split()), ""]
        lines += [" ".join(part.split()) + "\n" for part in command.help.split("\n\n")[1:] if part.strip()]
        if told:
            lines += ["| argument or option | what |", "|---|---|"]
            lines += [f"| `{_names(one)}` | {_meaning(one)} |" for one in told]
            lines.append("")
    return "\n".join(lines)


def _commands(group: Any, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found += [(prefix + name, command)] if command.invoke_without_command else []
            found += _commands(command, f"{prefix}{name} ")
        else:
            found.append((prefix + name, command))
    return found


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
    else:
        name = " ".join([", ".join([*parameter.opts, *parameter.secondary_opts]), *filter(None, [parameter.metavar])])
    return str(name).replace("|", r"\|")


def _meaning(parameter: Any) -> str:
    """The help of an argument or option, with its default where the help itself has none."""
    said = " ".join((parameter.help or "").split()).replace("|", "/")
    if parameter.param_type_name == "option" and parameter.required:
        return f"{said} Required."
    if parameter.default is None or parameter.default is False:
        return said
    default = parameter.opts[0] if parameter.default is True else parameter.default
    return f"{said} Default: {default}."


def settings() -> str:
    """Every setting with its variable, default and meaning."""
    lines = [
        MADE,
        "# Settings",
        "",
        "Each is a key of `sightline.toml` in the current folder (or the file that `SIGHTLINE_CONFIG` names) and an",
        "environment variable. The file is weaker than the environment, the environment weaker than the command line.",
        "Unknown keys are refused. In variables lists are JSON: `SIGHTLINE_ALLOWED_HOSTS='[\"cam.example\"]'`.",
        "",
        "The page `/settings` shows admins what is set and where it comes from, and so does `GET /api/settings`.",
        "Passwords and addresses of cameras and outputs are hidden. While the server runs, these change there, or by",
        f"`PATCH /api/settings`: {_spoken(SettingChanges.model_fields)}.",
        "What file, environment or command line say is changed where they say it. What was changed here is kept in",
        "`settings.json` of the data folder, which may be edited by hand: the server follows within a second.",
        "All other settings need a restart.",
        "",
        "| key | variable | default | what |",
        "|---|---|---|---|",
    ]
    for key, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "none" if default in (None, (), {}) or isinstance(default, BaseModel) else default
        if isinstance(shown, bool):
            shown = str(shown).lower()
        elif isinstance(shown, tuple):
            shown = json.dumps(shown)
        about = re.sub(r"docs/([\w-]+)\.md", r"[\1](\1.md)", str(field.description))
        lines.append(f"| `{key}` | `{PREFIX}{key.upper()}` | {shown} | {about} |")
    return "\n".join([*lines, ""])


def _spoken(names: Iterable[str]) -> str:
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}"


PAGES = {"api.md": lambda: MADE + api_page.page(), "cli.md": cli, "settings.md": settings}


def main() -> None:
    """Write the pages, or with ``--check`` end with status 1 where one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    made = {name: page() for name, page in PAGES.items()}
    stale = [name for name, text in made.items() if not (DOCS / name).is_file() or (DOCS / name).read_text() != text]
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run make docs")
    for name in stale:
        (DOCS / name).write_text(made[name])


if __name__ == "__main__":
    main()
