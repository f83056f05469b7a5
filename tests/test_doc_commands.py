"""What the docs tell people to type is there: commands with their options, calls of the API."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from api_page import calls, described
from typer.main import get_command

from sightline.cli import app
from test_docs import PAGES, ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
INDENTED = re.compile(r"^    (\S.*)$", re.M)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
COMMAND = re.compile(r"(?:^|[\s(/])(sightline [a-z-].*)$")
CALL = re.compile(
    r"(?:curl .*?-X )?\b(GET|POST|PUT|PATCH|DELETE)\b (?:\S*localhost:8000|\S*127\.0\.0\.1:8000)?(/[\w/{}.-]+)"
)
SHELL = ("", "sh")
"""Languages of blocks that have commands."""
SIGHTLINE: Any = get_command(app)


def typed(text: str) -> list[str]:
    """Whatever a page has as code that may be a command: lines of blocks, and spans."""
    blocks = [code.replace("\\\n", " ") for language, code in FENCE.findall(text) if language in SHELL]
    rest = FENCE.sub("", text)
    spans = [" ".join(span.split()) for span in SPAN.findall(rest)]
    return [*"\n".join(blocks).splitlines(), *INDENTED.findall(rest), *spans]


def commands(text: str) -> list[str]:
    """The commands of Sightline on a page, without what a shell does with them."""
    found = [COMMAND.search(line) for line in typed(text)]
    return [re.split(r" #| \| | > |\)|  ", one[1])[0] for one in found if one is not None]


def refused(command: str) -> str:
    """Why a command is none; empty where it is one, or the beginning of one."""
    words = shlex.split(command)[1:]
    here = SIGHTLINE
    while words and words[0] in getattr(here, "commands", {}):
        here = here.commands[words.pop(0)]
    if hasattr(here, "commands"):
        return f"no command {words[0]}" if words and not words[0].startswith("-") else ""
    try:
        here.make_context(here.name, words)
    except Exception as e:  # noqa: BLE001 - typer has its own, and keeps their class to itself
        beginning = type(e).__name__ in ("MissingParameter", "BadOptionUsage", "Exit")
        return "" if beginning else str(getattr(e, "message", e))
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_and_their_options_exist(page: Any) -> None:
    if page.name != "CHANGELOG.md":  # which tells what was
        told = {command: why for command in commands(page.read_text("utf-8")) if (why := refused(command))}
        assert told == {}


def test_a_command_that_is_none_is_noticed() -> None:
    text = "```\nsightline run a --nope\n```\n`sightline nope` `sightline run --conf` `sightline bench frame --fps x`"
    assert [command for command in commands(text) if refused(command)] == [
        "sightline run a --nope",
        "sightline nope",
        "sightline bench frame --fps x",
    ]


def test_calls_of_the_api_exist() -> None:
    known = [call.split(" ", 1) for call, _ in calls(described())]
    patterns = [(method, re.sub(r"\\{.*?\\}", "[^/]+", re.escape(path))) for method, path in known]
    named = [
        (page.name, method, path.rstrip("./"))
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for method, path in CALL.findall("\n".join(typed(page.read_text("utf-8"))))
    ]
    assert len(named) > 200
    gone = [
        (page, method, path)
        for page, method, path in named
        if path != "/openapi.json" and not any(method == m and re.fullmatch(p, path) for m, p in patterns)
    ]
    assert gone == []
