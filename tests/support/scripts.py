"""The texts in the pages' scripts: string literals and templates, with what stands before them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).parents[2] / "src" / "sightline" / "web"
BEFORE_REGEX = re.compile(r"(?:^|[(,=:\[!&|?{};<>+\-*%]|\b(?:return|case|typeof|of|in))\s*$")
NAME = re.compile(r"[\w$]+$")


@dataclass(frozen=True, slots=True)
class Text:
    """A literal. Its ``key`` has ``{1}`` and so on for expressions; its ``tag`` stands right before it."""

    path: str
    line: int
    key: str
    tag: str
    before: str
    start: int
    end: int
    after: str = ""


def scripts() -> list[Path]:
    """All of the pages' own scripts."""
    return [path for path in sorted(WEB.rglob("*.js")) if "vendor" not in path.parts]


def texts(source: str, path: str = "") -> list[Text]:
    """The literals of a script, in order; those inside of a template's expressions as well."""
    return _Reader(source, path).read()


class _Reader:
    def __init__(self, source: str, path: str) -> None:
        self._source = source
        self._path = path
        self._at = 0
        self._found: list[Text] = []

    def read(self) -> list[Text]:
        self._code(closing=False)
        return sorted(self._found, key=lambda text: text.start)

    def _code(self, *, closing: bool) -> None:
        """Read code; with ``closing`` to the brace that ends a template's expression."""
        depth = 0
        source = self._source
        while self._at < len(source):
            letter = source[self._at]
            if source.startswith(("//", "/*"), self._at):
                self._comment()
            elif letter in "\"'":
                self._string(letter)
            elif letter == "`":
                self._template()
            elif letter == "/" and BEFORE_REGEX.search(self._before(40)):
                self._regex()
            else:
                if closing and letter == "}" and depth == 0:
                    return
                depth += {"{": 1, "}": -1}.get(letter, 0)
                self._at += 1

    def _before(self, length: int = 120) -> str:
        """The code before this place, without comments."""
        text = self._source[max(0, self._at - length - 200) : self._at]
        return re.sub(r"/\*.*?\*/|(?<=\s)//[^\n]*", "", text, flags=re.S)[-length:]

    def _comment(self) -> None:
        end = "\n" if self._source[self._at + 1] == "/" else "*/"
        place = self._source.find(end, self._at)
        self._at = len(self._source) if place < 0 else place + len(end)

    def _string(self, quote: str) -> None:
        start = self._at
        found = re.compile(rf"{quote}((?:[^{quote}\\\n]|\\.)*){quote}").match(self._source, start)
        if found is None:
            raise ValueError(f"{self._path}:{self._line(start)}: a string that doesn't end")
        self._add(start, found.end(), _plain(found[1]))

    def _template(self) -> None:
        start = self._at
        self._at += 1
        key, count, chunk = "", 0, self._at
        while self._source[self._at] != "`":
            if self._source[self._at] == "\\":
                self._at += 2
            elif self._source.startswith("${", self._at):
                count += 1
                key += f"{_plain(self._source[chunk : self._at])}{{{count}}}"
                self._at += 2
                self._code(closing=True)
                self._at += 1
                chunk = self._at
            else:
                self._at += 1
        key += _plain(self._source[chunk : self._at])
        self._add(start, self._at + 1, key)

    def _regex(self) -> None:
        found = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*").match(self._source, self._at)
        self._at = found.end() if found else self._at + 1

    def _add(self, start: int, end: int, key: str) -> None:
        self._at = start
        before = self._before()
        tag = NAME.search(before) if self._source[start] == "`" else None
        after = self._source[end : end + 20]
        self._found.append(Text(self._path, self._line(start), key, tag[0] if tag else "", before, start, end, after))
        self._at = end

    def _line(self, at: int) -> int:
        return self._source.count("\n", 0, at) + 1


def _plain(text: str) -> str:
    """What an escaped text says."""
    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", lambda found: _letter(found[1], found[2]), text, flags=re.S)


def _letter(code: str | None, letter: str) -> str:
    if code:
        return chr(int(code, 16))
    return {"n": "\n", "t": "\t", "\n": ""}.get(letter, letter)
