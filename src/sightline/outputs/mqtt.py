"""Output to an MQTT broker, through aiomqtt (extra ``mqtt``)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from sightline.core.errors import ConfigError
from sightline.core.install import install_command
from sightline.outputs.base import Item, OutputSettings

if TYPE_CHECKING:
    import aiomqtt


class MqttSettings(OutputSettings):
    """Each result and event as a message on a broker's topic."""

    kind: Literal["mqtt"]
    host: str
    port: int = Field(1883, ge=1, le=65535)
    topic: str = "sightline/{stream}"
    """``{stream}`` stands for the stream's name, ``{what}`` for ``results`` or ``events``."""
    qos: Literal[0, 1] = 0
    tls: bool = False
    username: str | None = None
    password: SecretStr | None = None


Settings = MqttSettings


def check(settings: MqttSettings) -> None:
    """Raise ConfigError if aiomqtt is not installed."""
    if find_spec("aiomqtt") is None:
        raise ConfigError(f"aiomqtt is not installed; run: {install_command('mqtt')}")


def open(settings: MqttSettings) -> MqttOutput:
    """Make the output. It connects with the first message."""
    return MqttOutput(settings)


class MqttOutput:
    """Publishes items. It connects when there is something to send, and again after losing the connection."""

    batch = 256
    every_s = 0.0
    retries: int | None = None

    def __init__(self, settings: MqttSettings) -> None:
        self.name = f"mqtt {settings.host}:{settings.port}"
        self._settings = settings
        self._client: aiomqtt.Client | None = None

    async def send(self, batch: Sequence[Item]) -> None:
        """Publish the items. Raises OSError, after which a retry may publish some of them twice."""
        import aiomqtt

        try:
            if self._client is None:
                self._client = await self._connect()
            for item in batch:
                topic = self._settings.topic.replace("{stream}", item.stream).replace("{what}", item.what)
                await self._client.publish(topic, item.body, qos=self._settings.qos, timeout=10)
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

    async def _connect(self) -> aiomqtt.Client:
        import aiomqtt

        given = self._settings
        client = aiomqtt.Client(
            given.host,
            given.port,
            username=given.username,
            password=None if given.password is None else given.password.get_secret_value(),
            tls_context=ssl.create_default_context() if given.tls else None,
            timeout=10,
        )
        return await client.__aenter__()
