"""A small real RTSP server: PyAV makes the RTP packets, this speaks RTSP 1.0 and passes them on, over TCP or UDP."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from types import TracebackType

import av
import numpy as np

from sightline.core.types import Image
from support.clips import moving
from support.digest import CHALLENGE, answers

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has, for later: a TCP one, or with SOCK_DGRAM a UDP one.

    It is none of those that the system gives to whoever connects meanwhile.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_768)
        with socket.socket(type=kind) as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


class RtspServer:
    """Serves a moving square at ``fps`` to any number of clients until it is left; ``freeze`` sends nothing more."""

    def __init__(
        self,
        port: int = 0,
        *,
        size: tuple[int, int] = (160, 120),
        fps: float = 25,
        login: str = "",
        digest: tuple[str, str] | None = None,
        challenge: str = CHALLENGE,
        picture: Callable[[int, int, int], Image] = moving,
        count: int | None = None,
        b_frames: int = 0,
    ) -> None:
        """``count``: pictures after which the connection ends, and no other is accepted."""
        self.size = size
        self.number = 0
        """Of the next picture; every ``fps`` of them there is a key frame."""
        self._picture = picture
        self.login = login
        """``Basic`` credentials, in base 64, that are asked for where they are given."""
        self.digest = digest
        """User and password that are asked for as a digest (RFC 7616, MD5) where they are given, by ``challenge``."""
        self._challenge = challenge
        self.transports: list[str] = []
        """What clients asked for in SETUP."""
        self.frozen = threading.Event()
        self.back_s = 0.0
        """Seconds by which the clock of the pictures is set back."""
        self._fps = fps
        self._count = count
        self._b_frames = b_frames
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp://127.0.0.1:{self.port}/live"

    def __enter__(self) -> RtspServer:
        self._threads[0].start()
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._talk, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _talk(self, connection: socket.socket) -> None:
        target: tuple[str, int] | None = None
        with connection, contextlib.suppress(OSError):
            lines = connection.makefile("rb")
            while request := lines.readline().decode("latin-1").strip():
                if request.startswith("$"):
                    continue
                method = request.split()[0]
                headers = {}
                while line := lines.readline().decode("latin-1").strip():
                    key, _, value = line.partition(":")
                    headers[key.lower()] = value.strip()
                answer = {"CSeq": headers.get("cseq", "0")}
                body = ""
                status = "200 OK"
                if self.login and headers.get("authorization") != f"Basic {self.login}":
                    status, answer["WWW-Authenticate"] = "401 Unauthorized", 'Basic realm="test"'
                elif self.digest and method != "OPTIONS" and not answers(headers, method, *self.digest):
                    status, answer["WWW-Authenticate"] = "401 Unauthorized", self._challenge
                elif method == "OPTIONS":
                    answer["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
                elif method == "DESCRIBE":
                    body = SDP
                    answer |= {"Content-Type": "application/sdp", "Content-Base": self.url + "/"}
                elif method == "SETUP":
                    wanted = headers["transport"]
                    self.transports.append(wanted)
                    if "TCP" in wanted:
                        answer["Transport"] = "RTP/AVP/TCP;unicast;interleaved=0-1"
                    else:
                        port = int(wanted.partition("client_port=")[2].split("-")[0])
                        target = ("127.0.0.1", port)
                        answer["Transport"] = f"RTP/AVP;unicast;client_port={port}-{port + 1};server_port=40000-40001"
                    answer["Session"] = "1;timeout=60"
                elif method == "PLAY":
                    answer["Session"] = "1"
                    player = threading.Thread(target=self._play, args=(connection, target), daemon=True)
                    self._threads.append(player)
                head = "".join(f"{k}: {v}\r\n" for k, v in answer.items())
                length = f"Content-Length: {len(body)}\r\n" if body else ""
                connection.sendall(f"RTSP/1.0 {status}\r\n{head}{length}\r\n{body}".encode())
                if method == "PLAY":
                    player.start()
                if method == "TEARDOWN":
                    return

    def _play(self, connection: socket.socket, target: tuple[str, int] | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets, contextlib.suppress(OSError):
            packets.bind(("127.0.0.1", 0))
            packets.setblocking(False)
            while not self._over.is_set() and not self._done:
                self._send(packets, connection, target)
            if self._done:
                self._listener.close()
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def _done(self) -> bool:
        return self.number == self._count

    def _send(self, packets: socket.socket, connection: socket.socket, target: tuple[str, int] | None) -> None:
        """Pictures of one size, until the size changes or it is over."""
        size = self.size
        with av.open(f"rtp://127.0.0.1:{packets.getsockname()[1]}?pkt_size=1200", "w", format="rtp") as container:
            speed = {"preset": "veryfast", "bf": str(self._b_frames)} if self._b_frames else {"tune": "zerolatency"}
            options = {"preset": "ultrafast", "x264-params": "repeat-headers=1"} | speed
            stream = container.add_stream("libx264", rate=Fraction(self._fps).limit_denominator(1000), options=options)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.codec_context.gop_size = max(1, round(self._fps))
            self.number = 0
            due = time.monotonic()
            while not self._over.wait(due - time.monotonic()) and size == self.size and not self._done:
                due += 1 / self._fps
                if not self.frozen.is_set():
                    image = np.ascontiguousarray(self._picture(self.number, *size))
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
                    self.number += 1
                while True:
                    try:
                        packet = packets.recv(2048)
                    except BlockingIOError:
                        break
                    if 200 <= packet[1] <= 204:  # RTCP
                        continue
                    at = int.from_bytes(packet[4:8], "big") - round(self.back_s * 90000)
                    packet = packet[:4] + (at & 0xFFFFFFFF).to_bytes(4, "big") + packet[8:]
                    if target is None:
                        connection.sendall(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
                    else:
                        packets.sendto(packet, target)


if __name__ == "__main__":
    with RtspServer(8554) as server:
        print(server.url)  # noqa: T201
        time.sleep(1000)
