"""LitServe: a picture in JSON, as its documentation has it, 300 letters back, over connections that are kept."""

import asyncio
import base64
import json
import socket
import time
from typing import Any

import litserve
from fastapi import Request

from race.contestants._two_ends import exchanged

CLIENTS = 32


class Null(litserve.LitAPI):  # type: ignore[misc]  # absent here
    """An API whose model does nothing."""

    def setup(self, device: str) -> None:
        """There is nothing to load."""

    def decode_request(self, request: Request) -> bytes:
        """Take the picture."""
        return base64.b64decode(request["picture"])

    def predict(self, picture: bytes) -> str:
        """Find nothing."""
        return "x" * 300

    def encode_response(self, output: str) -> dict[str, str]:
        """Answer."""
        return {"found": output}


def serve(pipe: Any, job: dict[str, Any]) -> None:
    """Serve."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipe.send(port)
    litserve.LitServer(Null(), accelerator="cpu").run(
        host="127.0.0.1", port=port, generate_client_file=False, log_level="error"
    )


def post(pipe: Any, job: dict[str, Any], port: int) -> None:
    """Post pictures as fast as they are answered."""
    count = 0
    body = json.dumps({"picture": base64.b64encode(job["picture"]).decode()})
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request = (head + body).encode()

    async def client() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in answer[:20]:
                raise ConnectionError(answer)
            length = answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            count += 1

    async def run() -> None:
        nonlocal count
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.1)
        await asyncio.sleep(2)  # its workers start after it listens
        clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
        await asyncio.sleep(1)
        before, started = count, time.monotonic()
        await asyncio.sleep(job["seconds"])
        for task in clients:
            if task.done():
                task.result()
        pipe.send((count - before, time.monotonic() - started))

    asyncio.run(run())


def carry(job: dict[str, Any]) -> dict[str, Any]:
    """Carry frames."""
    return exchanged(job, serve, post)


JOBS = {"carry": carry}
