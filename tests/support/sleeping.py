"""A model that sleeps: it stands for a graphics card, as many of which do not slow each other."""

SLEEPING = """
import os, time

import numpy as np

from sightline.core.predictions import Detections
from sightline.core.types import ModelCard
from sightline.models.base import Model

CARD = ModelCard("sleeping", "sleeping", "detect", ("thing",), None, "-", "-")


def builtin():
    return CARD


def create():
    return Sleeping()


class Sleeping(Model):
    card = CARD
    wanted_side = 64

    def predict(self, images, *, options=None, streams=None, stages=None):
        for stream in streams or ():
            time.sleep(float(os.environ.get("TEST_SLEEP_S", "0.04")))
            if stream == "kills":
                os._exit(3)
        rows = np.array([[1, 2, 30, 40]], np.float32)
        return [Detections(rows, np.array([0.5], np.float32), np.array([0], np.int32)) for _ in images]
"""
"""Source of a module, for ``outside.install``."""
