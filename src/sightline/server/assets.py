"""Files of the pages: compressed once, and under an address that changes with them, so that browsers ask only once."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import stat
from functools import cache
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

WEB = Path(__file__).parents[1] / "web"
ALWAYS_ASK = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
"""Headers that make a browser check for changes each time (304 if none), so an upgrade is visible at once."""
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
PACKED = frozenset({".js", ".mjs", ".css", ".svg", ".webmanifest", ".wasm"})
"""Endings of files that compression makes smaller."""
STORED = ".gz"
"""Ending, after their own, of files that lie here compressed already: see packaging/npm/vendor.py."""
LARGE = 1 << 20
SERVICE_WORKER = "notify/service-worker.js"
"""It has a say in all pages, which a browser allows by a header alone. Its address must not change."""
VERSION = re.compile(r"[0-9a-f]{12}")
ENGLISH = "en"
LANGUAGES = "languages"
"""Folder of the other languages, a JSON file each."""
LANGUAGE = "lib/language.js"
PARTS = {LANGUAGE: ("language", "words", "classes", "said"), "lib/language-admin.js": ("admin",)}
"""The scripts that differ between languages: in the folder ``de`` each is these parts of German's file."""
MANIFEST = "icons/manifest.webmanifest"
"""What is shown of an installed page outside it, so it differs, too."""
COMMENTS = {
    ".js": re.compile(r"/\*\*(?:[^*]|\*(?!/))*\*/|^[ \t]*//.*$", re.M),
    ".css": re.compile(r"/\*(?:[^*]|\*(?!/))*\*/"),
}
IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom\s*"(\.[^"]+)"|^import\s*"(\.[^"]+)\"""", re.M)


@cache
def version() -> str:
    """A name that changes whenever one of the files does."""
    digest = hashlib.sha256()
    for path in sorted(path for path in WEB.rglob("*") if path.is_file()):
        size = path.stat().st_size
        # Of the large ones package-lock.json has the hashes.
        content = path.read_bytes() if size < LARGE else str(size).encode()
        digest.update(str(path.relative_to(WEB)).encode() + content)
    return digest.hexdigest()[:12]


def address(name: str, language: str = ENGLISH) -> str:
    """Address of a file that may be kept for ever. In another language scripts find all others in its folder, too."""
    return f"/static/{version()}/{'' if language == ENGLISH else f'{language}/'}{name}"


def _plain(path: str) -> tuple[str, str]:
    """Name of a file of ``web`` without the folder of a language, and the file that a language's own stands for.

    A language has the same files as English.
    """
    code, _, rest = path.partition("/")
    if not re.fullmatch("[a-z]{2}", code) or not (WEB / LANGUAGES / f"{code}.json").is_file():
        return path, LANGUAGE
    return (f"{LANGUAGES}/{code}.json", rest) if rest in (*PARTS, MANIFEST) else (rest, LANGUAGE)


@cache
def modules(entry: str) -> tuple[str, ...]:
    """The modules that a page's script imports, directly or not, by their names in ``web``."""
    found = [entry]
    for name in found:  # it grows meanwhile
        for one, other in IMPORT.findall((WEB / name).read_text("utf-8")):
            imported = os.path.normpath(f"{Path(name).parent}/{one or other}")
            if imported not in found:
                found.append(imported)
    return tuple(found)


class Assets(StaticFiles):
    """The files under ``/static/VERSION/``, and under ``/static/`` for pages of other people.

    An old version gives today's file: a page that is open while the server is upgraded goes on.
    """

    def __init__(self) -> None:
        super().__init__(directory=WEB)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See StaticFiles."""
        first, _, rest = path.partition("/")
        if VERSION.fullmatch(first):
            path = rest
        path, script = _plain(path)
        response = await self._packed(path, script, scope) or await super().get_response(path, scope)
        response.headers.update(FOREVER if first == version() else ALWAYS_ASK)
        if first == version():
            for name in ("etag", "last-modified"):  # nobody asks again whether it has changed
                del response.headers[name]
        if path == SERVICE_WORKER:
            response.headers["Service-Worker-Allowed"] = "/"
        return response

    async def _packed(self, path: str, script: str, scope: Scope) -> Response | None:
        file = WEB / path
        found, stored = self.lookup_path(path)[1], self.lookup_path(path + STORED)[1]
        known = found or stored
        language = file.parent == WEB / LANGUAGES
        if not (file.suffix in PACKED or language) or known is None or not stat.S_ISREG(known.st_mode):
            return None
        asked = Headers(scope=scope)
        takes = "gzip" in asked.get("accept-encoding", "")
        if scope["method"] not in ("GET", "HEAD") or not (takes or found is None or language):
            return None
        data = await run_in_threadpool(packed, file, script)
        headers = {"Content-Encoding": "gzip", "ETag": f'"{version()}-gzip"'}
        if not takes:
            data, headers = await run_in_threadpool(gzip.decompress, data), {"ETag": f'"{version()}"'}
        kind = FileResponse(script if language else file).media_type
        response = Response(data, headers=headers, media_type=kind)
        return NotModifiedResponse(response.headers) if self.is_not_modified(response.headers, asked) else response


def manifest(words: dict[str, str]) -> dict[str, Any]:
    """What browsers read of an installed page, in these words."""
    found: dict[str, Any] = json.loads((WEB / MANIFEST).read_text("utf-8"))
    for one in (found, *found["shortcuts"]):
        one |= {key: words.get(one[key], one[key]) for key in ("name", "description") if key in one}
    return found


@cache
def packed(path: Path, script: str = LANGUAGE) -> bytes:
    """A file as it is sent. Our own scripts and styles go without comments, but with every line where it was.

    Of a language's file the parts are sent that ``script`` has, or the manifest in its words.
    """
    stored = Path(f"{path}{STORED}")
    if stored.is_file():
        return stored.read_bytes()
    data = path.read_bytes()
    if path.parent == WEB / LANGUAGES:
        language = json.loads(data)
        parts = {name: language[name] for name in PARTS.get(script, ()) if name in language}
        data = b"export default " + json.dumps(parts, ensure_ascii=False).encode()
        if script == MANIFEST:
            data = json.dumps(manifest(language["words"]) | {"lang": path.stem}, ensure_ascii=False).encode()
    if path.suffix in COMMENTS and WEB / "vendor" not in path.parents:
        data = COMMENTS[path.suffix].sub(lambda comment: "\n" * comment[0].count("\n"), data.decode()).encode()
    return gzip.compress(data, 9 if len(data) < LARGE else 6, mtime=0)


class PackedApi(GZipMiddleware):
    """Compresses what the API tells, and no pictures."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See GZipMiddleware."""
        path = scope["path"] if scope["type"] == "http" else ""
        told = path == "/openapi.json" or (path.startswith("/api/") and not path.endswith(".jpg"))
        await (super().__call__ if told else self.app)(scope, receive, send)
