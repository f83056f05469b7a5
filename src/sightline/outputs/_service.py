"""Opens the operator's sinks and feeds them while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from urllib.parse import urlsplit

from sightline.core.errors import ConfigError
from sightline.outputs.base import LAST_S, Feeder, Outlet
from sightline.settings.outputs import JsonlSink, SinkSettings, WebhookSink
from sightline.streams.hub import Hub


def check_sinks(sinks: Sequence[SinkSettings]) -> None:
    """A cheap check before a server starts. Raises ConfigError for what can't work."""
    for number, sink in enumerate(sinks, 1):
        which = f"sink number {number} ({sink.kind})"
        if isinstance(sink, JsonlSink):
            if not sink.path.parent.is_dir():
                raise ConfigError(f"{which}: there is no folder {sink.path.parent}; make it first")
        elif isinstance(sink, WebhookSink):
            parts = urlsplit(sink.url.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigError(f"{which}: expected a url that begins with http:// or https://")
        elif find_spec("aiomqtt") is None:
            raise ConfigError(f"{which}: aiomqtt is not installed; run: pip install 'sightline[mqtt]'")


def open_outlet(sink: SinkSettings) -> Outlet:
    """The outlet of these settings. Connects nowhere yet."""
    if isinstance(sink, JsonlSink):
        from sightline.outputs.jsonl import JsonlOutlet

        return JsonlOutlet(sink)
    if isinstance(sink, WebhookSink):
        from sightline.outputs.webhook import WebhookOutlet

        return WebhookOutlet(sink)
    from sightline.outputs.mqtt import MqttOutlet

    return MqttOutlet(sink)


@asynccontextmanager
async def feeding(hub: Hub, sinks: Sequence[SinkSettings]) -> AsyncGenerator[list[Feeder]]:
    """Feed them until the end; they then have a moment for what waits."""
    feeders = [Feeder(open_outlet(sink), sink.stream) for sink in sinks]
    tasks = [asyncio.create_task(feeder.run(hub)) for feeder in feeders]
    try:
        yield feeders
    finally:
        if tasks:
            hub.close("the server is shutting down")
            _, late = await asyncio.wait(tasks, timeout=LAST_S + 1)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
