"""What peers are told of a model that could not be had: no folder of the operator's is in it."""

from __future__ import annotations

import pytest

from sightline.streams.model_switch import FOLDERS


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("/srv/weights/nano.onnx: the engine 'torch' reads weights", "nano.onnx: the engine 'torch' reads weights"),
        (r"C:\models\nano.onnx: no graph", "nano.onnx: no graph"),
        ("reads '/srv/a/b.onnx', not \"/srv/c\"", "reads 'b.onnx', not \"c\""),
        ("see https://example.org/models/a.html", "see https://example.org/models/a.html"),
        ("between 1/2 and a/b/c", "between 1/2 and a/b/c"),
    ],
)
def test_files_are_named_without_their_folders(message: str, told: str) -> None:
    assert FOLDERS.sub("", message) == told
