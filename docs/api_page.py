"""The page docs/api.md: what the server says of its HTTP API, with the examples of api.toml."""

from __future__ import annotations

import asyncio
import json
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightline.server.app import create_app
from sightline.settings.settings import load_settings

EXAMPLES = Path(__file__).parent / "api.toml"
INTRO = """\
Every server describes its API itself: `/docs` for people, `/openapi.json` for programs. This page is made from that.

- Where the server asks for tokens, a call has `-H 'Authorization: Bearer TOKEN'` ([security](security.md)).
- Bodies and answers are JSON where nothing else is said. What is not as described is refused: 400 for what can't be
  read, 422 for a value that can't be. The answer then says what was got and what was expected:
  `{"error": {"code": "bad_setting", "message": "confidence: got 7, expected ...", "key": "confidence"}}`.
- 401 is *sign in first*, 403 *not allowed*, 404 *not there*, 409 *taken*, 413 *too large*, 429 *too many*, 503
  *not now*.
- Rules, zones, lines, outputs and settings have a `version`. With `If-Match: "VERSION"` one is changed or removed only
  where nobody else was faster, with `If-None-Match: *` it is set only where there is none. Else the answer is 412
  (`changed`), and nothing is done. Without these headers the last one wins.
- Every path with GET answers HEAD, too. Sockets are told in [protocol](protocol.md).
- All examples run as a test, one after the other: `tests/server/test_api_examples.py`. Words in capitals are
  ids of answers before; FROM and TO are seconds since 1970.
"""


def examples() -> dict[str, str]:
    """An example for each call, in the order in which they can be tried."""
    return tomllib.loads(EXAMPLES.read_text("utf-8"))


def described() -> Any:
    """The API as a server with default settings describes it."""

    async def ask(folder: str) -> Any:
        app = create_app(load_settings(data=Path(folder), model="motion", place="thread"))
        async with app.router.lifespan_context(app):  # transports add their routes when they begin
            return app.openapi()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(ask(folder))


def calls(api: Any) -> Iterator[tuple[str, Any]]:
    """Every call, such as ``GET /health``, and what is said of it."""
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def page() -> str:
    """The text below the title."""
    shown = examples()
    api = described()
    groups: dict[str, list[str]] = {}
    for call, operation in calls(api):
        groups.setdefault(operation["tags"][0], []).append(_section(call, operation, shown.get(call), api))
    parts = [f"## {tag.capitalize()}\n\n" + "\n".join(found) for tag, found in groups.items()]
    return "# HTTP API\n\n" + INTRO + "\n" + "\n".join(parts)


def _section(call: str, operation: Any, example: str | None, api: Any) -> str:
    told = operation.get("description", "").strip()
    lines = [f"### `{call}`", "", *([told, ""] if told else [])]
    rows = [_row(p["name"], p["schema"], required=False) for p in operation.get("parameters", []) if p["in"] == "query"]
    lines += ["| parameter | what |", "|---|---|", *rows, ""] if rows else []
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content["schema"], api)
        required = schema.get("required", ())
        fields = [_row(k, v, required=k in required) for k, v in schema.get("properties", {}).items()]
        lines += [f"| key of the body (`{kind}`) | what |", "|---|---|", *fields, ""] if fields else []
    good = [f"{status}{_kinds(answer)}" for status, answer in operation["responses"].items() if int(status) < 400]
    bad = [status for status in operation["responses"] if int(status) >= 400]
    lines += [f"Answers {', '.join(good)}; or {', '.join(bad)}.", ""]
    lines += [] if example is None else ["```sh", example.strip(), "```", ""]
    return "\n".join(lines)


def _row(name: str, schema: Any, *, required: bool) -> str:
    default = schema.get("default")
    more = ", required" if required else "" if default is None else f"; default `{json.dumps(default)}`"
    return f"| `{name}` | {_words(schema)}{more} |"


def _kinds(answer: Any) -> str:
    found = [
        _words(content["schema"]) if kind == "application/json" and content.get("schema") else kind
        for kind, content in answer.get("content", {}).items()
    ]
    return f" ({' or '.join(f'`{one}`' for one in found)})" if found else ""


def _resolved(schema: Any, api: Any) -> Any:
    name = schema.get("$ref", "").rpartition("/")[2]
    return api["components"]["schemas"][name] if name else schema


def _words(schema: Any) -> str:
    """A type in words, such as ``array of Zone`` or ``number (0 to 100)``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_words(one) for one in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(str(one) for one in schema['enum'])}"
    if "prefixItems" in schema:
        return f"[{', '.join(_words(one) for one in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"array of {_words(schema.get('items', {}))}"
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    reach = "" if low is None and high is None else f" ({_bound(low)} to {_bound(high)})"
    return ("bytes" if schema.get("format") == "binary" else str(schema.get("type", "anything"))) + reach


def _bound(value: Any) -> str:
    return "any" if value is None else f"{value:.16g}"
