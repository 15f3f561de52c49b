"""Normalisation layers: PyTorch's values, gradients and running statistics, errors."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn
from tests.nn.parity import Parity, check, close
from tests.nn.test_errors import message

BOTH = ("float64", "float32")
SEQUENCES, IMAGES, VOLUMES = (3, 4, 5), (2, 4, 3, 5), (2, 4, 2, 3, 2)
CASES = (
    Parity("batch norm of vectors", lambda nn: nn.BatchNorm1d(4), ((5, 4),), dtypes=BOTH),
    Parity("batch norm of sequences", lambda nn: nn.BatchNorm1d(4, momentum=0.3), (SEQUENCES,)),
    Parity("batch norm of volumes", lambda nn: nn.BatchNorm3d(4), (VOLUMES,)),
    Parity(
        "batch norm, mean over all batches",
        lambda nn: nn.BatchNorm2d(4, momentum=None),
        (IMAGES,),
        lambda layer, x: (layer(x), layer(2 * x + 1), layer(x * x)),
    ),
    Parity("batch norm, evaluating", lambda nn: nn.BatchNorm3d(4).eval(), (VOLUMES,)),
    Parity("rms norm", lambda nn: nn.RMSNorm(5), ((2, 3, 5),), dtypes=BOTH),
    Parity(
        "rms norm over two axes, plain",
        lambda nn: nn.RMSNorm((3, 5), eps=1e-3, elementwise_affine=False),
        ((2, 3, 5),),
    ),
    Parity("group norm", lambda nn: nn.GroupNorm(2, 4), (IMAGES,), dtypes=BOTH),
    Parity("group norm of vectors", lambda nn: nn.GroupNorm(2, 6, eps=1e-3), ((3, 6),)),
    Parity("group norm, plain", lambda nn: nn.GroupNorm(4, 4, affine=False), (SEQUENCES,)),
    Parity("instance norm", lambda nn: nn.InstanceNorm2d(4), (IMAGES,), dtypes=BOTH),
    Parity("instance norm, affine", lambda nn: nn.InstanceNorm1d(4, affine=True), (SEQUENCES,)),
    Parity(
        "instance norm with memory",
        lambda nn: nn.InstanceNorm3d(4, momentum=0.3, track_running_stats=True),
        (VOLUMES,),
        lambda layer, x: (layer(x), layer.eval()(x)),
    ),
    Parity("instance norm of one image", lambda nn: nn.InstanceNorm2d(4), (IMAGES[1:],)),
    Parity("local response", lambda nn: nn.LocalResponseNorm(3, alpha=0.5), (IMAGES,)),
    Parity("local response, even", lambda nn: nn.LocalResponseNorm(2, 0.5, 2.0, 3), (VOLUMES,)),
)


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=lambda x: getattr(x, "name", x),
)
def test_against_torch(case: Parity, dtype: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    check(case, dtype)


def test_normalize() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = np.random.default_rng(0).standard_normal((3, 4, 2))
    for p, axis in ((2.0, 1), (1.0, -1)):
        theirs = torch.nn.functional.normalize(torch.tensor(x), p, axis)
        close(functional.normalize(x, p, axis), theirs, "float64", f"{p}")


MESSAGES = [
    (
        lambda: nn.BatchNorm1d(3)(lm.ones((4, 3, 2, 2))),
        "ShapeError: BatchNorm1d: the images have other channels than the layer\n"
        "  x: f32[4,3,2,2]\n  num_features: 3\n"
        "  help: x is [B, num_features] or [B, num_features, T]",
    ),
    (
        lambda: nn.BatchNorm1d(3)(lm.ones((1, 3))),
        "ShapeError: BatchNorm1d: one value for each channel has no variance to learn from\n"
        "  x: f32[1,3]\n  help: train on more images at a time, or call eval()",
    ),
    (
        lambda: nn.InstanceNorm2d(3)(lm.ones((2, 3, 1, 1))),
        "ShapeError: InstanceNorm2d: one value for each channel has no variance\n"
        "  x: f32[2,3,1,1]\n  help: normalise larger images, or call eval()",
    ),
    (
        lambda: nn.InstanceNorm1d(3, affine=True)(lm.ones((2, 4, 5))),
        "ShapeError: InstanceNorm1d: the images have other channels than the layer\n"
        "  x: f32[2,4,5]\n  num_features: 3\n  help: x is [B, num_features, T]",
    ),
    (
        lambda: nn.GroupNorm(3, 4),
        "UsageError: GroupNorm: num_groups must divide num_channels\n"
        "  num_groups:   3\n  num_channels: 4",
    ),
    (
        lambda: functional.group_norm(lm.ones((2, 4)), 3),
        "ShapeError: group_norm: the groups do not divide the channels\n"
        "  x: f32[2,4]\n  num_groups: 3\n  help: x is [N, C, ...]",
    ),
    (
        lambda: nn.RMSNorm(3)(lm.ones((2, 4))),
        "ShapeError: rms_norm: the last axes are not the normalized shape\n"
        "  x: f32[2,4]\n  normalized_shape: (3,)",
    ),
    (
        lambda: nn.LocalResponseNorm(0),
        "UsageError: LocalResponseNorm: size is at least 1\n  size: 0",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected


def test_descriptions() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    for make in (
        lambda nn: nn.BatchNorm1d(3, momentum=None, affine=False),
        lambda nn: nn.InstanceNorm3d(3, track_running_stats=True),
        lambda nn: nn.GroupNorm(2, 4),
        lambda nn: nn.RMSNorm(3),
        lambda nn: nn.LocalResponseNorm(2, k=2.0),
    ):
        theirs = re.sub(", bias=(True|False)", "", repr(make(torch.nn)))  # an argument of its own
        assert repr(make(nn)) == theirs
