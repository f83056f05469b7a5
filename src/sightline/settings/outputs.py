"""What the operator can say of a sink: a table ``[[sinks]]`` of the settings file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class _Sink(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    stream: str = Field("*", pattern=r"^(\*|[A-Za-z0-9_-]{1,64})$")
    """Its name, or ``*`` for all."""


class JsonlSink(_Sink):
    """A file of JSON lines, the newest at its end; full ones become ``path.1``, ``path.2`` ..."""

    kind: Literal["jsonl"]
    path: Path
    max_bytes: int = Field(64 << 20, ge=1024)
    keep: int = Field(5, ge=0, le=1000)
    """Full files kept."""


class WebhookSink(_Sink):
    """POST of batches as JSON: ``{"results": [...]}``."""

    kind: Literal["webhook"]
    url: SecretStr
    """http or https; addresses of hooks are often secrets themselves."""
    secret: SecretStr | None = None
    """With it, ``Sightline-Signature: sha256=`` and the hex of the body's HMAC-SHA256 is sent."""
    batch: int = Field(50, ge=1, le=1000)
    """Results at most in one request."""
    every_s: float = Field(1.0, ge=0, le=60)
    """So long results are gathered."""
    timeout_s: float = Field(10, gt=0, le=120)
    retries: int = Field(5, ge=0, le=20)
    """Then the batch is lost."""


class MqttSink(_Sink):
    """Each result as a message of a broker's topic."""

    kind: Literal["mqtt"]
    host: str
    port: int = Field(1883, ge=1, le=65535)
    topic: str = "sightline/{stream}"
    qos: Literal[0, 1] = 0
    tls: bool = False
    username: str | None = None
    password: SecretStr | None = None


SinkSettings: TypeAlias = Annotated[JsonlSink | WebhookSink | MqttSink, Field(discriminator="kind")]
