"""Languages of the pages. English stands in the pages themselves; any other language is one file, ``web/languages``.

``words`` has a text for each English one: of the pages' HTML, and of the calls t`...` and plural() in their scripts.
``classes`` has the names of models' classes, ``said`` sentences of the server, such as errors, with ``{1}`` for what
differs, ``admin`` those that only the settings page shows. A page in another language comes with its words filled in,
and its scripts from an address of their own, at which ``lib/language.js`` has that language's file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from html import escape, unescape
from typing import Any, TypedDict

from starlette.requests import HTTPConnection

from sightline.server.assets import ENGLISH, LANGUAGE, LANGUAGES, PARTS, WEB

COOKIE = "sightline_language"
"""What a person chose on a page. Without it the browser's own languages count."""
VARY = "Accept-Encoding, Accept-Language, Cookie"
TAG = re.compile(r"(<!--.*?-->|<(?:script|style)\b.*?</(?:script|style)>|<!?/?[a-z][^>]*>)", re.S)
INLINE = re.compile(r"</?(?:kbd|q|code|em|b|strong)>")
"""Tags that belong to the sentence around them."""
SPOKEN = re.compile(r'(?<= )(aria-label|title|placeholder|alt)="([^"]+)"|(?<=name="description" )(content)="([^"]+)"')
UNSPOKEN = re.compile(r"<[^>]+>|&\w+;|\{\w+\}|\bSightline\b")


class Language(TypedDict):
    """A language's file."""

    language: str
    words: dict[str, str]
    classes: dict[str, str]
    said: dict[str, str]
    admin: dict[str, str]


@cache
def languages() -> dict[str, Language]:
    """All languages but English, by their code."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((WEB / LANGUAGES).glob("*.json"))}


def of(code: str) -> Language:
    """A language's file; an empty one for English."""
    return languages().get(code) or Language(language=ENGLISH, words={}, classes={}, said={}, admin={})


def spoken(code: str) -> dict[str, Any]:
    """What every page needs of a language's file."""
    return {name: part for name, part in of(code).items() if name in PARTS[LANGUAGE]}


def wanted(connection: HTTPConnection) -> str:
    """The language that somebody wants: by the address, by what they chose before, or by the browser's languages."""
    for code in (connection.query_params.get("language"), connection.cookies.get(COOKIE)):
        if code == ENGLISH or code in languages():
            return str(code)
    ranked = sorted(_accepted(connection.headers.get("accept-language", "")), reverse=True)
    return next((code for weight, _, code in ranked if weight and (code == ENGLISH or code in languages())), ENGLISH)


def _accepted(header: str) -> Iterator[tuple[float, int, str]]:
    """Weight, place and language of each entry of an ``Accept-Language``."""
    for place, entry in enumerate(header[:1000].split(",")):
        found = re.fullmatch(r"\s*([a-z]{2,3})\b[\w-]*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*", entry, re.IGNORECASE)
        if found:
            yield float(found[2] or 1), -place, found[1].lower()


def translated(html: str, code: str) -> str:
    """A page's HTML in a language."""
    if code == ENGLISH:
        return html
    words = languages()[code]["words"]
    return _each(html.replace('<html lang="en">', f'<html lang="{code}">'), lambda text: words.get(text, text))


def texts(html: str) -> list[str]:
    """The English texts of a page, with the tags inside a sentence."""
    found: list[str] = []
    _each(html, lambda text: found.append(text) or text)  # type: ignore[func-returns-value]
    return found


def _each(html: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    sentence = ""
    for part in [*TAG.split(html), "<end>"]:
        if not part.startswith("<") or INLINE.fullmatch(part):
            sentence += part
            continue
        parts.append(_changed(sentence, change))
        sentence = ""
        parts.append(SPOKEN.sub(lambda found: _attribute(found, change), part) if part[1:2].isalpha() else part)
    return "".join(parts[:-1])


def _changed(sentence: str, change: Callable[[str], str]) -> str:
    """A sentence that was changed, with the spaces that were around it."""
    text = " ".join(sentence.split())
    if not re.search(r"[A-Za-z]{2}", UNSPOKEN.sub("", text)):
        return sentence
    begin = sentence[: len(sentence) - len(sentence.lstrip())]
    end = sentence[len(sentence.rstrip()) :]
    return f"{begin}{change(text)}{end}"


def _attribute(found: re.Match[str], change: Callable[[str], str]) -> str:
    name, text = (found[1], found[2]) if found[1] else (found[3], found[4])
    said = change(unescape(text)) if re.search(r"[A-Za-z]{2}", text) else unescape(text)
    return f'{name}="{escape(said)}"'


def options() -> str:
    """The choice of a language, each by its own name."""
    names = {ENGLISH: "English", **{code: one["words"]["English"] for code, one in languages().items()}}
    return "".join(f'<option value="{code}" lang="{code}">{escape(name)}</option>' for code, name in names.items())


def said(sentence: str, code: str) -> str:
    """A sentence of the server in a language; as it is where the language's file does not know it."""
    for key, text in languages()[code]["said"].items() if code != ENGLISH else ():
        pattern = "(.*?)".join(re.escape(part) for part in re.split(r"\{\d+\}", key))
        if found := re.fullmatch(pattern, sentence, re.S):
            return re.sub(r"\{(\d+)\}", lambda place: found[int(place[1])], text)
    return sentence
