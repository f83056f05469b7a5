"""A network begins with what another one has learnt, from its checkpoint or its ONNX file, and says what that says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

pytest.importorskip("torch")

import torch

from sightline import profiles
from sightline.cli.train import train
from sightline.core.errors import ConfigError, SightlineError
from sightline.core.registry import load
from sightline.models._labels import parse_names
from sightline.train import nets
from sightline.train.export import BOUNDS, GRAPHS, export
from sightline.train.weights import Weights, borrow, calibrate, find, load_checkpoint
from support import made

SIZE = 64
ROUNDED = 0.1
"""Share of the largest value by which a file's integers may be off."""
MAKERS: dict[str, Callable[..., Any]] = {"detect": nets.DetectorNet, "segment": nets.SegmenterNet}
app = typer.Typer()
app.command()(train)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than these small networks."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count: int = 4, size: int = SIZE, seed: int = 0) -> Any:
    """Noise on gradients: what a normalisation has statistics of."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 180, size)[None, None, None] * rng.random((count, 3, 1, 1))
    return torch.from_numpy((ramp + rng.integers(0, 75, (count, 3, size, size))).astype(np.uint8))


def trained(kind: str, classes: int, **how: Any) -> Any:
    """A network whose normalisations have statistics that are not those of a fresh one."""
    torch.manual_seed(1)
    net = MAKERS[kind](classes, **how).train()
    with torch.no_grad():
        for seed in range(4):
            net(pictures(seed=seed))
        for norm in (m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_()
    return net.eval()


def written(net: Any, kind: str, classes: tuple[str, ...], path: Path, images: Any = None) -> Path:
    shown = pictures(16) if images is None else images
    export(net, kind, classes, SIZE, path, {}, shown.permute(0, 2, 3, 1).numpy())
    return path


def said(net: Any, kind: str, images: Any) -> list[NDArray[np.float32]]:
    """What a network says as a graph."""
    with torch.no_grad():
        out = GRAPHS[kind](net.eval())(images)
    return [t.numpy() for t in (out if isinstance(out, tuple) else (out,))]


def told(path: Path, images: Any) -> list[NDArray[np.float32]]:
    """What a file says in ONNX Runtime."""
    opened = load("engines", "onnx").open(path, threads=1)
    out = opened.run({"images": images.numpy()})
    opened.close()
    return list(out.values())


def agree(mine: list[NDArray[np.float32]], theirs: list[NDArray[np.float32]], within: float = 1e-4) -> bool:
    # Of noise a detector has scores near nothing, which ONNX Runtime's sigmoid tells to a ten millionth.
    return all(np.abs(a - b).max() < within * max(np.abs(b).max(), 0.01) for a, b in zip(mine, theirs, strict=True))


def checkpoint(path: Path, net: Any, classes: list[str]) -> Path:
    torch.save({"average": net.state_dict(), "classes": classes}, path)
    return path


def found(source: object, kind: str) -> Weights:
    weights = find(str(source), kind)  # type: ignore[arg-type]
    assert weights is not None
    return weights


@pytest.mark.parametrize(("kind", "name", "size"), [("detect", "nano", 320), ("segment", "person", 256)])
def test_the_weights_in_the_package_fit_and_say_what_their_file_says(kind: str, name: str, size: int) -> None:
    weights, path = found("auto", kind), profiles.shipped()[name]
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert weights.source == name
    assert weights.classes == parse_names(about["names"], path)
    net = MAKERS[kind](len(weights.classes))
    assert borrow(net, weights, weights.classes).classes == weights.classes
    images = pictures(1, size)
    mine = said(net, kind, images)
    if kind == "segment":  # logits beyond these say nothing more, and the file has none
        mine = [logits.clip(*BOUNDS["segment"][1:]) for logits in mine]
    assert agree(mine, told(path, images), ROUNDED)


@pytest.mark.parametrize("kind", ["detect", "segment"])
def test_an_exported_network_comes_back_and_learns_on_from_where_it_was(tmp_path: Path, kind: str) -> None:
    images = pictures(16, seed=50)
    path = written(trained(kind, 3), kind, ("a", "b", "c"), tmp_path / "made.onnx", images)
    net = MAKERS[kind](3)
    borrowed = borrow(net, found(path, kind), ("a", "b", "c"))
    assert borrowed.tensors == borrowed.of
    assert agree(said(net, kind, images), told(path, images), ROUNDED)
    calibrate(borrowed.norms, net, images.split(4))
    assert agree(said(net, kind, images), told(path, images), ROUNDED)
    with torch.no_grad():  # training normalises by the batch: the first step must begin with the same network
        net.eval()
        before = net(images)
        after = net.train()(images)
    pairs = zip(before, after, strict=True) if kind == "detect" else [(before, after)]
    for quiet, learning in pairs:
        assert float((quiet - learning).abs().max()) < 0.02 * float(quiet.abs().max())


def test_tensors_that_are_equal_are_stored_once_and_come_back_all(tmp_path: Path) -> None:
    net = trained("detect", 3)
    with torch.no_grad():
        for sides in net.sides:
            sides.bias.fill_(0.25)
    tensors = found(written(net, "detect", ("a", "b", "c"), tmp_path / "made.onnx"), "detect").tensors
    assert all((tensors[f"sides.{i}.bias"] == 0.25).all() for i in range(3))


@pytest.mark.parametrize("kind", ["detect", "segment"])
@pytest.mark.parametrize("form", ["checkpoint", "file"])
def test_rows_of_classes_that_both_know_are_taken_by_name(tmp_path: Path, kind: str, form: str) -> None:
    old, layer = trained(kind, 3), "scores.1" if kind == "detect" else "logits"
    path = checkpoint(tmp_path / "checkpoint.pt", old, ["mug", "Person", "cat"])
    if form == "file":
        path = written(old, kind, ("mug", "Person", "cat"), tmp_path / "made.onnx")
    net = MAKERS[kind](3)  # as many classes, but others
    fresh = {name: t.clone() for name, t in net.state_dict().items()}
    borrowed = borrow(net, found(path, kind), ("person", "dog", "mug"))
    assert borrowed.classes == ("person", "mug")
    new, old = net.state_dict(), old.state_dict()
    for part in ("weight", "bias"):
        mine, theirs = new[f"{layer}.{part}"], old[f"{layer}.{part}"]
        for row, other in ((0, 1), (2, 0)):
            assert torch.allclose(mine[row], theirs[other], atol=0.01)
        assert torch.equal(mine[1], fresh[f"{layer}.{part}"][1])


def test_layers_that_the_others_lack_stay_as_they_are_and_change_nothing_yet(tmp_path: Path) -> None:
    old = trained("detect", 2, depths=(0, 0, 1, 2, 1))
    net = nets.DetectorNet(2, depths=(0, 1, 1, 3, 1))
    fresh = {name: t.clone() for name, t in net.state_dict().items()}
    borrowed = borrow(net, found(checkpoint(tmp_path / "checkpoint.pt", old, ["a", "b"]), "detect"), ("a", "b"))
    assert borrowed.of - borrowed.tensors == 2 * 2 * 5  # two blocks of two units: a convolution and its normalisation
    assert f"{borrowed.tensors} of {borrowed.of} tensors" in str(borrowed)
    for name in ("trunk.stages.1.1.first.0.weight", "trunk.stages.3.3.second.1.running_var"):
        assert torch.equal(net.state_dict()[name], fresh[name])
    assert agree(said(net, "detect", pictures()), said(old, "detect", pictures()))


def test_a_normalisation_comes_only_with_its_convolution(tmp_path: Path) -> None:
    old = nets.DetectorNet(2, widths=(8, 32, 48, 96, 160))  # another first layer: the second one has other inputs
    borrow_from = found(checkpoint(tmp_path / "checkpoint.pt", old, ["a", "b"]), "detect")
    old.state_dict()["trunk.stages.1.0.1.running_mean"].fill_(7)
    net = nets.DetectorNet(2)
    borrow(net, borrow_from, ("a", "b"))
    assert (net.state_dict()["trunk.stages.1.0.1.running_mean"] == 0).all()


def test_a_detector_takes_the_trunk_of_a_segmenter() -> None:
    net = nets.DetectorNet(2)
    weights = found("person", "detect")
    borrowed = borrow(net, weights, ("person", "mug"))
    assert 0 < borrowed.tensors < borrowed.of
    assert borrowed.classes == ()
    assert torch.equal(net.state_dict()["trunk.stages.0.0.0.weight"], weights.tensors["trunk.stages.0.0.0.weight"])


def test_what_is_no_network_of_ours_is_refused(tmp_path: Path, assets: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "text.pt").write_text("hello")
    for source, words in (
        (assets / "models" / "yolox_nano.onnx", "expected an ONNX file that sightline train wrote"),
        (tmp_path / "text.onnx", "no ONNX file"),
        (tmp_path / "text.pt", "no checkpoint of a run"),
        (tmp_path / "gone.onnx", "expected a checkpoint.pt, an ONNX file, or auto, none, nano, person"),
        (tmp_path, "no such file"),
        ("nanno", "--start-from nanno: no such file"),
    ):
        with pytest.raises(SightlineError, match=words):
            find(str(source), "detect")
    with pytest.raises(ConfigError, match="none of its tensors fits"):
        borrow(nets.DetectorNet(2), Weights("other", {"a": torch.zeros(3)}, ("a",)), ("a",))
    assert find("none", "detect") is None


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def test_a_run_begins_with_nano_unless_told_otherwise_and_goes_on_with_its_own(tmp_path: Path) -> None:
    data, out = made.coco_folder(tmp_path / "data", photos=12), tmp_path / "run"
    settings = ("detect", "--data", data, "--out", out, "--batch-size", 4, "--learning-rate", 1e-6, "--device", "cpu")
    begun = run(*settings, "--epochs", 0.7)
    assert "begins with nano: " in begun.stderr
    assert "classes that it knows already: none" in begun.stderr
    nano, name = found("nano", "detect").tensors, "trunk.stages.3.1.first.0.weight"
    own = load_checkpoint(out / "checkpoint.pt")
    assert own["options"]["learning_rate"] == 1e-6
    assert torch.allclose(own["net"][name], nano[name], atol=1e-4)  # a few steps of a tiny rate away
    resumed = run(*settings, "--epochs", 2, "--resume")
    assert "begins with" not in resumed.stderr
    assert load_checkpoint(out / "checkpoint.pt")["step"] > own["step"]


def test_the_learning_rate_is_that_of_the_beginning_unless_told_otherwise(tmp_path: Path) -> None:
    data = made.coco_folder(tmp_path / "data", photos=12)
    for start, rate in (("nano", 5e-4), ("none", 2e-3)):
        settings = ("detect", "--data", data, "--out", tmp_path / start, "--device", "cpu", "--batch-size", 4)
        run(*settings, "--epochs", 0.3, "--start-from", start)
        assert load_checkpoint(tmp_path / start / "checkpoint.pt")["options"]["learning_rate"] == rate
        run(*settings, "--epochs", 0.7, "--resume")
        assert load_checkpoint(tmp_path / start / "checkpoint.pt")["options"]["learning_rate"] == rate
