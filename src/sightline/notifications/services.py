"""Push services by the address that a browser subscribed with. No other address is ever asked for anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from sightline.core.errors import BadRequest

SERVICES = {
    "Google": "fcm.googleapis.com",
    "Mozilla": "push.services.mozilla.com",
    "Apple": "push.apple.com",
    "Microsoft": "notify.windows.com",
}
"""Domains of the services of all browsers. An address is in the domain, or in one below it."""

HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:.]+")


def service_of(endpoint: str, allowed: Sequence[str] = ()) -> str:
    """Return the name of a known service, or the origin that the operator allowed. Raises BadRequest.

    ``allowed``: origins besides the known services, such as ``https://push.example``.
    """
    try:
        parts = urlsplit(endpoint)
        host, port, origin = (parts.hostname or "").lower(), parts.port, f"{parts.scheme}://{parts.netloc}".lower()
    except ValueError:
        host, port, origin = "", None, ""
    if not HOST.fullmatch(host) or any(not "!" <= letter <= "~" for letter in endpoint):
        origin = ""
    if origin in {one.rstrip("/").lower() for one in allowed}:
        return origin
    if origin.startswith("https://") and "@" not in origin and port in (None, 443):
        for name, domain in SERVICES.items():
            if host == domain or host.endswith(f".{domain}"):
                return name
    raise BadRequest(
        f"endpoint {endpoint[:80]!r}: expected an address of the push service of {', '.join(SERVICES)}; "
        "the setting push_services allows others"
    )
