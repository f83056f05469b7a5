"""What a camera is asked for stands in the log once a minute, as a busy server may ask each of many twice a second."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sightline.settings.settings import load_settings
from sightline.streams.adaptive.service import _ask
from sightline.streams.adaptive.state import AdaptiveState, preset_knobs


def test_a_line_a_minute_but_for_what_somebody_chose(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    caplog.set_level(logging.DEBUG, "sightline")
    stream = cast(Any, SimpleNamespace(name="door", adaptive=AdaptiveState("default"), publisher=None))
    settings, knobs = load_settings(), preset_knobs("default")
    for _ in range(121):
        _ask(stream, settings, knobs, "the model does 20 pictures a second", chosen=False)
        now += 1
    levels = [one.levelno for one in caplog.records]
    assert (levels.count(logging.INFO), levels.count(logging.DEBUG)) == (3, 118)
    _ask(stream, settings, knobs, "the preset is now ultra")
    assert caplog.records[-1].levelno == logging.INFO
