"""What the pages say to people, in English: the keys of a language's file, each with the place where it is said."""

from __future__ import annotations

import re

from sightline.server import assets, languages, pages
from support.scripts import WEB, Text, scripts, texts

PLURAL = re.compile(r"\bplural\((?:[^()\"`;]|\((?:[^()]|\([^()]*\))*\))*,\s*$")


def spoken() -> dict[str, str]:
    """All keys. One of ``plural(n, "viewer")`` is ``viewer|viewers``."""
    found: dict[str, str] = {}
    for path in sorted((WEB / "pages").glob("*.html")):
        if path.name not in pages.DOCUMENTS:
            for key in languages.texts(pages.whole(path.name)):
                found.setdefault(key, f"pages/{path.name}")
    manifest = assets.manifest({})
    for key in (manifest["description"], *(one["name"] for one in manifest["shortcuts"])):
        found.setdefault(key, assets.MANIFEST)
    for path in scripts():
        source = path.read_text("utf-8")
        said = texts(source, str(path.relative_to(WEB)))
        for number, text in enumerate(said):
            if one := _key(source, text, said[number + 1 : number + 2]):
                found.setdefault(one, f"{text.path}:{text.line}")
    return found


def _key(source: str, text: Text, following: list[Text]) -> str | None:
    if text.tag == "t":
        return text.key
    if text.tag or not PLURAL.search(text.before):
        return None
    many = [next_ for next_ in following if re.fullmatch(r"\s*,\s*", source[text.end : next_.start])]
    return f"{text.key}|{many[0].key if many else f'{text.key}s'}"
