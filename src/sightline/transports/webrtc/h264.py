"""H.264 in offers: aiortc knows two profiles in one packetization mode, libavcodec decodes all that cameras send.

An offer without one of those two is put to aiortc as if it had them, and the answer says again what was offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

KNOWN = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
ECHOED = ("level-asymmetry-allowed", "packetization-mode", "profile-level-id")
Parameters: TypeAlias = dict[str, str]
Offered: TypeAlias = dict[str, Parameters]
"""By payload type, the parameters that were offered."""
_RTPMAP = re.compile(r"a=rtpmap:(\d+) *(\w+)/90000 *", re.IGNORECASE)
_FMTP = re.compile(r"a=fmtp:(\d+) +(.*)")


def widened(offer: str, *, sends: bool) -> tuple[str, Offered]:
    """Return the offer as aiortc is to have it, and the H.264 that was put otherwise.

    A peer that ``sends`` may do so in any profile, in mode 0 or 1. One that receives gets what it can decode, which is
    baseline in mode 1, unless it knows VP8.
    """
    codecs = {m[1]: m[2].upper() for line in _of_video(offer) if (m := _RTPMAP.fullmatch(line))}
    said = {m[1]: _parameters(m[2]) for line in _of_video(offer) if (m := _FMTP.fullmatch(line))}
    h264 = {number: said.get(number, {}) for number, codec in codecs.items() if codec == "H264"}
    if any(_is_known(found) for found in h264.values()) or (not sends and "VP8" in codecs.values()):
        return offer, {}
    modes = ("0", "1") if sends else ("1",)
    taken = {number: found for number, found in h264.items() if found.get("packetization-mode", "0") in modes}
    return _with_fmtp(offer, dict.fromkeys(taken, KNOWN)), taken


def restored(answer: str, offered: Offered) -> str:
    """Return aiortc's answer with the parameters that were offered."""
    told = {
        number: ";".join(f"{key}={found[key]}" for key in ECHOED if key in found) for number, found in offered.items()
    }
    return _with_fmtp(answer, told)


def _is_known(found: Parameters) -> bool:
    """True for (constrained) baseline in mode 1, which aiortc itself understands."""
    profile = found.get("profile-level-id", "")
    return found.get("packetization-mode") == "1" and re.fullmatch("42[0-9a-f]{4}", profile, re.IGNORECASE) is not None


def _parameters(text: str) -> Parameters:
    pairs = (part.partition("=") for part in text.split(";"))
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _of_video(sdp: str) -> Iterator[str]:
    """The lines of the video media."""
    video = False
    for line in sdp.splitlines():
        video = line.startswith("m=video") if line.startswith("m=") else video
        if video:
            yield line


def _with_fmtp(sdp: str, wanted: Mapping[str, str]) -> str:
    """Replace the parameters of these payload types in the video media; an empty text means none."""
    lines: list[str] = []
    video = False
    for line in sdp.splitlines():
        video = line.startswith("m=video") if line.startswith("m=") else video
        fmtp, rtpmap = _FMTP.fullmatch(line), _RTPMAP.fullmatch(line)
        if video and fmtp is not None and fmtp[1] in wanted:
            continue
        lines.append(line)
        if video and rtpmap is not None and wanted.get(rtpmap[1]):
            lines.append(f"a=fmtp:{rtpmap[1]} {wanted[rtpmap[1]]}")
    return "\r\n".join(lines) + "\r\n"
