"""Prometheus metrics of the hub. Read at scrape time; a stream's labels vanish with the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import samples
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sightline.server.traces import Exemplar
from sightline.streams.hub import Hub
from sightline.streams.predictor import Predictor


class HubCollector(Collector):
    """Collector of one server's metrics, on the event loop's thread."""

    def __init__(
        self,
        hub: Hub,
        predictor: Predictor,
        *,
        ready: bool,
        restarts: Mapping[str, int],
        exemplars: Mapping[str, Exemplar],
    ) -> None:
        self._hub = hub
        self._predictor = predictor
        self._ready = ready
        self._restarts = restarts
        self._exemplars = exemplars

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        yield GaugeMetricFamily("sightline_ready", "1 while frames get results", float(self._ready))
        restarts = CounterMetricFamily("sightline_restarts", "Tasks that failed and began again", labels=["task"])
        for task, count in self._restarts.items():
            restarts.add_metric([task], count)
        yield restarts
        yield GaugeMetricFamily(
            "sightline_streams",
            "Streams with a camera",
            sum(s.publisher is not None for s in self._hub.streams.values()),
        )
        yield GaugeMetricFamily("sightline_viewers", "Viewers and listeners", self._hub.viewers)

        yield from self._models()
        yield from self._posted()
        if self._hub.journal is not None:
            yield CounterMetricFamily("sightline_events_told", "Starts, updates and ends", self._hub.journal.told)
            yield CounterMetricFamily("sightline_events_lost", "Events that are not stored", self._hub.journal.lost)
        yield from self._streams()

    def _models(self) -> Iterator[Metric]:
        """Memory and restarts of each model."""
        memory = GaugeMetricFamily(
            "sightline_model_bytes", "What loading a model took, about", labels=["model", "imgsz"]
        )
        again = CounterMetricFamily(
            "sightline_model_restarts", "Deaths of what a model runs in", labels=["model", "imgsz"]
        )
        for one in self._hub.pool.models:
            memory.add_metric([one.key.name, str(one.key.imgsz or "")], one.bytes)
            again.add_metric([one.key.name, str(one.key.imgsz or "")], one.worker.restarts)
        yield from (memory, again)

    def _streams(self) -> Iterator[Metric]:
        """Figures of each stream."""
        received = CounterMetricFamily("sightline_frames_received", "Frames taken from cameras", labels=["stream"])
        delivered = CounterMetricFamily("sightline_frames_delivered", "Frames with a result", labels=["stream"])
        failed = CounterMetricFamily("sightline_frames_failed", "Frames the model failed on", labels=["stream"])
        dropped = CounterMetricFamily("sightline_frames_dropped", "Frames dropped", labels=["stream", "reason"])
        in_flight = GaugeMetricFamily("sightline_frames_in_flight", "Frames waiting or in work", labels=["stream"])
        fps = GaugeMetricFamily("sightline_fps", "Results a second", labels=["stream"])
        latency = GaugeMetricFamily("sightline_latency_ms", "Arrival to delivery", labels=["stream", "quantile"])
        stage = GaugeMetricFamily("sightline_stage_ms", "Mean time of a stage", labels=["stream", "stage"])
        model = GaugeMetricFamily(
            "sightline_stream_model", "1 for the model that a stream has", labels=["stream", "model"]
        )
        live = GaugeMetricFamily(
            "sightline_stream_live", "1 while the camera sends, 0 if it is lost", labels=["stream"]
        )
        for s in self._hub.streams.values():
            live.add_metric([s.name], s.publisher is not None and s.paused is None)
            model.add_metric([s.name, s.model.worker.model_name], 1)
            received.add_metric([s.name], s.meters.ledger.received)
            delivered.add_metric([s.name], s.meters.ledger.delivered, exemplar=self._exemplar(s.name))
            failed.add_metric([s.name], s.meters.ledger.failed)
            in_flight.add_metric([s.name], s.in_flight)
            fps.add_metric([s.name], s.meters.rate.value())
            for reason, n in s.meters.ledger.dropped.items():
                dropped.add_metric([s.name, reason], n)
            for quantile, ms in s.meters.latency.percentiles().items():
                latency.add_metric([s.name, f"0.{quantile[1:]}"], ms)
            for name, ms in s.meters.stages.values().items():
                stage.add_metric([s.name, name], ms)
        yield from (received, delivered, failed, dropped, in_flight, fps, latency, stage, model, live)

    def _exemplar(self, stream: str) -> samples.Exemplar | None:
        newest = self._exemplars.get(stream)
        return newest and samples.Exemplar({"trace_id": newest.trace_id}, newest.latency_ms, newest.at)

    def _posted(self) -> Iterator[Metric]:
        """Pictures of ``POST /api/predict``, which belong to no stream."""
        ledger = self._predictor.ledger
        yield CounterMetricFamily("sightline_posted_received", "Pictures posted", ledger.received)
        yield CounterMetricFamily("sightline_posted_delivered", "Posted pictures with a result", ledger.delivered)
        yield CounterMetricFamily("sightline_posted_failed", "Posted pictures the model failed on", ledger.failed)
        dropped = CounterMetricFamily("sightline_posted_dropped", "Posted pictures not looked at", labels=["reason"])
        for reason, n in ledger.dropped.items():
            dropped.add_metric([reason], n)
        yield dropped
        yield GaugeMetricFamily(
            "sightline_posted_in_flight", "Posted pictures waiting or in work", self._predictor.in_flight
        )
