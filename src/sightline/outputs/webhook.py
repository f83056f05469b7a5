"""POST of batches to an address, signed. ``urllib`` in a thread: one request at a time needs no library."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import urllib.error
import urllib.request
from concurrent.futures import Future
from http import HTTPStatus
from threading import Thread
from typing import Any

from sightline.core.errors import SinkError
from sightline.core.version import __version__
from sightline.settings.outputs import WebhookSink
from sightline.sources.base import shown

AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses below 500 after which it is worth another try."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """A signed body goes where the operator said, nowhere else."""


class WebhookOutlet:
    """One request at a time. What comes meanwhile waits for the next."""

    def __init__(self, settings: WebhookSink) -> None:
        self._url = settings.url.get_secret_value()
        self.name = f"webhook {shown(self._url)}"
        self.batch = settings.batch
        self.every_s = settings.every_s
        self.retries: int | None = settings.retries
        self._secret = None if settings.secret is None else settings.secret.get_secret_value().encode()
        self._timeout_s = settings.timeout_s
        # Proxies are not taken from the environment, which is read in config.py only.
        self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))

    async def send(self, batch: list[tuple[str, bytes]]) -> None:
        """POST them. Raises OSError where another try may help, SinkError where the other side refuses them."""
        body = b'{"results":[' + b",".join(line for _, line in batch) + b"]}"
        answered: Future[None] = Future()
        answered.set_running_or_notify_cancel()
        # Not of a pool: Python would wait for its threads, and the server's end for a web server that hangs.
        Thread(target=self._answer, args=(body, answered), name="sink-webhook", daemon=True).start()
        await asyncio.wrap_future(answered)

    async def close(self) -> None:
        """Nothing stays open between requests."""

    def _answer(self, body: bytes, answered: Future[None]) -> None:
        try:
            self._post(body)
        except Exception as e:  # noqa: BLE001 - told where it is waited for
            answered.set_exception(e)
        else:
            answered.set_result(None)

    def _post(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": f"sightline/{__version__}"}
        if self._secret is not None:
            headers["Sightline-Signature"] = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}"
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout_s):
                pass
        except urllib.error.HTTPError as e:
            e.close()
            told = f"HTTP status {e.code}"
            if e.code >= HTTPStatus.INTERNAL_SERVER_ERROR or e.code in AGAIN:
                raise OSError(told) from None
            raise SinkError(told) from None
        except urllib.error.URLError as e:
            raise OSError(str(e.reason)) from None
