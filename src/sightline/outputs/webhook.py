"""Output by POST of signed batches to an address. One request at a time needs only ``http.client`` in a thread."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPException
from threading import Thread
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec.structs import replace
from pydantic import Field, SecretStr

from sightline.core.errors import ConfigError, SinkError
from sightline.core.version import __version__
from sightline.outputs.base import Item, NobodyThere, Output, OutputSettings, What
from sightline.sources import _foreign
from sightline.sources.base import shown

AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses below 500 after which another try may help."""
AWAY = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}
"""Errors of connections in which nothing was sent."""

Connect: TypeAlias = Callable[[tuple[str, int], float], socket.socket]
"""Connects to a host and port within so many seconds."""


class WebhookSettings(OutputSettings):
    """POST of batches as JSON: ``{"results": [...], "events": [...]}``, each list only if it has items.

    ``picture``: how events bring their pictures. ``url``: as the field ``snapshot``, the address of the picture.
    ``multipart``: a form in place of JSON, with the JSON as ``json`` and each picture as a file ``picture``.
    """

    kind: Literal["webhook"]
    what: tuple[What, ...] = Field(("events",), min_length=1)
    url: SecretStr
    """Address, http or https. It is kept secret, as addresses of hooks often contain secrets."""
    secret: SecretStr | None = None
    """Key of the header ``Sightline-Signature``: ``sha256=`` and the hex of the body's HMAC-SHA256."""
    batch: int = Field(50, ge=1, le=1000)
    """Maximum number of results and events in one request."""
    every_s: float = Field(1.0, ge=0, le=60)
    """Seconds for which results and events are gathered. Alerts are not held up."""
    timeout_s: float = Field(10, gt=0, le=120)
    """Seconds for a whole request and its answer."""
    retries: int = Field(5, ge=0, le=20)
    """Number of retries before a batch is given up. Events wait for as long as nobody answers at the address."""
    picture: Literal["url", "multipart", "none"] = "url"


Settings = WebhookSettings


def check(settings: WebhookSettings) -> None:
    """Raise ConfigError unless the address begins with http:// or https://, and has a host and a port that can be."""
    try:
        parts = urlsplit(settings.url.get_secret_value())
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return
    except ValueError:
        pass
    raise ConfigError("expected a url that begins with http:// or https://, with a host")


def open(settings: WebhookSettings) -> WebhookOutput:
    """Make the output. It connects for each request."""
    return WebhookOutput(settings)


def machine(settings: WebhookSettings) -> tuple[str, int]:
    """Return host and port. Raises ConfigError."""
    url = settings.url.get_secret_value()
    try:
        host, port = _foreign.place_of(url)
    except _foreign.Refused:
        raise ConfigError("expected a url with a host: https://HOST/...") from None
    if _foreign.UNSEEN.search(url):
        raise ConfigError("expected a url without spaces, control characters or backslashes")
    return host, port or (443 if urlsplit(url).scheme == "https" else 80)


def open_foreign(settings: WebhookSettings) -> WebhookOutput:
    """Make an output that a client named. Each request goes to an address that was checked."""
    return WebhookOutput(settings, _foreign.connect)


class _Connection(http.client.HTTPConnection):
    """A connection for one request. It follows no redirections: a signed body goes only to the operator's address."""

    def __init__(self, url: str, connect: Connect, seconds: float) -> None:
        parts = urlsplit(url)
        self.default_port = 443 if parts.scheme == "https" else 80
        super().__init__(unquote(parts.hostname or ""), parts.port or self.default_port, timeout=seconds)
        self._connect, self._seconds, self._ended = connect, seconds, False
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def connect(self) -> None:
        """Connect, with TLS if the address says so. Raises Refused or OSError."""
        self.sock = self._connect((self.host, self.port), self._seconds)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        if self._ended:
            raise ConnectionAbortedError
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Return the status of the answer. Raises HTTPException, Refused or OSError."""
        self.request("POST", self._path, body, {**headers, "Connection": "close"})
        with closing(self.getresponse()) as answer:
            return answer.status

    def end(self) -> None:
        """Break off, from another thread, whatever the other side still sends."""
        self._ended = True
        if (there := self.sock) is not None:
            with suppress(OSError):
                socket.socket.shutdown(there, socket.SHUT_RDWR)  # TLS's own would have to be heard by the thread


class WebhookOutput(Output):
    """Sends one request at a time. Items that come meanwhile wait for the next one."""

    def __init__(self, settings: WebhookSettings, connect: Connect = socket.create_connection) -> None:
        self._url = settings.url.get_secret_value()
        self.name = f"webhook {shown(self._url)}"
        self.batch = settings.batch
        self.every_s = settings.every_s
        self.retries: int | None = settings.retries
        self.pictures = settings.picture == "multipart"
        self._picture = settings.picture
        self._secret = None if settings.secret is None else settings.secret.get_secret_value().encode()
        self._timeout_s = settings.timeout_s
        self._connect = connect

    async def send(self, batch: Sequence[Item]) -> None:
        """POST the items. Raises OSError if another try may help, SinkError if the other side refuses them."""
        body, kind = form_of(batch) if self.pictures else (body_of(self._shown(batch)), "application/json")
        answered: Future[None] = Future()
        answered.set_running_or_notify_cancel()
        connection = _Connection(self._url, self._connect, self._timeout_s)
        # Python would wait for a pool's threads at exit, and so the server's end for a web server that hangs.
        Thread(target=self._answer, args=(connection, body, kind, answered), name="output-webhook", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.wrap_future(answered)
        except TimeoutError:
            raise OSError(f"no whole answer came within {self._timeout_s:g} s") from None
        finally:
            connection.end()

    async def close(self) -> None:
        """Do nothing, as nothing stays open between requests."""

    def _shown(self, batch: Sequence[Item]) -> Sequence[Item]:
        """Return the items without their pictures' addresses, where nobody wants them."""
        if self._picture == "url":
            return batch
        return [
            item if item.event is None else item._replace(body=msgspec.json.encode(replace(item.event, snapshot="")))
            for item in batch
        ]

    def _answer(self, connection: _Connection, body: bytes, kind: str, answered: Future[None]) -> None:
        try:
            with closing(connection):
                self._post(connection, body, kind)
        except Exception as e:  # noqa: BLE001 - raised in ``send``
            answered.set_exception(e)
        else:
            answered.set_result(None)

    def _post(self, connection: _Connection, body: bytes, kind: str) -> None:
        headers = {"Content-Type": kind, "User-Agent": f"sightline/{__version__}"}
        if self._secret is not None:
            headers["Sightline-Signature"] = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}"
        try:
            status = connection.post(body, headers)
        except HTTPException as e:
            raise OSError(f"the answer is no HTTP ({type(e).__name__})") from None
        except OSError as e:
            if isinstance(e, socket.gaierror) or e.errno in AWAY:
                raise NobodyThere(str(e)) from None
            raise
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in AGAIN:
            raise OSError(f"HTTP status {status}")
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise SinkError(f"HTTP status {status}")


def body_of(batch: Sequence[Item]) -> bytes:
    """The body of a request: lists of results and of events, each only if it has items."""
    lists = []
    for what in ("results", "events"):
        items = [item.body for item in batch if item.what == what]
        if items:
            lists.append(b'"%s":[%s]' % (what.encode(), b",".join(items)))
    return b"{" + b",".join(lists) + b"}"


def form_of(batch: Sequence[Item]) -> tuple[bytes, str]:
    """A request's body as ``multipart/form-data``, and its type: ``json``, then a file ``picture`` for each picture.

    The same items make the same bytes, so that a further try is signed as the first was.
    """
    parts = [(b'name="json"', b"application/json", body_of(batch))]
    for item in batch:
        if item.event is not None and item.picture is not None:
            name = re.sub(r"[^A-Za-z0-9_-]", "_", item.event.id)[:100]
            parts.append((b'name="picture"; filename="%s.jpg"' % name.encode(), b"image/jpeg", item.picture))
    boundary = hashlib.sha256(b"".join(data for *_, data in parts)).hexdigest()[:48].encode()
    heads = [
        b"--%s\r\nContent-Disposition: form-data; %s\r\nContent-Type: %s\r\n\r\n" % (boundary, name, kind)
        for name, kind, _ in parts
    ]
    body = b"".join(head + data + b"\r\n" for head, (*_, data) in zip(heads, parts, strict=True))
    return body + b"--%s--\r\n" % boundary, f"multipart/form-data; boundary={boundary.decode()}"
