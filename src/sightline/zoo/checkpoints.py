"""What made a file of PyTorch, told from the names in it, and the command that exports it there.

The file is read as data: its instructions are listed, and none is carried out.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

SUFFIXES = frozenset((".pt", ".pth", ".ckpt", ".bin", ".torchscript"))
MOST_BYTES = 16 << 20
"""Bytes of names that are read; a checkpoint's tensors lie elsewhere in it, or after them."""
MOST_STEPS = 400_000
"""Instructions that are read: half a second."""
PICKLES = 5
"""Pickles that stand one after the other in the old format."""
TORCHVISION = (
    "torch.onnx.export(model.eval(), [torch.zeros(3, 640, 640)], '{stem}.onnx', dynamo=False, input_names=['image'], "
    "output_names=['boxes', 'labels', 'scores'])"
)
ANY = "torch.onnx.export(model.eval(), torch.zeros(1, 3, 640, 640), '{stem}.onnx', dynamo=False)"


class Maker(NamedTuple):
    """Who makes such files."""

    what: str
    sign: str
    """Regular expression that finds one of the names: ``module class`` of what it needs, or a key of its tensors."""
    command: str
    """What exports it; without ``{stem}`` or ``{name}`` the reason why nothing does."""


MAKERS = (
    Maker(
        "Ultralytics' model for poses, oriented boxes or classes",
        r"^ultralytics\.\S+ (Pose|OBB|Classification)Model$",
        "such models are not supported: take the one for detection or segmentation",
    ),
    Maker("Ultralytics' model", r"^ultralytics\.", "yolo export model={name} format=onnx"),
    Maker("a YOLOv6", r"^yolov6\.", "python deploy/ONNX/export_onnx.py --weights {name}"),
    Maker(
        "a YOLOv7",
        r"^models\.(common (MP|SPPCSPC|ReOrg)|yolo I(Aux|Keypoint)?Detect|yolo IBin)$",
        "python export.py --weights {name} --grid",
    ),
    Maker("a YOLOv5 or YOLOv9", r"^models\.(yolo|common) ", "python export.py --weights {name} --include onnx"),
    Maker(
        "a YOLO-NAS",
        r"^super_gradients\.|^ema_net$|^(net\.|module\.)*heads\.head1\.\w+_pred\.weight$",
        "python -c \"from super_gradients.training import models; models.get('yolo_nas_s', num_classes=80, "
        "checkpoint_path='{name}').export('{stem}.onnx')\", with the model's own size and number of classes",
    ),
    Maker(
        "an RF-DETR",
        r"^refpoint_embed\.weight$",
        "python -c \"from rfdetr import RFDETRBase; RFDETRBase(pretrain_weights='{name}').export()\", with the class "
        "of its size (RFDETRNano, RFDETRSmall, RFDETRMedium, RFDETRLarge)",
    ),
    Maker(
        "a D-FINE or RT-DETR",
        r"^(module\.)?decoder\.dec_score_head\.0\.weight$",
        "python tools/deployment/export_onnx.py -c CONFIG.yml -r {name} for D-FINE, python tools/export_onnx.py "
        "-c CONFIG.yml -r {name} for RT-DETR",
    ),
    Maker(
        "a YOLOX",
        r"^head\.cls_preds\.0\.weight$",
        "python tools/export_onnx.py -n yolox-s -c {name} --output-name {stem}.onnx",
    ),
    Maker(
        "a NanoDet",
        r"^(model\.)?head\.gfl_cls\.0\.weight$|^(model\.)?head\.distribution_project\.project$",
        "python tools/export_onnx.py --cfg_path CONFIG.yml --model_path {name} --out_path {stem}.onnx",
    ),
    Maker(
        "torchvision's network", r"^torchvision\.models\.", f"model = torch.load('{{name}}', weights_only=False); {ANY}"
    ),
    Maker(
        "the tensors of torchvision's detector",
        r"^(rpn\.head|roi_heads\.box_\w+|head\.classification_head)\.",
        "model = torchvision.models.detection.NAME(weights=None, weights_backbone=None, num_classes=N); "
        f"model.load_state_dict(torch.load('{{name}}')); {TORCHVISION}, with the name that it was trained as",
    ),
    Maker(
        "the tensors of torchvision's segmenter",
        r"^classifier\.(0\.convs\.0\.0\.weight|low_classifier\.weight)$",
        "model = torchvision.models.segmentation.NAME(weights=None, weights_backbone=None, num_classes=N); "
        f"model.load_state_dict(torch.load('{{name}}')); {ANY}, with the name that it was trained as",
    ),
    Maker(
        "a checkpoint of sightline train",
        r"^average$",
        "its run has written its ONNX file beside the checkpoint; sightline train --start-from {name} goes on from it",
    ),
)
"""In the order in which they are looked for."""
SCRIPT = Maker(
    "a TorchScript program", "", f"model = torch.jit.load('{{name}}'); {ANY}, with the size that it was made for"
)


def told_by(path: Path) -> str | None:
    """Who made this file, and the command that exports it there, in words. None if it does not tell."""
    try:
        with path.open("rb") as file:
            names = set(_names(file))
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return None
    if not names:
        return None
    listed = "\n".join(sorted(names))
    maker = next((maker for maker in MAKERS if re.search(maker.sign, listed, re.M)), None)
    if maker is None and "TorchScript" in names:
        maker = SCRIPT
    if maker is not None:
        return f"{_words(maker)}: {maker.command.format(name=path.name, stem=path.stem)}"
    return _plain(names).format(command=ANY.format(stem=path.stem))


def _words(maker: Maker) -> str:
    exports = re.search(r"export|\.load\(", maker.command) is not None
    return f"it is {maker.what}" + ("; export it to ONNX first" if exports else "")


def _plain(names: set[str]) -> str:
    """Words for a file of nobody known."""
    keys = sorted(name for name in names if re.fullmatch(r"[\w.]+\.(weight|bias)", name))
    classes = sorted(name.replace(" ", ".") for name in names if re.fullmatch(r"[\w.]+ [A-Z]\w*", name))
    foreign = [name for name in classes if not name.startswith(("torch.", "collections.", "numpy."))]
    if foreign:
        return f"it holds a network of {foreign[0]}; in a script that can load it: {{command}}"
    if keys:
        return f"it holds tensors by name ({keys[0]}, ...) and no network; in a script that builds it: {{command}}"
    return "in a script that builds its network: {command}"


def _names(file: IO[bytes]) -> Iterator[str]:
    """Yield the names in a file of either of PyTorch's formats."""
    if not zipfile.is_zipfile(file):
        file.seek(0)
        if file.read(1) == b"\x80":
            file.seek(0)
            yield from _listed(io.BytesIO(file.read(MOST_BYTES)), PICKLES)
        return
    with zipfile.ZipFile(file) as packed:
        entries = packed.namelist()
        if any("/code/" in entry for entry in entries):
            yield "TorchScript"
        for entry in entries:
            if entry.endswith("data.pkl"):
                with packed.open(entry) as data:
                    yield from _listed(io.BytesIO(data.read(MOST_BYTES)), 1)


def _listed(data: IO[bytes], pickles: int) -> Iterator[str]:
    """Yield the names in so many pickles."""
    for _ in range(pickles):
        before: list[str] = []
        try:
            for opcode, argument, _at in islice(pickletools.genops(data), MOST_STEPS):
                if opcode.name == "STACK_GLOBAL" and len(before) == 2:
                    yield " ".join(before)
                if isinstance(argument, str):
                    yield argument
                    before = [*before[-1:], argument]
        except (ValueError, OverflowError, UnicodeDecodeError, AssertionError):
            return  # cut off or damaged: what came counts
