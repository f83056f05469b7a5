"""A made ONVIF camera: it answers probes by UDP, and SOAP by HTTP to who knows its password, as real ones do."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

from support.http_files import http

ENVELOPE = (
    '<?xml version="1.0"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:ter="http://www.onvif.org/ver10/error">'
    "<SOAP-ENV:Body>{}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
)
REFUSED = (
    "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value><SOAP-ENV:Subcode>"
    "<SOAP-ENV:Value>ter:NotAuthorized</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code></SOAP-ENV:Fault>"
)


@dataclass
class OnvifCamera:
    """What it has, and how its clock goes."""

    url: str = ""
    """Of its service."""
    user: str = "me"
    password: str = "p@ss<word"
    ahead: timedelta = timedelta(hours=-7)
    """Of its clock: it takes no question that is older than a minute."""
    rtsp: str = "rtsp://192.0.2.9:554/live"
    """Where it says that its streams are."""
    profiles: dict[str, tuple[int, int]] = field(
        default_factory=lambda: {"main": (2560, 1440), "sub": (640, 360), "tiny": (160, 90)}
    )
    answer: Callable[[str], bytes | None] = lambda question: None
    """What it says instead of what is right; None for that."""
    asked: list[str] = field(default_factory=list)

    def reply(self, question: str) -> tuple[int, str]:
        """Status and body of the answer to a question."""
        now = datetime.now(UTC) + self.ahead
        if "GetSystemDateAndTime" in question:
            return 200, (
                "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime>"
                f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
                f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
                f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
                "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
            )
        if not self._lets_in(question, now):
            return 400, REFUSED
        if "GetCapabilities" in question:
            where = "http://192.0.2.9/onvif/media"  # as a camera behind another address says
            media = f"<tt:Media><tt:XAddr>{where}</tt:XAddr></tt:Media>"
            capabilities = f"<tds:Capabilities>{media}</tds:Capabilities>"
            return 200, f"<tds:GetCapabilitiesResponse>{capabilities}</tds:GetCapabilitiesResponse>"
        if "GetProfiles" in question:
            listed = "".join(_profile(token, *size) for token, size in self.profiles.items())
            return 200, f"<trt:GetProfilesResponse>{listed}</trt:GetProfilesResponse>"
        token = re.findall(r"<ProfileToken>(.*)</ProfileToken>", question)[0]
        uri = f"<tt:Uri>{self.rtsp}/{token}?a=1&amp;b=2</tt:Uri>"
        return 200, f"<trt:GetStreamUriResponse><trt:MediaUri>{uri}</trt:MediaUri></trt:GetStreamUriResponse>"

    def _lets_in(self, question: str, now: datetime) -> bool:
        nonce, created, digest, user = (
            (re.findall(rf"<{part}(?: [^>]*)?>([^<]*)<", question) or [""])[0]
            for part in ("Nonce", "Created", "Password", "Username")
        )
        if not created or abs(now - datetime.fromisoformat(created)) > timedelta(minutes=1):
            return False
        right = hashlib.sha1(base64.b64decode(nonce) + created.encode() + self.password.encode()).digest()
        return user == self.user and base64.b64decode(digest) == right


def _profile(token: str, width: int, height: int) -> str:
    return (
        f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token} stream</tt:Name><tt:VideoEncoderConfiguration>'
        f"<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
        "</tt:Resolution><tt:RateControl><tt:FrameRateLimit>15</tt:FrameRateLimit></tt:RateControl>"
        "</tt:VideoEncoderConfiguration></trt:Profiles>"
    )


@contextlib.contextmanager
def onvif_camera() -> Iterator[OnvifCamera]:
    """One that answers on this machine until the block ends."""
    camera = OnvifCamera()

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"])).decode()
            camera.asked.append(f"{self.path} {question}")
            raw = camera.answer(question)
            if raw is None:
                status, body = camera.reply(question)
                self.send_response(status)
                self.end_headers()
                raw = ENVELOPE.format(body).encode()
            with contextlib.suppress(OSError):
                self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            return

    with http(Service) as url:
        camera.url = f"{url}/onvif/device_service"
        yield camera


@contextlib.contextmanager
def answering(*answers: Callable[[bytes], bytes]) -> Iterator[tuple[str, int]]:
    """A UDP port of this machine that gives these answers to each question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def run() -> None:
            while (packet := sock.recvfrom(65_536))[0] != b"stop":
                for answer in answers:
                    sock.sendto(answer(packet[0]), packet[1])

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield sock.getsockname()
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"stop", sock.getsockname())
            thread.join()


def probe_match(address: str, *, name: str = "Front%20door", hardware: str = "IPC-1") -> Callable[[bytes], bytes]:
    """The answer of a camera to WS-Discovery's question."""

    def answer(question: bytes) -> bytes:
        about = re.findall(rb"MessageID[^>]*>([^<]*)<", question)[0].decode()
        scopes = (
            f"onvif://www.onvif.org/name/{name} onvif://www.onvif.org/hardware/{hardware} onvif://www.onvif.org/x/y"
        )
        match = (
            "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:1</a:Address></a:EndpointReference>"
            f"<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{address}</d:XAddrs>"
            f"</d:ProbeMatch></d:ProbeMatches><!-- {about} -->"
        )
        return ENVELOPE.format(match).encode()

    return answer
