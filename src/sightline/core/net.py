"""Host names and addresses."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

LONGEST = 300
"""Characters of a host name and its port. ``urlsplit`` keeps what it has seen, however long."""


def split_host(value: str) -> tuple[str, str]:
    """Host and port of a Host header: ``[::1]:80`` gives ``::1`` and ``80``. Empty where it makes no sense."""
    if len(value) > LONGEST or any(c in value for c in "@/\\?# "):
        return "", ""
    try:
        parts = urlsplit(f"//{value}")
        return parts.hostname or "", str(parts.port or "")
    except ValueError:
        return "", ""


def is_address(host: str) -> bool:
    """True for a literal IP address, which no DNS answer can turn into somebody else's page."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the loopback addresses."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
