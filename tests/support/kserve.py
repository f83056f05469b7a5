"""An inference server that speaks the KServe protocol's version 2 with ONNX Runtime underneath, as Triton does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Json = dict[str, Any]
LENGTH = "Inference-Header-Content-Length"
TYPES = {"tensor(float)": "FP32", "tensor(uint8)": "UINT8", "tensor(int64)": "INT64"}
NUMBERS = {"FP32": np.float32, "UINT8": np.uint8, "INT64": np.int64}


@dataclass
class Reply:
    """An answer on its way out."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    """Length that it claims to have; None: its own."""


class KserveServer:
    """Serves one graph under the name ``finder``. ``twist`` changes answers by their paths."""

    def __init__(self, graph: Path) -> None:
        self._session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        self.twist: Callable[[str, Reply], Reply] = lambda _, reply: reply
        self.extensions = ["binary_tensor_data"]
        self.ready = True
        self.asked: list[str] = []
        self.connections = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def spec(self) -> str:
        """What a setting says to have its model."""
        return f"kserve:http://127.0.0.1:{self._http.server_port}/finder"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _reply(self, path: str, body: bytes, words: int) -> Reply:
        model = "/v2/models/finder"
        if path == "/v2":
            return said({"name": "made", "version": "1", "extensions": self.extensions})
        if path == model:
            inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
            return said({"name": "finder", "inputs": list(map(tensor, inputs)), "outputs": list(map(tensor, outputs))})
        if path == f"{model}/ready":
            return Reply(200 if self.ready else 400)
        if path == f"{model}/infer":
            return self._inferred(json.loads(body[:words]), body[words:])
        return said({"error": f"Request for unknown model: {path}"}, 400)

    def _inferred(self, asked: Json, data: bytes) -> Reply:
        feeds: dict[str, NDArray[Any]] = {}
        at = 0
        for one in asked["inputs"]:
            size = one["parameters"]["binary_data_size"]
            feeds[one["name"]] = np.frombuffer(data[at : at + size], NUMBERS[one["datatype"]]).reshape(one["shape"])
            at += size
        assert at == len(data)
        wanted = [one["name"] for one in asked["outputs"] if one["parameters"]["binary_data"]]
        made = self._session.run(wanted, feeds)
        kinds = {one.name: tensor(one)["datatype"] for one in self._session.get_outputs()}
        outputs = []
        for name, one in zip(wanted, made, strict=True):
            size = {"binary_data_size": one.nbytes}
            outputs.append({"name": name, "datatype": kinds[name], "shape": list(one.shape), "parameters": size})
        return packed({"model_name": "finder", "outputs": outputs}, b"".join(one.tobytes() for one in made))

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - a handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server.connections += 1

            def do_GET(self) -> None:
                server.asked.append(self.path)
                self._send(server._reply(self.path, b"", 0))

            def do_POST(self) -> None:
                server.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._send(server._reply(self.path, body, int(self.headers[LENGTH])))

            def _send(self, reply: Reply) -> None:
                reply = server.twist(self.path, reply)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                length = len(reply.body) if reply.declared is None else reply.declared
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = self.close_connection or length != len(reply.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def tensor(node: Any) -> Json:
    """What the protocol says of an input or an output."""
    shape = [one if isinstance(one, int) else -1 for one in node.shape]
    return {"name": node.name, "datatype": TYPES[node.type], "shape": shape}


def said(what: Json, status: int = 200) -> Reply:
    """An answer in words."""
    return Reply(status, json.dumps(what).encode())


def packed(what: Json, data: bytes) -> Reply:
    """An answer with tensors."""
    head = json.dumps(what).encode()
    return Reply(200, head + data, {LENGTH: str(len(head))})
