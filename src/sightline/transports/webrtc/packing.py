"""Encoded pictures as RTP payloads, by aiortc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from sightline.transports._encoding import Encoder, Encoders, Pack

if TYPE_CHECKING:
    from av import Packet

RtpEncoder: TypeAlias = Encoder[list[bytes]]
RtpEncoders: TypeAlias = Encoders[list[bytes]]


def encoders(kbps: int) -> RtpEncoders:
    """Return encoders whose pictures are RTP payloads."""
    return Encoders(kbps, packer)


def packer(codec: str) -> Pack[list[bytes]]:
    """Return what cuts the packets of one encoder."""
    cutter: H264Encoder | Vp8Encoder = H264Encoder() if codec == "H264" else Vp8Encoder()

    def pack(packet: Packet[Any]) -> list[bytes]:
        payloads, _ = cutter.pack(packet)
        return payloads

    return pack
