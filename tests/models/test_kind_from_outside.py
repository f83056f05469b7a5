"""A kind of prediction that Sightline does not know, with its family and renderer, from a package of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from support.made_graph import MakeGraph
from support.outside import install
from support.serving import ROOT, peer, picture, pixels, serving

PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
(DEPTH,) = re.findall(r"^```python\n(\"\"\"Depth: .*?)^```", PAGE, re.S | re.M)


VALUES = [[10, 20], [30, 200]]


def installed(make_graph: MakeGraph, tmp_path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """An environment that has the package, and options for a model of its family."""
    near_and_far = np.array(VALUES, np.float32) / 10
    graph = make_graph({"depth": near_and_far}, name="room.onnx", metadata={"producer": "depths"})
    plugins = {"models": {"depth": "depths"}, "renderers": {"depth": "depths"}}
    env = install(tmp_path / "site", {"depths": DEPTH}, plugins, name="depths")
    return env, ("--model", str(graph), "--engine", "onnx")


async def test_another_kind_is_rendered_masked_and_served(make_graph: MakeGraph, tmp_path: Path) -> None:
    env, options = installed(make_graph, tmp_path)
    async with (
        serving(*options, env=env) as server,
        peer(f"{server.ws}/ws/view/door") as viewer,
        peer(f"{server.ws}/ws/view/door?render=server") as drawn,
        peer(f"{server.ws}/ws/camera/door") as camera,
    ):
        await camera.send_frame(1, picture(1))
        answer, mask = await camera.next("result")
        assert (answer["mask_kind"], answer["detections"]) == ("depth", [])
        assert mask is not None
        assert pixels(mask, grey=True).tolist() == VALUES
        seen, data = await viewer.next("frame_metadata")
        assert seen["mask_kind"] == "depth"
        assert data is not None
        assert pixels(data[seen["jpeg_bytes"] :], grey=True).tolist() == VALUES
        rendered, jpeg = await drawn.next("frame_metadata")
        assert rendered["mode"] == "depth"
        assert jpeg is not None
        grey = pixels(jpeg)
        corners = [int(grey[y, x].mean()) for y in (20, -20) for x in (20, -20)]
        assert np.abs(np.array(corners) - np.ravel(VALUES)).max() <= 3
        detail = await server.get("/api/streams/door")
        assert detail["seen"] == []


def test_another_kind_in_run(make_graph: MakeGraph, tmp_path: Path) -> None:
    env, options = installed(make_graph, tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(picture(2))
    program = [sys.executable, "-m", "sightline", "run", "pictures", *options]
    ways = ["--masks", "masks", "--save", "drawn", "--jsonl", "lines.jsonl"]
    (tmp_path / "masks").mkdir()
    (tmp_path / "drawn").mkdir()
    done = subprocess.run([*program, *ways], env=os.environ | env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = cv2.imread(str(tmp_path / "masks" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert (int(written[0, 0]), int(written[-1, -1])) == (10, 200)
    saved = cv2.imread(str(next((tmp_path / "drawn").iterdir())))
    assert saved is not None
    assert abs(int(saved[-20, -20].mean()) - 200) <= 3
    assert json.loads((tmp_path / "lines.jsonl").read_text())["detections"] == []
