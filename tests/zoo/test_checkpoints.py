"""Files of PyTorch get the command that exports them, by what is in them (fault 24). None of their code is run."""

from __future__ import annotations

import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.core.errors import ConfigError
from sightline.zoo.checkpoints import told_by
from sightline.zoo.loader import load_model
from sightline.zoo.store import Cache
from sightline.zoo.store.adopt import adopt

CLASSES = {
    "ultralytics.nn.tasks DetectionModel": "yolo export model=mine.pt format=onnx",
    "ultralytics.nn.tasks SegmentationModel": "yolo export model=mine.pt format=onnx",
    "ultralytics.nn.tasks PoseModel": "not supported: take the one for detection",
    "ultralytics.nn.tasks OBBModel": "not supported: take the one for detection",
    "ultralytics.nn.tasks ClassificationModel": "not supported: take the one for detection",
    "yolov6.models.yolo Model": "python deploy/ONNX/export_onnx.py --weights mine.pt",
    "models.common SPPCSPC": "python export.py --weights mine.pt --grid",
    "models.yolo IDetect": "python export.py --weights mine.pt --grid",
    "models.yolo DetectionModel": "python export.py --weights mine.pt --include onnx",
    "super_gradients.training.models Net": "checkpoint_path='mine.pt').export('mine.onnx')",
    "torchvision.models.detection.faster_rcnn FasterRCNN": "torch.load('mine.pt', weights_only=False)",
    "our.nets Mug": "a network of our.nets.Mug; in a script that can load it",
}
KEYS = {
    "refpoint_embed.weight": "RFDETRBase(pretrain_weights='mine.pt').export()",
    "decoder.dec_score_head.0.weight": "tools/deployment/export_onnx.py -c CONFIG.yml -r mine.pt",
    "head.cls_preds.0.weight": "python tools/export_onnx.py -n yolox-s -c mine.pt --output-name mine.onnx",
    "heads.head1.cls_pred.weight": "models.get('yolo_nas_s'",
    "model.head.distribution_project.project": "--model_path mine.pt --out_path mine.onnx",
    "roi_heads.box_head.fc6.weight": "torchvision.models.detection.NAME",
    "head.classification_head.conv.0.0.weight": "torchvision.models.detection.NAME",
    "classifier.0.convs.0.0.weight": "torchvision.models.segmentation.NAME",
    "layer1.0.conv1.weight": "tensors by name (layer1.0.conv1.weight, ...) and no network; in a script",
}


def packed(path: Path, content: Any, *, old: bool, protocol: int = 2) -> Path:
    """A file as ``torch.save`` writes it, in either format, without any tensors."""
    data = pickle.dumps(content, protocol)
    if old:
        path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + data)
    else:
        with zipfile.ZipFile(path, "w") as out:
            out.writestr("mine/data.pkl", data)
    return path


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("made", CLASSES)
def test_who_needs_classes_is_known_by_them(
    tmp_path: Path, made: str, old: bool, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name = made.split()
    kind = type(name, (), {"__module__": module})
    parts = module.split(".")
    with monkeypatch.context() as known:
        for i in range(1, len(parts) + 1):
            known.setitem(sys.modules, ".".join(parts[:i]), ModuleType(".".join(parts[:i])))
        setattr(sys.modules[module], name, kind)
        file = packed(tmp_path / "mine.pt", {"epoch": 3, "model": kind()}, old=old, protocol=protocol)
    with pytest.raises(ConfigError) as refused:
        load_model(str(file))
    assert CLASSES[made] in str(refused.value)
    with pytest.raises(ConfigError, match="of no profile, and only those are imported") as refused:
        adopt(file, Cache(tmp_path / "cache"), [])
    assert CLASSES[made] in str(refused.value)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("key", KEYS)
def test_tensors_alone_are_known_by_their_names(tmp_path: Path, key: str, old: bool) -> None:
    file = packed(tmp_path / "mine.pt", {"model": OrderedDict({key: 1, "other.bias": 2})}, old=old)
    told = told_by(file)
    assert told is not None
    assert KEYS[key] in told


def test_a_torchscript_program_is_loaded_and_exported(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.torchscript", "w") as out:
        out.writestr("mine/data.pkl", pickle.dumps({}))
        out.writestr("mine/code/__torch__/net.py", "def forward(self): pass")
    with pytest.raises(ConfigError, match=r"TorchScript program.*torch\.jit\.load\('mine\.torchscript'\); torch\.onnx"):
        load_model(str(tmp_path / "mine.torchscript"))


def test_no_code_in_a_file_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    for old in (False, True):
        told_by(packed(tmp_path / "mine.pt", Evil(), old=old))
    assert not (tmp_path / "ran").exists()


@given(st.binary(max_size=300), st.integers(0, 200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_whatever_the_file_is_there_is_an_answer(tmp_path: Path, noise: bytes, cut: int) -> None:
    whole = packed(tmp_path / "whole.pt", {"model": {"a.weight": 1}}, old=cut % 2 == 0).read_bytes()
    for data in (noise, b"\x80" + noise, b"PK\x03\x04" + noise, whole[:cut] + noise + whole[cut:]):
        (tmp_path / "mine.pt").write_bytes(data)
        told = told_by(tmp_path / "mine.pt")
        assert told is None or "onnx" in told
