"""Output to an MQTT broker, through aiomqtt (extra ``mqtt``), and Home Assistant's MQTT discovery."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SecretStr, model_validator

from sightline.core.errors import ConfigError
from sightline.core.install import install_command
from sightline.outputs.base import Item, Output, OutputSettings, Resident, What
from sightline.sources import _foreign

if TYPE_CHECKING:
    import aiomqtt

    from sightline.outputs.mqtt.home_assistant import HomeAssistant
    from sightline.streams.hub import Hub
    from sightline.streams.rendering import Drawing

QUIET = logging.getLogger(f"{__name__}.aiomqtt")
"""Gets aiomqtt's lines about each try that fails. It raises that as well, and it is said once."""
QUIET.setLevel(logging.CRITICAL)
BOUND = {"password": ("host", "port", "tls")}
"""Another machine would learn the password, or whoever listens."""


class MqttSettings(OutputSettings):
    """Each result and event as a message on a broker's topic."""

    kind: Literal["mqtt"]
    host: str
    port: int = Field(1883, ge=1, le=65535)
    what: tuple[What, ...] = ("results",)
    """Sent on ``topic``. With ``home_assistant`` nothing by default, beside what that sends."""
    topic: str = "sightline/{stream}"
    """``{stream}`` stands for the stream's name, ``{what}`` for ``results`` or ``events``."""
    qos: Literal[0, 1] = 0
    tls: bool = Field(False, strict=True)
    username: str | None = None
    password: SecretStr | None = None
    home_assistant: bool = Field(False, strict=True)
    """Tell Home Assistant of each stream by MQTT discovery."""
    control: bool = Field(False, strict=True)
    """Let whoever may publish at the broker switch detection and rules, and choose models."""
    node: str = Field("sightline", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of this server at the broker: first part of its topics for Home Assistant, and of its entities' ids."""
    discovery_prefix: str = Field("homeassistant", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Home Assistant's own setting of that name."""

    @model_validator(mode="before")
    @classmethod
    def _default_what(cls, given: Any) -> Any:
        return {"what": (), **given} if isinstance(given, dict) and given.get("home_assistant") is True else given

    @model_validator(mode="after")
    def _check_together(self) -> MqttSettings:
        if not self.home_assistant and not self.what:
            raise ValueError("what is empty: expected results, events or alerts, or home_assistant = true")
        if self.control and not self.home_assistant:
            raise ValueError("control without home_assistant: expected both")
        return self


Settings = MqttSettings


def check(settings: MqttSettings) -> None:
    """Raise ConfigError if aiomqtt is not installed."""
    if find_spec("aiomqtt") is None:
        raise ConfigError(f"aiomqtt is not installed; run: {install_command('mqtt')}")


def open(settings: MqttSettings) -> MqttOutput:
    """Make the output. It connects with the first message."""
    return MqttAndHomeAssistant(settings) if settings.home_assistant else MqttOutput(settings)


def machine(settings: MqttSettings) -> tuple[str, int]:
    """Return host and port. Raises ConfigError."""
    if not settings.host or _foreign.UNSEEN.search(settings.host) or "/" in settings.host:
        raise ConfigError("host: expected the name or address of a machine")
    return settings.host, settings.port


def open_foreign(settings: MqttSettings) -> MqttOutput:
    """Make an output that a client named. It connects to addresses that were checked."""
    output = open(settings)
    output.foreign = True
    return output


class MqttOutput(Output):
    """Publishes items. It connects when there is something to send, and again after losing the connection."""

    batch = 256
    every_s = 0.0
    retries: int | None = None
    foreign = False
    """Whether a client named the broker."""

    def __init__(self, settings: MqttSettings) -> None:
        self.name = f"mqtt {settings.host}:{settings.port}"
        self._settings = settings
        self._client: aiomqtt.Client | None = None

    async def send(self, batch: Sequence[Item]) -> None:
        """Publish the items. Raises OSError, after which a retry may publish some of them twice."""
        import aiomqtt

        from sightline.outputs.mqtt.client import ANSWER_S

        try:
            if self._client is None:
                self._client = await (await self._make_client()).__aenter__()
            for item in batch:
                topic = self._settings.topic.replace("{stream}", item.stream).replace("{what}", item.what)
                await self._client.publish(topic, item.body, qos=self._settings.qos, timeout=ANSWER_S)
        except aiomqtt.MqttError as e:
            await self.close()
            raise OSError(str(e)) from None

    async def close(self) -> None:
        """Disconnect from the broker."""
        import aiomqtt

        client, self._client = self._client, None
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except aiomqtt.MqttError:
                return  # it was gone already

    async def _machine(self) -> str:
        """Return what to connect to. With TLS that is the name, by which the certificate is checked."""
        given = self._settings
        if not self.foreign:
            return given.host
        address = await asyncio.to_thread(_foreign.reachable, given.host, given.port)
        return given.host if given.tls else address

    async def _make_client(self, will: aiomqtt.Will | None = None) -> aiomqtt.Client:
        from sightline.outputs.mqtt.client import ANSWER_S, BrokerClient

        given = self._settings
        client = BrokerClient(
            await self._machine(),
            given.port,
            username=given.username,
            password=None if given.password is None else given.password.get_secret_value(),
            tls_context=ssl.create_default_context() if given.tls else None,
            will=will,
            timeout=ANSWER_S,
            logger=QUIET,
            max_queued_incoming_messages=256,
        )
        client.tls = given.tls
        return client


class MqttAndHomeAssistant(MqttOutput, Resident):
    """Tells Home Assistant of streams beside what it publishes, over a connection of its own."""

    _home_assistant: HomeAssistant | None = None

    @property
    def trouble(self) -> str | None:
        """Why Home Assistant is told nothing."""
        return None if self._home_assistant is None else self._home_assistant.trouble

    @property
    def refused(self) -> int:
        """Number of commands that were not obeyed."""
        return 0 if self._home_assistant is None else self._home_assistant.commands.refused

    async def run(self, hub: Hub, drawing: Drawing | None) -> None:
        """Tell Home Assistant of the hub's streams."""
        from sightline.outputs.mqtt.home_assistant import HomeAssistant

        if self._home_assistant is None:
            self._home_assistant = HomeAssistant(self._settings, self._make_client, hub, drawing)
        await self._home_assistant.run()
