"""Publishes a jumping square over WHIP with FFmpeg, until its input ends: whip_ffmpeg.py URL CERT KEY PROFILE."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from fractions import Fraction

import av
import numpy as np

from support.serving import left


def main(url: str, cert: str, key: str, profile: str) -> None:
    over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    with av.open(url, "w", format="whip", options={"cert_file": cert, "key_file": key}) as out:
        video = out.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "30"}
        video.codec_context.profile = profile
        began = time.monotonic()
        for i in itertools.count():
            if over.is_set():
                break
            image = np.full((180, 320, 3), 40, np.uint8)
            image[60:120, left(i) : left(i) + 50] = (40, 200, 240)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 30)
            out.mux(video.encode(frame))
            if i == 0:
                began = time.monotonic()  # the first picture waits for the connection
            time.sleep(max(0.0, began + i / 30 - time.monotonic()))


main(*sys.argv[1:])
