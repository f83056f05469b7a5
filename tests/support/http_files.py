"""Small HTTP servers for tests: files, and cameras that a test makes up."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path

import cv2

from support.clips import numbered


class Quiet(SimpleHTTPRequestHandler):
    """Files, and no log on stderr."""

    def log_message(self, format: str, *args: object) -> None:
        return


@contextlib.contextmanager
def http(handler: type[BaseHTTPRequestHandler] | functools.partial[Quiet]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def files(folder: Path) -> contextlib.AbstractContextManager[str]:
    """Serve a folder."""
    return http(functools.partial(Quiet, directory=str(folder)))


def sending(
    send: Callable[[BufferedIOBase], None], kind: str = "multipart/x-mixed-replace; boundary=frame"
) -> contextlib.AbstractContextManager[str]:
    """Serve whatever ``send`` writes for a request, for any path. The connection ends when it returns."""

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            with contextlib.suppress(OSError):
                send(self.wfile)

        def log_message(self, format: str, *args: object) -> None:
            return

    return http(Camera)


class MotionJpeg(BaseHTTPRequestHandler):
    """What cheap cameras speak: one JPEG after the other, for ever."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):
            for number in itertools.count():
                data = cv2.imencode(".jpg", numbered(number % 256))[1].tobytes()
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                self.wfile.write(data + b"\r\n")
                time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:
        return
