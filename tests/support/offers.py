"""WHIP offers as programs write them."""

from __future__ import annotations

TRANSPORT = """c=IN IP4 0.0.0.0
a=mid:{mid}
a=sendonly
a=rtcp-mux
a=setup:{setup}
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
"""


def video(number: int, *lines: str, codec: str = "H264/90000", mid: str = "0", setup: str = "actpass") -> str:
    """The video of an offer, with one codec."""
    head = f"m=video 9 UDP/TLS/RTP/SAVPF {number}\n" + TRANSPORT.format(mid=mid, setup=setup)
    return head + f"a=rtpmap:{number} {codec}\na=rtcp-fb:{number} nack pli\n" + "".join(f"{line}\n" for line in lines)


def offer(*media: str) -> str:
    """A whole offer."""
    mids = " ".join(line.partition(":")[2] for one in media for line in one.splitlines() if line.startswith("a=mid:"))
    return f"v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {mids}\n" + "".join(media)


SOUND = "m=audio 9 UDP/TLS/RTP/SAVPF 111\n" + TRANSPORT.format(mid="0", setup="actpass") + "a=rtpmap:111 opus/48000/2\n"
OBS = offer(
    SOUND,
    video(
        96,
        "a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1",
        "a=ssrc:3 cname:obs",
        "a=ssrc:3 msid:obs obs-video",
        mid="1",
    ),
)
FFMPEG = offer(
    video(
        106,
        "a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640028",
        "a=rtpmap:107 rtx/90000",
        "a=fmtp:107 apt=106",
        "a=ssrc-group:FID 5 6",
        setup="passive",
    ).replace("SAVPF 106", "SAVPF 106 107")
)
GSTREAMER = offer(
    video(
        96,
        "a=fmtp:96 packetization-mode=1;profile-level-id=4d401f;sprop-parameter-sets=Z01AH5WgFAFugA==,aO48gA==",
        "a=rtcp-fb:96 ccm fir",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=framerate:30",
    )
)
