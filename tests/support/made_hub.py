"""A hub on this machine: serves made files as the real one serves its own, and misbehaves where it is told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" * 6 + "c0ff"
LARGE = 10_000
"""Bytes from which a file is a large one: kept elsewhere, under its sha256."""


@dataclass
class MadeHub:
    """What is served, and how badly. Addresses: ``/OWNER/NAME/resolve/REVISION/FILE``, and plain ``/FILE``."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By OWNER/NAME/FILE or FILE."""
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    """After so many bytes of the body the connection breaks, one number an answer with a body."""
    statuses: list[int] = field(default_factory=list)
    """Answered before anything else."""
    names_hashes: bool = True
    names_commit: bool = True
    sends_to: str = ""
    """Where large files are said to be instead of here."""
    odd: dict[str, str] = field(default_factory=dict)
    """Headers of answers with a body, in place of the right ones."""
    hold: threading.Event | None = None
    """Bodies end only after it is set."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Paths and the Range header of all requests."""


@contextmanager
def made_hub() -> Iterator[MadeHub]:
    """Serve until the block ends."""
    hub = MadeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            hub.asked.append((self.path, self.headers.get("Range", "")))
            if hub.statuses:
                self._empty(hub.statuses.pop(0))
            elif path.startswith("/stored/"):
                self._body(next(b for b in hub.files.values() if _sha256(b) == path.rpartition("/")[2]), {})
            elif "/resolve/" in path:
                repository, _, rest = path[1:].partition("/resolve/")
                revision, _, name = rest.partition("/")
                self._of_repository(hub.files.get(f"{repository}/{name}"), COMMIT if revision == "main" else revision)
            elif path[1:] in hub.files:
                self._body(hub.files[path[1:]], {})
            else:
                self._empty(404)

        def _of_repository(self, body: bytes | None, commit: str) -> None:
            if body is None:
                self._empty(404)
                return
            headers = {"X-Repo-Commit": commit} if hub.names_commit else {}
            if len(body) < LARGE:
                git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
                self._body(body, headers | ({"ETag": f'"{git}"'} if hub.names_hashes else {}))
                return
            if hub.names_hashes:
                headers["X-Linked-ETag"] = f'"{_sha256(body)}"'
            place = hub.sends_to or f"{hub.url}/stored/{_sha256(body)}?signature=secret"
            self._empty(302, headers | {"Location": place, "ETag": '"of-this-answer"'})

        def _body(self, body: bytes, headers: dict[str, str]) -> None:
            asked = self.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
            start = int(asked) if asked and hub.ranges else 0
            if start and start >= len(body):
                self._empty(416)
                return
            self.send_response(206 if start else 200)
            headers |= {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
            headers |= {"Content-Length": str(len(body) - start), "Connection": "close"}
            for key, value in (headers | hub.odd).items():
                self.send_header(key, value)
            self.end_headers()
            part = body[start:]
            if hub.breaks:
                part = part[: hub.breaks.pop(0)]
            self.close_connection = True
            with suppress(ConnectionError):  # who has enough hangs up
                self.wfile.write(part[: len(part) // 2])
                self.wfile.flush()
                if hub.hold is not None:
                    hub.hold.wait(60)
                self.wfile.write(part[len(part) // 2 :])

        def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        if hub.hold is not None:
            hub.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
