"""The ``[cluster]`` table: other machines that this server works with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sightline.settings.machines import ClusterMachines

MOST_HUBS = 64
SHORTEST_SECRET = 16
"""Characters: what a person makes up is shorter, and could be guessed from a message that was overheard."""


def hub_address(text: str) -> str:
    """Return a hub's address as it is compared with others. Raises ValueError for one that is none."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
    if not plain or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("expected the address of a hub, http://HOST:PORT or https://HOST:PORT, and nothing after it")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    return f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 80)}"


HubAddress = Annotated[str, AfterValidator(hub_address)]


class Cluster(ClusterMachines):
    """Settings of what runs on several machines."""

    hubs: tuple[HubAddress, ...] = Field(default=(), max_length=MOST_HUBS)
    """Addresses of all hubs, this one among them, by which hubs reach each other. The same list on each."""
    secret: SecretStr | None = None
    """What hubs know each other by: the same on each."""
    ca: Path | None = None
    """PEM file with the authority of the hubs' certificates, besides those that the system trusts."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(set(self.hubs)) < len(self.hubs):
            raise ValueError("hubs: one address stands there twice; expected each once")
        if len(self.hubs) == 1:
            raise ValueError("hubs: got one address; expected those of all hubs, this one among them")
        secret = "" if self.secret is None else self.secret.get_secret_value()
        if self.hubs and len(secret) < SHORTEST_SECRET:
            raise ValueError(
                f"secret: expected at least {SHORTEST_SECRET} characters, the same on all hubs, as from "
                "`openssl rand -hex 32`"
            )
        return self
