"""Questions to a server over HTTP."""

from __future__ import annotations

import json
import ssl
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from sightline.client.answers import error_of
from sightline.client.links import CONNECT_S, Address, unreachable, untrusted
from sightline.core.errors import Unreachable


def ask(address: Address, path: str, body: bytes | None = None, *, method: str | None = None) -> bytes:
    """Return what the server answers: to a GET, to a POST of JSON, or to another ``method``. Raises SightlineError."""
    url = address.url.replace("ws", "http", 1) + path
    headers = {} if address.token is None else {"Authorization": f"Bearer {address.token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        with urlopen(
            Request(url, body, headers, method=method), timeout=CONNECT_S, context=address.context()
        ) as answer:
            return bytes(answer.read())
    except HTTPError as e:
        with e:
            raise _refused(url, e) from None
    except OSError as e:
        reason = e.reason if isinstance(e, URLError) else e
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise untrusted(address.url, reason) from None
        cause = reason if isinstance(reason, OSError) else e
        raise unreachable(address.url, cause, f"sightline serve --port {urlsplit(address.url).port or 80}") from None


def _refused(url: str, answer: HTTPError) -> Exception:
    try:
        error = json.loads(answer.read())["error"]
        return error_of(error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return Unreachable(f"{url} answered with HTTP status {answer.code}: expected Sightline's server")
