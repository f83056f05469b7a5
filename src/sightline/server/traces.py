"""Traces of frames for an OpenTelemetry collector: for a share of the frames, a span with one for each stage below it.

The loop hands over numbers. Spans are made and sent in a thread, from a queue that drops the oldest.
Source: https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

import importlib.util
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from sightline.core.errors import FAULTS, ConfigError
from sightline.core.install import install_command
from sightline.core.types import Frame, FrameResult
from sightline.core.version import __version__
from sightline.settings.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Time between two messages to the collector."""
AGAIN_S = 10.0
"""Time after which one that could not be reached is tried again."""
SEND_S = 5.0
END_S = 1.5
"""Longest time that the end of the server waits for the last message."""
MOST = 2048
"""Frames that wait. Of more the oldest are dropped."""
PATH = "/v1/traces"
NS = 1_000_000_000


class FrameTrace(NamedTuple):
    """What a frame went through."""

    id: int
    began: float
    """Seconds since 1970: when it was taken, or where that is not known, when it came."""
    came: float
    finished: float
    """When the model was done with it; 0 where it was not."""
    ended: float
    stages: Mapping[str, float]
    told: Mapping[str, str | int | bool]


class Exemplar(NamedTuple):
    """The newest traced frame of a stream, for its figures."""

    trace_id: str
    latency_ms: float
    at: float


class Traces:
    """Takes frames as they end, and sends a share of them. On the event loop, but for what the thread does."""

    def __init__(self, address: str, share: float) -> None:
        """``share``: 0 to 1. Raises ConfigError where OpenTelemetry is not installed."""
        check_installed()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource

        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # we say it once, it says it each time
        address = address.rstrip("/")
        self._address = address if address.endswith(PATH) else address + PATH
        self._exporter = OTLPSpanExporter(self._address, timeout=SEND_S)
        self._resource = Resource.create({"service.name": "sightline", "service.version": __version__})
        self._share = share
        self.newest: dict[str, Exemplar] = {}
        """By stream."""
        self._waiting: deque[FrameTrace] = deque(maxlen=MOST)
        self._closing = threading.Event()
        self._lost = False
        """The collector could not be reached the last time."""
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def take(self, frame: Frame, result: FrameResult | None, dropped: str) -> None:
        """Take a frame with what became of it: its result, or why it has none."""
        if random.random() >= self._share:
            return
        now, clock = time.time(), time.monotonic()
        came = now - (clock - frame.received_at)
        began = came if frame.captured_here is None else min(came, max(frame.captured_here, came - 60))
        told: dict[str, str | int | bool] = {"sightline.stream": frame.stream, "sightline.seq": frame.seq}
        id = random.getrandbits(128) or 1
        if result is None:
            trace = FrameTrace(id, began, came, 0.0, now, {}, told | {"sightline.dropped": dropped})
        else:
            told |= {"sightline.model": result.card.name, "sightline.found": len(result.detections)}
            told |= {"sightline.reused": result.reused is not None}
            trace = FrameTrace(id, began, came, now - (clock - result.finished_at), now, result.stages, told)
            self.newest[frame.stream] = Exemplar(f"{id:032x}", round((now - came) * 1000, 2), now)
            if len(self.newest) > MOST:  # of streams that are gone
                del self.newest[next(iter(self.newest))]
        self._waiting.append(trace)

    def close(self) -> None:
        """Send what waits, if that does not take long. For a thread."""
        self._closing.set()
        self._thread.join(END_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _run(self) -> None:
        while not self._closing.wait(AGAIN_S if self._lost else EVERY_S):
            self._send()
        if not self._lost:
            self._send()

    def _send(self) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        spans = [span for _ in range(len(self._waiting)) for span in self._spans(self._waiting.popleft())]
        if not spans:
            return
        try:
            lost = self._exporter.export(spans) != SpanExportResult.SUCCESS
        except FAULTS:
            log.exception("traces can't be sent")
            lost = True
        if lost and not self._lost:
            log.warning("traces: %s does not take them; they are lost until it does", self._address)
        elif self._lost and not lost:
            log.info("traces: %s takes them again", self._address)
        self._lost = lost

    def _spans(self, trace: FrameTrace) -> Iterator[ReadableSpan]:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, TraceFlags

        def span(name: str, start: float, end: float, parent: SpanContext | None) -> ReadableSpan:
            flags = TraceFlags(TraceFlags.SAMPLED)
            own = SpanContext(trace.id, random.getrandbits(64) or 1, is_remote=False, trace_flags=flags)
            told = trace.told if parent is None else {}
            return ReadableSpan(
                name,
                own,
                parent,
                self._resource,
                told,
                start_time=round(start * NS),
                end_time=round(max(start, end) * NS),
            )

        root = span("frame", trace.began, trace.ended, None)
        yield root
        for name, start, end in parts(trace):
            yield span(name, start, end, root.context)


def parts(trace: FrameTrace) -> Iterator[tuple[str, float, float]]:
    """Return name, start and end of what a frame went through, in order: stages end when the model is done."""
    if trace.came > trace.began:
        yield "receive", trace.began, trace.came
    if not trace.finished:
        return
    finished = min(trace.finished, trace.ended)
    worked = {name: ms / 1000 for name, ms in trace.stages.items() if name != "queue"}
    at = max(trace.came, finished - sum(worked.values()))
    yield "queue", trace.came, min(at, trace.came + trace.stages.get("queue", 0.0) / 1000)
    for name, seconds in worked.items():
        begun, at = at, min(at + seconds, finished)
        yield name, begun, at
    yield "deliver", finished, trace.ended


def check_installed() -> None:
    """Raise ConfigError where OpenTelemetry is not installed."""
    try:
        missing = importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is None
    except ModuleNotFoundError:
        missing = True
    if missing:
        raise ConfigError(f"traces_to: OpenTelemetry is not installed; run: {install_command('otel')}")


def traces_of(settings: Settings) -> Traces | None:
    """Return what the settings ask for. Raises ConfigError."""
    return None if settings.traces_to is None else Traces(settings.traces_to, settings.traces_share)
