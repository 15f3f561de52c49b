"""ResNet, MobileNetV2 and ViT: weights of torchvision, its outputs, and a step of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, models
from tests.models.peers import close, falls, stirred, torchvision_models
from tests.nn.test_errors import message

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((2, 3, 32, 32))
LABELS = np.array([0, 2])


@pytest.mark.parametrize(
    "name, make",
    [
        ("resnet18", models.resnet18),
        ("resnet50", models.resnet50),
        ("mobilenet_v2", models.MobileNetV2),
    ],
)
def test_weights_of_torchvision(name: str, make: Any) -> None:
    theirs = stirred(getattr(torchvision_models(), name)(num_classes=7))
    ours = make(7, dtype=lm.float64).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    import torch

    close(ours(lm.asarray(IMAGES)), theirs(torch.tensor(IMAGES)))


def test_weights_of_a_vision_transformer() -> None:
    sizes = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2}
    sizes |= {"hidden_dim": 12, "mlp_dim": 20, "num_classes": 5}
    theirs = stirred(torchvision_models().VisionTransformer(**sizes))
    ours = models.ViT(models.ViTConfig(**sizes), lm.float64).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    import torch

    close(ours(lm.asarray(IMAGES)), theirs(torch.tensor(IMAGES)))


def test_depths() -> None:
    assert len(list(models.resnet34().layer3)) == 6
    narrow = models.MobileNetV2(3, 0.35)
    assert narrow.features[0][0].out_channels == 16 and len(list(narrow.features)) == 19


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.ResNet(models.BasicBlock, (1, 1), 3, width=4),
        lambda: models.MobileNetV2(3, 0.25, stages=((1, 8, 1, 1), (2, 8, 2, 2)), dropout=0.0),
        lambda: models.ViT(models.ViTConfig(16, 8, 1, 2, hidden_dim=8, mlp_dim=16, num_classes=3)),
    ],
    ids=["resnet", "mobilenet", "vit"],
)
def test_a_step_of_training(make: Any) -> None:
    lm.random.seed(0)
    images = lm.asarray(IMAGES[:, :, :16, :16].astype(np.float32))
    falls(make(), lambda model: functional.cross_entropy(model(images), LABELS))


def test_messages() -> None:
    assert message(lambda: models.ViT(models.ViTConfig(10, 4))) == (
        "ShapeError: ViT: an image is no whole number of patches\n  image_size: 10\n  patch_size: 4"
    )
    small = models.ViT(models.ViTConfig(8, 4, 1, 1, 4, 4))
    assert message(lambda: small(lm.ones((1, 3, 4, 4)))) == (
        "ShapeError: ViT: the images have another size than the model is made for\n"
        "  x: f32[1,3,4,4]\n  image_size: 8"
    )
