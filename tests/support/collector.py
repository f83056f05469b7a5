"""An OpenTelemetry collector: it takes what is sent to it by OTLP over HTTP."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import pytest


class Collector:
    """Keeps the spans that came. ``status``: what it answers."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def of(self, **told: object) -> list[Any]:
        """The spans of frames of which these things are said, such as ``stream="door"``."""
        wanted = {f"sightline.{key}": value for key, value in told.items()}
        return [one for one in self.spans if one.name == "frame" and wanted.items() <= said(one).items()]

    def below(self, parent: Any) -> list[Any]:
        """The spans of a frame's stages, in their order."""
        return [one for one in self.spans if one.parent_span_id == parent.span_id]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _take(self, path: str, body: bytes) -> None:
        messages = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        assert path == "/v1/traces"
        for resource in messages.ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({one.key: one.value.string_value for one in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def _handler(collector) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - a handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.headers.append({key.lower(): value for key, value in self.headers.items()})
                if collector.status == 200:
                    collector._take(self.path, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def said(span: Any) -> dict[str, object]:
    """What a span says."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
