"""Networks with random weights, small ones, in files laid out as the published ones are.

Random weights alone say the same of every picture. Here they are drawn so wide, and the batch norms have seen so many
pictures, that every network finds several classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from sightline import profiles
from sightline.profiles import File, Profile


def import_torchvision() -> Any:
    """torchvision, also where its compiled part does not load, as beside a PyTorch for processors: nobody calls it."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)  # several on a busy machine wait for one another at each of these tiny layers
    try:
        import torchvision
    except RuntimeError:
        global _MADE_UP
        _MADE_UP = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            _MADE_UP.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    return torchvision


_MADE_UP: Any = None

CLASSES = tuple(f"thing {i}" for i in range(7))


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Large soft areas, discs and bars of many colours: something that networks see differences in."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (4, 5, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(8):
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        r = int(rng.integers(min(width, height) // 12, min(width, height) // 4))
        if rng.integers(2):
            cv2.circle(image, (x, y), r, colour, -1)
        else:
            cv2.rectangle(image, (x - r, y - r // 2), (x + r, y + r // 2), colour, -1)
    noise = rng.normal(0, 4, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def spread(net: Any, side: int, seed: int = 0) -> Any:
    """Random weights under which the outputs differ from place to place, for pictures of this side."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.3, generator=generator)
    seen = [torch.from_numpy(picture(side, side, i).transpose(2, 0, 1).copy()).float() / 64 - 2 for i in range(6)]
    norms = [one for one in net.modules() if hasattr(one, "running_mean") and hasattr(one, "running_var")]
    for norm in norms:
        norm.weight.data.fill_(1)
        norm.register_forward_pre_hook(_remember)
    with torch.no_grad():
        net.eval()(torch.stack(seen))
    for norm in norms:
        norm._forward_pre_hooks.clear()
    return net.eval()


def _remember(norm: Any, inputs: Any) -> None:
    """The statistics of what comes in become the norm's own, also of frozen norms."""
    norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
    norm.running_var.copy_(inputs[0].var((0, 2, 3)) + 0.02)


def deeplab(name: str = "deeplabv3_mobilenet_v3_large", classes: int = 21, side: int = 128) -> Any:
    """torchvision's, in its own size: there is no smaller one."""
    import torch

    segmentation = import_torchvision().models.segmentation
    net = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=classes, aux_loss=True)
    net = spread(net, side)
    with torch.no_grad():
        net.classifier[4].weight /= 4  # areas, not confetti
    return net


def segformer(classes: int = 7) -> Any:
    """A tiny one."""
    import_torchvision()
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        num_labels=classes,
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 32, 32],
        decoder_hidden_size=32,
        num_attention_heads=[1, 2, 2, 2],
        classifier_dropout_prob=0.0,
    )
    return spread(SegformerForSemanticSegmentation(config), 128)


def mask2former() -> Any:
    """A tiny one."""
    import_torchvision()
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    backbone = SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=4,
        dim_feedforward=32,
        num_queries=20,
        num_labels=len(CLASSES),
    )
    net = spread(Mask2FormerForUniversalSegmentation(config), 128)
    net.class_predictor.weight.data *= 6  # else all queries are of about the same class
    net.class_predictor.bias.data.zero_()
    net.get_submodule("model.transformer_module.decoder.mask_predictor.mask_embedder.2.0").weight.data *= 0.3
    return net


def rtdetr() -> Any:
    """A tiny RT-DETRv2."""
    import_torchvision()
    from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    backbone = RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 64, 64],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    return spread(RTDetrV2ForObjectDetection(RTDetrV2Config(backbone_config=backbone, **_DETR)), 128)


def dfine() -> Any:
    """A tiny D-FINE."""
    import_torchvision()
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config

    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 16, 32, 64],
        stage_mid_channels=[8, 8, 16, 16],
        stage_out_channels=[16, 32, 64, 64],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 64, 64],
        out_features=["stage2", "stage3", "stage4"],
    )
    return spread(DFineForObjectDetection(DFineConfig(backbone_config=backbone, **_DETR)), 128)


_DETR: Mapping[str, Any] = {
    "num_labels": len(CLASSES),
    "encoder_hidden_dim": 32,
    "encoder_in_channels": [32, 64, 64],
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "d_model": 32,
    "decoder_in_channels": [32, 32, 32],
    "num_queries": 30,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "decoder_layers": 2,
    "num_denoising": 0,
}


def rfdetr(masks: bool = True) -> Any:
    """A tiny RF-DETR for pictures of 96 pixels."""
    import_torchvision()
    import transformers
    from transformers.models.rf_detr.configuration_rf_detr import RfDetrDinov2Config

    backbone = RfDetrDinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=96,
        patch_size=12,
        num_windows=2,
        out_features=["stage2", "stage4"],
    )
    config = transformers.RfDetrConfig(
        backbone_config=backbone,
        num_labels=len(CLASSES),
        d_model=32,
        decoder_ffn_dim=32,
        decoder_layers=2,
        decoder_self_attention_heads=4,
        decoder_cross_attention_heads=4,
        decoder_n_points=2,
        num_queries=20,
        group_detr=2,
        intermediate_size=32,
        c2f_num_blocks=1,
    )
    kind = transformers.RfDetrForInstanceSegmentation if masks else transformers.RfDetrForObjectDetection
    net = spread(kind(config), 96)
    for name, module in net.named_modules():
        if name.endswith("layers.2") and "bbox_embed" in name:  # boxes with something in them
            module.weight.data *= 0.3
            module.bias.data.zero_()
            module.bias.data[2:] = 0.7
    return net


NETWORKS: Mapping[str, Callable[[], Any]] = {
    "deeplab": deeplab,
    "segformer": segformer,
    "mask2former": mask2former,
    "rtdetr": rtdetr,
    "dfine": dfine,
    "rfdetr": rfdetr,
}
"""By a short name."""

SIDES = {"deeplab": 128, "segformer": 128, "mask2former": 128, "rtdetr": 128, "dfine": 128, "rfdetr": 96}
"""The input's side that each is tried with."""


ARCHITECTURES = {
    "deeplab": "torchvision.deeplabv3_mobilenet_v3_large",
    "segformer": "transformers.SegformerForSemanticSegmentation",
    "mask2former": "transformers.Mask2FormerForUniversalSegmentation",
    "rtdetr": "transformers.RTDetrV2ForObjectDetection",
    "dfine": "transformers.DFineForObjectDetection",
    "rfdetr": "transformers.RfDetrForInstanceSegmentation",
}


def publish(net: Any, folder: Path) -> Path:
    """Write it as its makers would. Returns the file of weights."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    if not hasattr(net, "save_pretrained"):
        torch.save(net.state_dict(), folder / "deeplab.pth")
        return folder / "deeplab.pth"
    from transformers.utils import logging

    logging.disable_progress_bar()
    named = [f"thing {i}" for i in range(net.config.num_labels)]
    net.config.id2label = dict(enumerate(named))
    net.config.label2id = {name: i for i, name in enumerate(named)}
    net.save_pretrained(folder)
    return folder / "model.safetensors"


def profile_of(name: str, folder: Path) -> Profile:
    """The card of a published network, for a hub that serves its folder as made/NAME."""
    detects = name in ("rtdetr", "dfine", "rfdetr")
    plain = name in ("rtdetr", "dfine")
    return msgspec.structs.replace(
        profiles.load("detect-plus" if detects else "accurate"),
        name=f"tiny-{name}",
        family={"rtdetr": "rtdetr", "dfine": "rtdetr", "rfdetr": "rfdetr"}.get(name, "semantic"),
        architecture=ARCHITECTURES[name],
        repository=f"made/{name}",
        files=tuple(File(path.name) for path in sorted(folder.iterdir())),
        labels=tuple(f"thing {i}" for i in range(21)) if name == "deeplab" else CLASSES,
        input_size=(SIDES[name], SIDES[name]),
        mean=(0.0, 0.0, 0.0) if plain else (0.485, 0.456, 0.406),
        std=(1.0, 1.0, 1.0) if plain else (0.229, 0.224, 0.225),
        licence="made up",
    )
