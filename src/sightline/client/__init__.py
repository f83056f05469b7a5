"""SDK: publish pictures and get results, from any program. It needs no server, no engine and no OpenCV."""

from sightline.client.answers import Dropped, Result
from sightline.client.asynchronous import AsyncClient
from sightline.client.synchronous import Client
from sightline.core.events import Event, EventRecord
from sightline.core.records import Detection, Segment

__all__ = ["AsyncClient", "Client", "Detection", "Dropped", "Event", "EventRecord", "Result", "Segment"]
