"""Multicast DNS, by which some cameras and restreamers tell where their RTSP is."""

from __future__ import annotations

import dns.exception
import dns.message
import dns.name
import dns.rdatatype

from sightline.discovery.devices import MOST_OF_ONE, NetworkCamera, words

GROUP = ("224.0.0.251", 5353)
SERVICES = ("_rtsp._tcp.local.", "_axis-video._tcp.local.")
PORT = 554


def question() -> bytes:
    """Return a question for all services at once. As it does not come from port 5353, answers come here alone."""
    asked = dns.message.make_query(SERVICES[0], "PTR", id=0, flags=0)
    for service in SERVICES[1:]:
        asked.question += dns.message.make_query(service, "PTR").question
    return asked.to_wire()


def devices(answer: bytes, sender: str) -> list[NetworkCamera]:
    """Return the services of an answer. All are taken to be at the machine that sent it, whatever they say."""
    try:
        message = dns.message.from_wire(answer, ignore_trailing=True)
        records = [*message.answer, *message.additional]
        names = [
            dns.name.from_text(pointer.to_text())
            for records_of in records
            if records_of.rdtype == dns.rdatatype.PTR and records_of.name.to_text().lower() in SERVICES
            for pointer in records_of
        ]
        ports, paths = dict[dns.name.Name, int](), dict[dns.name.Name, str]()
        for records_of in records:
            for record in records_of:
                # To dnspython their class is an unknown one where it says that older answers are void: so by bytes.
                data = record.to_generic().data
                if records_of.rdtype == dns.rdatatype.SRV and len(data) > 6:
                    ports[records_of.name] = int.from_bytes(data[4:6])
                elif records_of.rdtype == dns.rdatatype.TXT:
                    paths.setdefault(records_of.name, _path(data))
    except (dns.exception.DNSException, ValueError):
        return []
    return [_device(name, ports.get(name, PORT), paths.get(name, "/"), sender) for name in names[:MOST_OF_ONE]]


def _device(name: dns.name.Name, port: int, path: str, sender: str) -> NetworkCamera:
    called = words(name.labels[0].decode("utf-8", "replace"))
    return NetworkCamera(called or sender, "rtsp", f"rtsp://{sender}:{port}{path}")


def _path(data: bytes) -> str:
    """Return what a TXT record has as path."""
    while data:
        size = data[0]
        entry, data = data[1 : 1 + size], data[1 + size :]
        key, _, value = entry.partition(b"=")
        if key.lower() == b"path":
            text = value.decode("ascii", "replace")
            if all(" " < c < "\x7f" and c not in '\\"<>' for c in text):
                return "/" + text.lstrip("/")
    return "/"
