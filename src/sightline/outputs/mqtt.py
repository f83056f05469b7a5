"""Results as messages of an MQTT broker, through aiomqtt (``pip install 'sightline[mqtt]'``)."""

from __future__ import annotations

import ssl

import aiomqtt

from sightline.settings.outputs import MqttSink


class MqttOutlet:
    """Connects when there is something to send, and again after the connection was lost."""

    batch = 256
    every_s = 0.0
    retries: int | None = None

    def __init__(self, settings: MqttSink) -> None:
        self.name = f"mqtt {settings.host}:{settings.port}"
        self._settings = settings
        self._client: aiomqtt.Client | None = None

    async def send(self, batch: list[tuple[str, bytes]]) -> None:
        """Publish each. Raises OSError; then some may have been published, and are again."""
        try:
            if self._client is None:
                self._client = await self._connect()
            for stream, line in batch:
                topic = self._settings.topic.replace("{stream}", stream)
                await self._client.publish(topic, line, qos=self._settings.qos, timeout=10)
        except aiomqtt.MqttError as e:
            await self.close()
            raise OSError(str(e)) from None

    async def close(self) -> None:
        """Leave the broker."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except aiomqtt.MqttError:
                return  # it was gone already

    async def _connect(self) -> aiomqtt.Client:
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
