"""A client of an MQTT broker whose errors say what may be amiss."""

from __future__ import annotations

from typing import Self

import aiomqtt

ANSWER_S = 10.0
"""Time for a broker to answer."""


class BrokerClient(aiomqtt.Client):
    """As aiomqtt has it. Brokers don't say that they want TLS, or have none."""

    tls = False

    async def __aenter__(self) -> Self:
        """Connect. Raises MqttError."""
        try:
            return await super().__aenter__()
        except aiomqtt.MqttError as e:
            raise aiomqtt.MqttError(self._in_words(str(e))) from None

    def _in_words(self, error: str) -> str:
        late = "timed out" in error
        if self.tls and (late or "SSL" in error or "reset" in error) and "certificate" not in error:
            return f"{error}; does the broker speak TLS at this port?"
        if late:
            return f"it does not answer within {ANSWER_S:g} s; a broker that wants TLS needs tls = true"
        return error
