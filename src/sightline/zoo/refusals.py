"""What a person can do about a file that is no supported model: a command to export it, or what its shapes tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sightline.core.errors import ModelError
from sightline.core.types import Engine, TensorSpec
from sightline.zoo import checkpoints

EXPORTS = {
    ".pt": "yolo export model={name} format=onnx for Ultralytics' models, or python export.py --weights {name} --grid "
    "for YOLOv7, or python deploy/ONNX/export_onnx.py --weights {name} for YOLOv6",
    ".pth": "python tools/export_onnx.py -n yolox-s -c {name} --output-name {stem}.onnx for YOLOX, or "
    "torch.onnx.export(model, torch.zeros(1, 3, 640, 640), '{stem}.onnx') in a script that builds the network",
    ".ckpt": "python tools/export_onnx.py --cfg_path CONFIG.yml --model_path {name} --out_path {stem}.onnx for NanoDet",
    ".safetensors": "optimum-cli export onnx --model {folder} {stem}-onnx/ for a model of transformers",
    ".bin": "optimum-cli export onnx --model {folder} {stem}-onnx/ for a model of transformers",
    ".tflite": "python -m tf2onnx.convert --tflite {name} --output {stem}.onnx",
    ".pb": "python -m tf2onnx.convert --saved-model {folder} --output {stem}.onnx",
    ".h5": "python -m tf2onnx.convert --keras {name} --output {stem}.onnx",
    ".keras": "python -m tf2onnx.convert --keras {name} --output {stem}.onnx",
    ".pdmodel": "paddle2onnx --model_dir {folder} --model_filename {name} --params_filename {stem}.pdiparams "
    "--save_file {stem}.onnx, and leave infer_cfg.yml beside it",
    ".engine": "",
    ".trt": "",
    ".torchscript": "yolo export model={stem}.pt format=onnx from the file that it was made of",
    ".xml": "yolo export model={stem}.pt format=onnx from the file that it was made of",
    ".mlpackage": "yolo export model={stem}.pt format=onnx from the file that it was made of",
}
"""Commands that export a file to ONNX, by its suffix; empty where nothing can."""

SETTLED = ("semantic", "ultralytics")
"""Families that the names of the classes tell from all others."""
TENSORRT = (
    "It is an export for TensorRT alone; export it again without: YOLOv7 with export.py --grid --end2end --max-wh 640, "
    "others without --end2end"
)


def export_of(path: Path) -> str:
    """What to do with a file that is no ONNX file, in a sentence."""
    suffix = path.suffix.lower()
    told = checkpoints.told_by(path) if suffix in checkpoints.SUFFIXES else None
    if told is not None:
        return told
    command = EXPORTS.get(suffix)
    if command is None:
        return "export the model to ONNX first"
    if not command:
        return "TensorRT's engines can't be turned back: give the .onnx file that it was built from"
    return f"export it to ONNX first: {command.format(name=path.name, stem=path.stem, folder=path.parent)}"


def several(path: Path, engine: Engine, fitting: Sequence[str]) -> ModelError:
    """The error for a graph that several families recognise."""
    return ModelError(
        f"{path}: its graph fits several families ({', '.join(fitting)}), and its metadata does not say which it is.\n"
        f"{listed(engine)}\nSay which: --family {' or --family '.join(fitting)}"
    )


def unsure(path: Path, engine: Engine, possible: Sequence[str]) -> ModelError:
    """The error for a graph that fits some families, and other things as well."""
    names = f", or the names of its classes in {path.stem}.labels.txt" if possible[0] in SETTLED else ""
    return ModelError(
        f"{path}: its graph may be of the family {' or '.join(possible)}, or of none that is supported (poses, "
        f"oriented boxes, heat maps, depth ...): its shapes and names don't tell.\n{listed(engine)}\n{advice(engine)}"
        f"If you know: --family {' or --family '.join(possible)}{names}"
    )


def unknown(path: Path, engine: Engine, family: str | None, layouts: Mapping[str, str]) -> ModelError:
    """The error for a graph that fits no family, or not the one that was said."""
    why = "is of no family that is supported" if family is None else f"does not fit the family {family}"
    known = "Expected one of:" + "".join(f"\n  {name}: {layout}" for name, layout in layouts.items())
    if family is None and advice(engine):
        known = "All that is supported: docs/models.md, Families of ONNX files"
    return ModelError(f"{path}: its graph {why}.\n{listed(engine)}\n{advice(engine)}{known}")


def listed(engine: Engine) -> str:
    """A graph's inputs and outputs in words."""
    inputs, outputs = ("; ".join(map(str, specs.values())) or "none" for specs in (engine.inputs, engine.outputs))
    return f"Inputs: {inputs}\nOutputs: {outputs}"


def advice(engine: Engine) -> str:
    """What a graph's shapes tell about why it is refused, and what to do, as a line; empty where they tell nothing."""
    found = _of_input(engine) or _of_outputs(list(engine.outputs.values()))
    return f"{found}\n" if found else ""


def _of_input(engine: Engine) -> str:
    pictures = [one for one in engine.inputs.values() if len(one.shape) in (3, 4)]
    if not pictures:
        return "It takes no picture."
    if len(pictures) > 1:
        return "It takes several pictures or states at once; only graphs that take one picture are supported."
    batch, channels = pictures[0].shape[0], {pictures[0].shape[-3], pictures[0].shape[-1]}
    if len(pictures[0].shape) == 4 and batch not in (None, 1):
        return (
            f"Its batch is fixed at {batch}: export it again for one picture or for any number of them. Ultralytics: "
            "yolo export ... batch=1 or dynamic=True; YOLOv5 to v7: --batch-size 1 or --dynamic; YOLOX: --batch_size 1 "
            "or --dynamic; torch.onnx.export: dynamic_axes"
        )
    if pictures[0].dtype not in ("float32", "float16", "uint8"):
        return f"It takes pictures as {pictures[0].dtype}: export it again with an input of float32, or of float16."
    if "scale_factor" in engine.inputs and all(len(one.shape) == 3 for one in engine.outputs.values()):
        return "It is PaddleDetection's export without suppression: export it again with exclude_nms=False."
    if pictures[0].dtype == "uint8" and [len(one.shape) for one in engine.outputs.values()] == [3]:
        return "It takes pictures as bytes, and nothing tells how it scales them: export it with an input of float32."
    if channels == {None}:
        return f"It does not tell which of its sides are channels: {pictures[0]}; export it with 3 of them fixed."
    if 3 not in channels:
        return f"Its pictures have other than 3 channels: {pictures[0]}; only graphs for colour pictures are supported."
    return ""


def _of_outputs(outputs: list[TensorSpec]) -> str:
    if not outputs:
        return "It gives nothing: export it again with its outputs."
    ranks = {len(output.shape) for output in outputs}
    names = {output.name for output in outputs}
    if "num_dets" in names:
        return TENSORRT
    if ranks <= {1, 2} and all(output.shape[-1] != 4 for output in outputs):  # else there are boxes
        return "It gives a list of numbers for a picture, as classifiers and embeddings do; these are not supported."
    several = ranks == {4} and len(outputs) > 1 and {output.shape[1] for output in outputs} != {1}
    if 5 in ranks or (several and not _alike(outputs)):
        return (
            "Its outputs are grids that are still to be decoded. Export it with its decoding: YOLOv5 and v7 with "
            "export.py --grid, Ultralytics' with yolo export, DAMO-YOLO and NanoDet with their own tools."
        )
    if len(outputs) == 1 and ranks == {3} and min(side or 0 for side in outputs[0].shape[1:]) > 6:
        return (
            "Its rows are not those of a detector. Poses, oriented boxes and faces with landmarks are not supported; "
            "export the detection model."
        )
    return ""


def _alike(outputs: list[TensorSpec]) -> bool:
    return len({output.shape for output in outputs}) == 1
