"""The engine torch: what it loads, what it refuses, and that nothing in a file is run."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from sightline.core.errors import ConfigError, ModelError  # noqa: E402
from sightline.core.types import TensorSpec  # noqa: E402
from sightline.engines import _networks as built  # noqa: E402
from sightline.engines import torch as engine  # noqa: E402
from sightline.models._class_map import class_map  # noqa: E402
from support import networks  # noqa: E402

CARD = {"architecture": networks.ARCHITECTURES["segformer"]}
PIXELS = {"mean": "[0.485, 0.456, 0.406]", "std": "[0.229, 0.224, 0.225]"}
DEEPLAB = {"architecture": networks.ARCHITECTURES["deeplab"]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SegFormer as its makers would publish it."""
    return networks.publish(networks.segformer(), tmp_path_factory.mktemp("segformer"))


def pictures(count: int, side: int = 64) -> Any:
    return np.stack([networks.picture(side, side, seed).transpose(2, 0, 1) for seed in range(count)])


def test_it_runs_any_batch_of_any_size(weights: Path) -> None:
    opened = engine.open(weights, metadata=CARD, threads=1)
    assert (opened.name, opened.device, opened.precision) == ("torch", "cpu", "fp32")
    assert dict(opened.inputs) == {"images": TensorSpec("images", (None, 3, None, None), "uint8")}
    assert dict(opened.outputs) == {"logits": TensorSpec("logits", (None, None, None, None), "float32")}
    assert opened.metadata == CARD
    three = opened.run({"images": pictures(3)})["logits"].copy()
    one = opened.run({"images": pictures(1)})["logits"]
    assert three.shape == (3, len(networks.CLASSES), 16, 16)
    np.testing.assert_allclose(three[:1], one, atol=1e-5)
    assert opened.run({"images": pictures(1, 96)})["logits"].shape[2:] == (24, 24)
    with pytest.raises(ModelError, match=r"failed on images \(1, 4, 64, 64\)"):
        opened.run({"images": np.zeros((1, 4, 64, 64), np.uint8)})
    opened.close()
    opened.close()
    with pytest.raises(ModelError, match="closed"):
        opened.run({"images": pictures(1)})


def test_what_a_card_says_of_pixels_is_done_in_the_network(weights: Path) -> None:
    def logits(pixels: Any, **words: str) -> Any:
        opened = engine.open(weights, metadata=CARD | words, threads=1)
        return opened.run({"images": pixels})["logits"].copy()

    dark, bright = np.full((1, 3, 64, 64), 51, np.uint8), np.full((1, 3, 64, 64), 102, np.uint8)
    plain = logits(bright)
    np.testing.assert_allclose(plain, logits(dark, scale=repr(2 / 255)), atol=1e-4)
    np.testing.assert_allclose(plain, logits(dark, std="[0.5, 0.5, 0.5]"), atol=1e-4)
    np.testing.assert_allclose(plain, logits(dark, mean="[-0.2, -0.2, -0.2]"), atol=1e-4)
    for key, wrong in (("mean", "[1, 2]"), ("std", "[0, 1, 1]"), ("scale", "much"), ("mean", "[1, 2, null]")):
        with pytest.raises(ModelError, match=f"its '{key}' is"):
            engine.open(weights, metadata=CARD | {key: wrong})


def test_class_ids_of_a_card_are_those_of_the_logits(weights: Path) -> None:
    """On graphics cards it gives whole class maps; here the same network gives both."""
    network, _, _ = built.load(weights, CARD | PIXELS)
    assert isinstance(network, built.SemanticNetwork)
    images = pictures(2, 128)
    with torch.inference_mode():
        logits = network(torch.from_numpy(images)).numpy()
        network.classes_only()
        ids = network(torch.from_numpy(images)).numpy()
    assert list(network.outputs) == ["classes"]
    assert (ids.dtype, ids.shape) == (np.uint8, (2, 128, 128))
    assert len(np.unique(ids)) >= 3
    for number in range(2):
        assert (class_map(logits[number], 128, 128) == ids[number]).mean() > 0.995


def test_it_refuses_graphs_and_what_is_no_file(weights: Path, tmp_path: Path) -> None:
    graph = tmp_path / "some.onnx"
    graph.write_bytes(b"graph")
    with pytest.raises(ModelError, match="reads weights, not graphs"):
        engine.open(graph)
    with pytest.raises(ModelError, match="no such file"):
        engine.open(tmp_path / "none.pth")
    with pytest.raises(ModelError, match=r"calls its architecture 'os\.system'; expected one of torchvision"):
        engine.open(weights, metadata={"architecture": "os.system"})
    with pytest.raises(ConfigError, match="computes in fp32"):
        engine.open(weights, metadata=CARD, precision="fp16")
    alone = tmp_path / "model.safetensors"
    alone.write_bytes(weights.read_bytes())
    with pytest.raises(ModelError, match=r"needs the file config\.json"):
        engine.open(alone, metadata=CARD)
    config = json.loads((weights.parent / "config.json").read_text())
    assert engine.open(alone, metadata=CARD, config=config).outputs


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin"])
@pytest.mark.parametrize("content", [b"x", b"\x80\x02}q\x00.", b"PK\x03\x04" + b"\0" * 90, b"\xff" * 300])
def test_it_refuses_broken_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"model{suffix}"
    file.write_bytes(content)
    (tmp_path / "config.json").write_text('{"model_type": "segformer"}')
    with pytest.raises(ModelError, match=r"expected|not those of"):
        engine.open(file, metadata=CARD)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A few tensors, in each of the formats."""
    from safetensors.torch import save

    networks.import_torchvision()
    folder, tensors = tmp_path_factory.mktemp("small"), {"a": torch.zeros(3), "b.c": torch.ones(2, 2)}
    torch.save(tensors, folder / "new")
    torch.save(tensors, folder / "old", _use_new_zipfile_serialization=False)
    named = {f"{name}.pth": (folder / name).read_bytes() for name in ("new", "old")}
    return named | {"some.safetensors": save(tensors)}


@pytest.mark.parametrize("name", ["new.pth", "old.pth", "some.safetensors"])
@given(places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6), end=st.integers(1, 10_000))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_damaged_files_are_told(
    small_files: dict[str, bytes], tmp_path: Path, name: str, places: list[tuple[int, int]], end: int
) -> None:
    content = bytearray(small_files[name])
    for place, value in places:
        content[place % len(content)] = value
    file = tmp_path / name
    file.write_bytes(content[:end])
    with pytest.raises(ModelError, match=name):
        engine.open(file, metadata=DEEPLAB)


class Evil:
    """Would write a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("plain", [True, False])
def test_nothing_in_a_file_is_run(tmp_path: Path, plain: bool) -> None:
    mark, file = tmp_path / "ran", tmp_path / "evil.pth"
    content = {"classifier.4.weight": Evil(mark)}
    if plain:
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file)
    with pytest.raises(ModelError, match="expected"):
        engine.open(file, metadata=DEEPLAB)
    assert not mark.exists()


def test_tensors_that_do_not_fit_are_named(weights: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = tmp_path / "model.safetensors"
    (tmp_path / "config.json").write_bytes((weights.parent / "config.json").read_bytes())
    tensors = load_file(weights)
    some = "decode_head.classifier.weight"
    cases = {
        "1 missing .*decode_head.classifier.weight": {k: v for k, v in tensors.items() if k != some},
        "1 not expected .*odd.weight": tensors | {"odd.weight": torch.zeros(2)},
        "1 of another shape .*decode_head.classifier.weight": tensors | {some: torch.zeros(3, 3)},
    }
    for said, changed in cases.items():
        save_file(changed, file, {"format": "pt"})
        with pytest.raises(ModelError, match=said):
            engine.open(file, metadata=CARD)
    save_file(tensors | {"block.0.norm.num_batches_tracked": torch.zeros(1)}, file, {"format": "pt"})
    engine.open(file, metadata=CARD).close()


def test_torchvisions_own_files(tmp_path: Path) -> None:
    """With the head that only training needs, and without; what is missing is named."""
    state = networks.deeplab().state_dict()
    assert any(key.startswith("aux_classifier.") for key in state)
    file = tmp_path / "deeplab.pth"
    torch.save(state, file)
    opened = engine.open(file, metadata=DEEPLAB, threads=1)
    assert opened.run({"images": pictures(1)})["logits"].shape == (1, 21, 4, 4)
    opened.close()
    cases = {
        "1 missing .*classifier.4.weight": {k: v for k, v in state.items() if k != "classifier.4.weight"},
        "1 missing .*backbone": {k: v for k, v in state.items() if k != "backbone.0.0.weight"},
        "1 not expected .*odd": state | {"odd": torch.zeros(1)},
        "1 of another shape .*classifier.4.bias": state | {"classifier.4.bias": torch.zeros(3)},
        "expected tensors by name": {"model": state},
    }
    for said, content in cases.items():
        torch.save(content, file)
        with pytest.raises(ModelError, match=said):
            engine.open(file, metadata=DEEPLAB)


def python(code: str, *words: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return done.stdout


def test_torch_is_imported_only_when_it_is_needed() -> None:
    code = """
import sys
from sightline.core.registry import load
engine = load("engines", "torch")
print(engine.available(), engine.precisions(), "torch" in sys.modules, "transformers" in sys.modules)
"""
    assert python(code).split() == ["None", "['fp32']", "False", "False"]


def test_only_what_needs_torchvision_suffers_from_one_that_does_not_fit(weights: Path, tmp_path: Path) -> None:
    """Fault 26. As with a torchvision for graphics cards beside a PyTorch for processors: its import fails."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms is gone')")
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from sightline.engines import torch as engine
from sightline.core.errors import ConfigError
print(engine.lacking())
for name in ("SegformerForSemanticSegmentation", "RTDetrV2ForObjectDetection", "RfDetrForInstanceSegmentation"):
    print(engine.lacking("transformers." + name))
try:
    engine.open(Path(sys.argv[1]), metadata={"architecture": sys.argv[2]})
except ConfigError as e:
    print(e.message)
from transformers import SegformerConfig, SegformerForSemanticSegmentation
small = SegformerConfig(depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], decoder_hidden_size=16, num_labels=3)
SegformerForSemanticSegmentation(small).save_pretrained(sys.argv[3] + "/net")
opened = engine.open(
    Path(sys.argv[3]) / "net" / "model.safetensors",
    metadata={"architecture": "transformers.SegformerForSemanticSegmentation"},
)
import numpy as np
print(opened.run({"images": np.zeros((1, 3, 64, 64), np.uint8)})["logits"].shape)
"""
    told = python(code, str(weights), "torchvision.deeplabv3_resnet50", str(tmp_path)).splitlines()
    assert told[1:4] == ["None"] * 3
    for line in (told[0], told[4]):
        assert "the installed torchvision does not fit PyTorch" in line
        assert line.endswith("run: pip install --upgrade torch torchvision")
    assert told[5:] == ["(1, 3, 16, 16)"]
