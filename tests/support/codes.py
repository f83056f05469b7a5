"""Reading codes off a screen, as a phone does."""

from __future__ import annotations

import re

import cv2
import numpy as np


def decoded(screenshot: bytes) -> str:
    """What the code in a picture says; nothing where none is to be seen."""
    image = cv2.imdecode(np.frombuffer(screenshot, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    text, *_ = cv2.QRCodeDetectorAruco().detectAndDecode(image)  # the other detector misses one code in a hundred
    return text


def decoded_terminal(said: str) -> str:
    """What the code says that stands in a terminal's text, two rows of it in one line."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip("\r") for line in said.splitlines()]
    block = [line for line in lines if len(line) > 20 and set(line) <= set(" ▀▄█")]
    assert block, said
    halves = [set("▀█"), set("▄█")]
    width = max(map(len, block))
    rows = [[255 * (c in half) for c in line.ljust(width)] for line in block for half in halves]
    image = np.kron(np.array(rows, np.uint8), np.ones((8, 8), np.uint8)).astype(np.uint8)
    framed = cv2.copyMakeBorder(image, 32, 32, 32, 32, cv2.BORDER_CONSTANT, value=(255,))
    return decoded(cv2.imencode(".png", framed)[1].tobytes())
