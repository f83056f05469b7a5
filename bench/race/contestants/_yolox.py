"""YOLOX with ONNX Runtime, written as one writes it by hand: decode, letterbox, run, boxes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import onnxruntime

cv2.setNumThreads(1)  # its threads spin while they wait for each other


class Yolox:
    """A model that takes pictures (HxWx3, BGR). Each instance is used by one thread."""

    def __init__(self, path: str, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self._side = int(self._input.shape[2])
        cells = [(x, y, s) for s in (8, 16, 32) for y in range(self._side // s) for x in range(self._side // s)]
        self._grid = np.array(cells, np.float32)

    def __call__(self, image: Any) -> Any:
        """Boxes (x, y, width, height) and confidences of what is found, at least 0.25 sure."""
        scale = self._side / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale)
        padded = np.full((self._side, self._side, 3), 114, np.uint8)
        padded[: small.shape[0], : small.shape[1]] = small
        rows = self._session.run(None, {self._input.name: padded.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        sure = rows[:, 4] * rows[:, 5:].max(axis=1)
        kept = sure > 0.25
        found, grid = rows[kept], self._grid[kept]
        middles = (found[:, :2] + grid[:, :2]) * grid[:, 2:]
        sizes = np.exp(found[:, 2:4]) * grid[:, 2:]
        boxes = np.hstack([middles - sizes / 2, sizes]) / scale
        best = cv2.dnn.NMSBoxes(boxes.tolist(), sure[kept].tolist(), 0.25, 0.45)
        return boxes[list(best)], sure[kept][list(best)]
