"""A profile's whole way: from a hub into the cache, built, exported, served without PyTorch, asked by a camera."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from sightline import profiles
from sightline.cli.export import export_profile
from sightline.zoo.store import Cache
from sightline.zoo.store.pull import pull
from support import networks
from support.made_hub import made_hub
from support.serving import peer, pixels, serving

pytestmark = pytest.mark.timeout(300)  # tracing is slow where other work has the cores
BLOCK = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
"""As on a machine where they are not installed."""


async def test_what_a_camera_gets_is_what_the_library_says(tmp_path: Path) -> None:
    profile, cache = profiles.load("accurate"), Cache(tmp_path / "cache")
    net = networks.segformer(classes=150)
    from transformers import SegformerImageProcessor  # only now: see import_torchvision

    published = tmp_path / "published"
    networks.publish(net, published)
    torch.save(net.state_dict(), published / "pytorch_model.bin")
    (published / "preprocessor_config.json").write_text("{}")
    with made_hub() as hub:
        hub.files = {f"{profile.repository}/{one.name}": (published / one.name).read_bytes() for one in profile.files}
        pull(profile, cache, hub=hub.url)
    export_profile(profile, cache, threads=1)

    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {"SIGHTLINE_CACHE": str(cache.root), "PYTHONPATH": path}
    jpeg = bytes(cv2.imencode(".jpg", networks.picture(320, 180))[1])
    async with (
        serving("--profile", "accurate", "--engine", "onnx", env=env) as server,
        peer(server.ws + "/ws/camera/cam") as camera,
    ):
        await camera.send_frame(1, jpeg)
        answer, mask = await camera.next("result")
    assert answer["model"] == "accurate"
    assert mask is not None

    image = cv2.cvtColor(pixels(jpeg), cv2.COLOR_BGR2RGB)
    seen = cv2.resize(image, profile.input_size, interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    tensor = torch.from_numpy(seen).sub(torch.tensor(profile.mean)).div(torch.tensor(profile.std)).permute(2, 0, 1)
    with torch.no_grad():
        made = net(tensor[None])
    (own,) = SegformerImageProcessor().post_process_semantic_segmentation(made, target_sizes=[(180, 320)])
    found = pixels(mask, grey=True)
    assert found.shape == (180, 320)
    assert len(np.unique(found)) >= 3
    assert (found == np.asarray(own)).mean() > 0.995
    told = {one["class_id"]: one["class_name"] for one in answer["segments"]}
    assert told == {class_id: profile.labels[class_id] for class_id in np.unique(found).tolist()}
