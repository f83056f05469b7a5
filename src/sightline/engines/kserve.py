"""KServe: an inference server that somebody runs already, such as Triton, runs the graph, by HTTP.

A file ``NAME.kserve`` has the model's address in it. Tensors go as bytes, by the extension ``binary_tensor_data``.
Nothing that the server answers is believed: sizes, types and shapes have to be those that it declared.
Sources: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.types import TensorSpec
from sightline.engines import _address
from sightline.engines.base import check_precision, spec_of

READS = (_address.SUFFIX,)
CONNECT_S = 3.0
ANSWER_S = 10.0
"""Longest time from a request to the end of its answer."""
MOST_SAID, MOST_ANSWER = 1 << 20, 256 << 20
"""Bytes of an answer in words, and of one with tensors, at most."""
MOST_TENSORS, MOST_DIMS = 64, 8
BINARY = "binary_tensor_data"
LENGTH = "Inference-Header-Content-Length"
DTYPES = {
    "BOOL": "bool",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
NONE: Mapping[str, str] = {}

T = TypeVar("T")


class _Server(Struct):
    extensions: list[str] = []


class _Tensor(Struct):
    name: str
    datatype: str
    shape: list[int]


class _Model(Struct):
    inputs: list[_Tensor]
    outputs: list[_Tensor]


class _Size(Struct):
    binary_data_size: int


class _Output(_Tensor):
    parameters: _Size


class _Answer(Struct):
    outputs: list[_Output]


class _Refusal(Struct):
    error: str = ""


def available(device: str = "cpu") -> None:
    """None: nothing is needed here, whatever the server computes on."""
    return


def devices() -> list[str]:
    """``cpu``: nothing of this machine's cards is used."""
    return ["cpu"]


def precisions(device: str = "cpu") -> list[str]:
    """``fp32``: nothing can be chosen, the server computes as it does."""
    return ["fp32"]


def open(
    path: Path, *, device: str = "cpu", threads: int | None = None, precision: str = "auto", cache: Path | None = None
) -> KserveEngine:
    """Ask the server whose address the file has for its model. Raises ModelError or ConfigError."""
    check_precision("kserve", device, precision, precisions(device))
    if path.suffix.lower() != _address.SUFFIX:
        raise ModelError(f"{path}: the engine 'kserve' reads addresses; expected a file {_address.SUFFIX}")
    return KserveEngine(_address.read(path))


class KserveEngine:
    """A model of an inference server."""

    name, device, precision = "kserve", "cpu", "fp32"

    def __init__(self, address: _address.ModelAddress) -> None:
        self._address = address
        self._connection = _connection(address)
        self._fresh = True
        try:
            server = self._asked("/v2", _Server)
            if BINARY not in server.extensions:
                known = ", ".join(server.extensions)[:200] or "none"
                raise ModelError(f"{address}: expected a server with the extension {BINARY}; it has {known}")
            told = self._asked(address.path, _Model)
            status, said, _ = self._ask("GET", f"{address.path}/ready", most=MOST_SAID)
            if status != 200:
                raise ModelError(f"{address}: the model is there and not ready ({status}{_words(said)})")
            self.inputs: Mapping[str, TensorSpec] = self._specs(told.inputs)
            self.outputs: Mapping[str, TensorSpec] = self._specs(told.outputs)
            self.metadata: Mapping[str, str] = {}
        except BaseException:
            self.close()
            raise

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See Engine."""
        arrays = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        if unknown := arrays.keys() ^ self.inputs.keys():
            raise ModelError(f"{self._address}: fed {sorted(unknown)}; expected {sorted(self.inputs)}")
        inputs = [
            {
                "name": name,
                "datatype": NAMES[str(one.dtype)],
                "shape": one.shape,
                "parameters": {"binary_data_size": one.nbytes},
            }
            for name, one in arrays.items()
        ]
        outputs = [{"name": name, "parameters": {"binary_data": True}} for name in self.outputs]
        head = msgspec.json.encode({"inputs": inputs, "outputs": outputs})
        body = b"".join([head, *(one.tobytes() for one in arrays.values())])
        headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
        path = f"{self._address.path}/infer"
        status, said, length = self._ask("POST", path, body, headers, most=MOST_ANSWER)
        if status != 200:
            raise ModelError(f"{self._address}: the server did not infer ({status}{_words(said)})")
        return self._tensors(said, length)

    def close(self) -> None:
        """See Engine."""
        self._connection.close()

    def _tensors(self, said: bytes, length: str | None) -> dict[str, NDArray[Any]]:
        """Return the tensors of an answer. Raises ModelError for one that is not as the server declared."""
        digits = "" if length is None or not length.isascii() else length
        if not digits.isdigit() or len(digits) > 12 or int(digits) > len(said):
            raise self._odd(f"{LENGTH} {digits[:20] or None} with {len(said)} bytes")
        at = int(digits)
        found: dict[str, NDArray[Any]] = {}
        for one in self._decoded(said[:at], _Answer).outputs:
            spec = self.outputs.get(one.name)
            if spec is None or one.name in found:
                raise self._odd(f"a tensor {one.name[:80]!r} that was not asked for")
            dtype, size = np.dtype(spec.dtype), one.parameters.binary_data_size
            fits = len(one.shape) == len(spec.shape) and all(
                got >= 0 and want in (None, got) for got, want in zip(one.shape, spec.shape, strict=True)
            )
            if DTYPES.get(one.datatype) != spec.dtype or not fits:
                raise self._odd(f"{one.datatype[:20]} {str(one.shape)[:80]} for {spec}")
            if size != prod(one.shape) * dtype.itemsize or at + size > len(said):
                raise self._odd(f"{size} bytes for {one.datatype} {one.shape} of {spec.name}")
            # A copy, so that it begins where its numbers may begin and can be written to.
            found[one.name] = np.frombuffer(said, dtype, prod(one.shape), at).reshape(one.shape).copy()
            at += size
        if missing := self.outputs.keys() - found.keys():
            raise self._odd(f"nothing for {', '.join(sorted(missing))[:200]}")
        if at != len(said):
            raise self._odd(f"{len(said) - at} bytes too many")
        return found

    def _specs(self, tensors: Sequence[_Tensor]) -> dict[str, TensorSpec]:
        specs = {}
        for one in tensors:
            if one.datatype not in DTYPES or len(one.shape) > MOST_DIMS or not 0 < len(one.name) <= 200:
                raise self._odd(f"a tensor {one.name[:80]!r} of {one.datatype[:20]} {str(one.shape)[:80]}")
            specs[one.name] = spec_of(one.name, one.shape, DTYPES[one.datatype])
        if not specs or len(specs) != len(tensors) or len(specs) > MOST_TENSORS:
            raise self._odd(f"{len(tensors)} tensors, {len(specs)} names")
        return specs

    def _asked(self, path: str, kind: type[T]) -> T:
        status, said, _ = self._ask("GET", path, most=MOST_SAID)
        if status != 200:
            what = f"has no model {self._address.model}" if path != "/v2" else "does not speak the protocol's version 2"
            raise ModelError(f"{self._address}: the server {what} ({status}{_words(said)})")
        return self._decoded(said, kind)

    def _decoded(self, said: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(said, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError) as e:
            raise self._odd(f"what is not of the protocol ({str(e)[:200]})") from None

    def _odd(self, what: str) -> ModelError:
        return ModelError(f"{self._address}: the server answered {what}")

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = NONE, *, most: int
    ) -> tuple[int, bytes, str | None]:
        """Return the status of an answer, its bytes, and how many of them are words. Raises ModelError."""
        reused, self._fresh = not self._fresh, False
        try:
            try:
                return self._exchange(method, path, body, headers, most)
            except ConnectionError:  # a server may close a connection on which it has heard nothing for a while
                self._connection.close()
                if not reused:
                    raise
                return self._exchange(method, path, body, headers, most)
        except (OSError, HTTPException, ValueError) as e:
            self._connection.close()
            said = "no answer in time" if isinstance(e, TimeoutError) else str(e)[:200] or type(e).__name__
            raise ModelError(f"{self._address}: the server can't be reached: {said}") from None
        except ModelError:
            self._connection.close()
            raise

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], most: int
    ) -> tuple[int, bytes, str | None]:
        end = time.monotonic() + ANSWER_S
        connection = self._connection
        if connection.sock is None:
            connection.timeout = CONNECT_S
            connection.connect()
        connection.sock.settimeout(ANSWER_S)
        connection.request(method, path, body, {"Accept-Encoding": "identity", **headers})
        with closing(connection.getresponse()) as answer:
            return answer.status, self._whole(answer, most, end), answer.headers.get(LENGTH)

    def _whole(self, answer: HTTPResponse, most: int, end: float) -> bytes:
        """Read an answer that comes in time and is not too large."""
        if (answer.length or 0) > most:
            raise self._odd(f"{answer.length} bytes; expected at most {most}")
        parts: list[bytes] = []
        size = 0
        while part := answer.read1(1 << 18):
            size += len(part)
            parts.append(part)
            if size > most:
                raise self._odd(f"more than {most} bytes")
            if time.monotonic() > end:
                raise TimeoutError
        if answer.length:
            raise ConnectionResetError(f"the connection ended {answer.length} bytes before the answer did")
        return b"".join(parts)


def _connection(address: _address.ModelAddress) -> HTTPConnection:
    kind = HTTPSConnection if address.tls else HTTPConnection
    return kind(address.host, address.port, timeout=CONNECT_S)


def _words(said: bytes) -> str:
    """Return what the server said of its refusal, for the end of a sentence."""
    try:
        error = msgspec.json.decode(said[:MOST_SAID], type=_Refusal).error
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    return ": " + "".join(c if c.isprintable() else " " for c in error[:200]) if error else ""
