"""A plain loop: a thread for each camera keeps its newest picture, and one for each core runs the model on them."""

from __future__ import annotations

import base64
import itertools
import os
import threading
import time
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np

from race.contestants import _stamp
from race.contestants._yolox import Yolox


def cameras(job: dict[str, Any]) -> dict[str, Any]:
    """Run the model on network cameras."""
    urls: list[str] = job["urls"]
    seen = _stamp.Seen(len(urls), job["seconds"])
    newest: dict[int, Any] = {}
    fresh = threading.Condition()

    def read(camera: int) -> None:
        capture = cv2.VideoCapture(urls[camera])
        while not seen.over:
            there, image = capture.read()
            if not there:
                return
            with fresh:
                newest[camera] = image
                fresh.notify()

    def work() -> None:
        model = Yolox(job["model"])
        while not seen.over:
            with fresh:
                if not fresh.wait_for(lambda: newest, timeout=0.1):
                    continue
                camera = next(iter(newest))
                image = newest.pop(camera)
            model(image)
            seen.note(camera, _stamp.read(image))

    threads = [threading.Thread(target=read, args=(i,), daemon=True) for i in range(len(urls))]
    threads += [threading.Thread(target=work) for _ in range(os.cpu_count() or 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return seen.answer()


def _saturated(pipe: Any, path: str, jpegs: list[bytes]) -> None:
    model = Yolox(path)
    frames = itertools.cycle([np.frombuffer(jpeg, np.uint8) for jpeg in jpegs])
    pipe.send(None)
    seconds = pipe.recv()
    started, cpu, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() - started < seconds:
        model(cv2.imdecode(next(frames), cv2.IMREAD_COLOR))
        count += 1
    pipe.send((count, time.process_time() - cpu))


def saturated(job: dict[str, Any]) -> dict[str, Any]:
    """Run so many processes, each with one thread, that do nothing else."""
    jpegs = [base64.b64decode(jpeg) for jpeg in job["jpegs"]]
    spawn = get_context("spawn")
    ends = [spawn.Pipe() for _ in range(job["processes"])]
    processes = [spawn.Process(target=_saturated, args=(end, job["model"], jpegs)) for _, end in ends]
    for process in processes:
        process.start()
    for ours, _ in ends:
        ours.recv()
    for ours, _ in ends:
        ours.send(job["seconds"])
    counts = [ours.recv() for ours, _ in ends]
    for process in processes:
        process.join()
    frames = sum(count for count, _ in counts)
    return {"results_s": frames / job["seconds"], "cpu_ms": sum(cpu for _, cpu in counts) / frames * 1000}


JOBS = {"cameras": cameras, "saturated": saturated}
