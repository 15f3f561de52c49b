"""Pooling of all axes: PyTorch's values and gradients, places of maxima, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn
from tests.nn.parity import Parity, check, close
from tests.nn.test_errors import message

SHAPES = ((2, 3, 7), (2, 3, 7, 6), (2, 2, 5, 6, 7))


def positive(layer: Any, x: Any) -> Any:
    """Roots need numbers above zero."""
    return layer(x * x + 0.5)


CASES = (
    *(
        Parity(
            f"maximum over {k} axes",
            lambda nn, k=k: getattr(nn, f"MaxPool{k}d")(3, 2, 1, dilation=2, ceil_mode=True),
            (SHAPES[k - 1],),
        )
        for k in (1, 2, 3)
    ),
    *(
        Parity(
            f"mean over {k} axes",
            lambda nn, k=k: getattr(nn, f"AvgPool{k}d")(3, 2, 1),
            (SHAPES[k - 1],),
            dtypes=("float64", "float32"),
        )
        for k in (1, 2, 3)
    ),
    Parity(
        "mean of what is inside",
        lambda nn: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        (SHAPES[1],),
    ),
    Parity("mean, one window more", lambda nn: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (SHAPES[1],)),
    Parity(
        "mean with a divisor",
        lambda nn: nn.AvgPool3d((1, 2, 3), 2, (0, 1, 1), divisor_override=5),
        (SHAPES[2],),
    ),
    Parity("mean of one image", lambda nn: nn.AvgPool2d((2, 3)), ((3, 6, 7),)),
    *(
        Parity(
            f"power mean over {k} axes",
            lambda nn, k=k: getattr(nn, f"LPPool{k}d")(3, 3, 2, ceil_mode=k == 2),
            (SHAPES[k - 1],),
            positive,
        )
        for k in (1, 2, 3)
    ),
)


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=lambda x: getattr(x, "name", x),
)
def test_against_torch(case: Parity, dtype: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    check(case, dtype)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_places_of_maxima(axes: int) -> None:
    """The first of several equal ones, counted through the whole image without its padding."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = np.round(np.random.default_rng(0).standard_normal(SHAPES[axes - 1]) * 2)
    name, options = f"max_pool{axes}d", {"padding": 1, "stride": 2, "ceil_mode": True}
    ours = getattr(functional, name)(x, 3, return_indices=True, **options)
    theirs = getattr(torch.nn.functional, name)(torch.tensor(x), 3, return_indices=True, **options)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, "float64", name)


def test_whole_numbers() -> None:
    x = lm.asarray([[-5, -7, -6]])
    assert functional.max_pool1d(x, 3, 2, 1).tolist() == [[-5, -6]]


MESSAGES = [
    (
        lambda: nn.MaxPool1d(2)(lm.ones(())),
        "ShapeError: max_pool1d: too few axes\n  x: f32[]\n  axes to pool: 1",
    ),
    (
        lambda: nn.AvgPool3d(2)(lm.ones((1, 4, 4, 1))),
        "ShapeError: windows: the window is larger than the image\n"
        "  image: f32[1,4,4,1]\n  window: (2, 2, 2)\n"
        "  help: pad the image, or take a smaller kernel",
    ),
    (
        lambda: nn.AvgPool2d(3, padding=2),
        "UsageError: AvgPool2d: padding is at most half of kernel_size, "
        "or windows see nothing else\n  padding:     2\n  kernel_size: 3",
    ),
    (
        lambda: functional.avg_pool2d(lm.ones((4, 4)), 3, padding=2),
        "UsageError: avg_pool2d: padding is at most half of kernel_size, "
        "or windows see nothing else\n  padding:     2\n  kernel_size: 3",
    ),
    (
        lambda: functional.max_pool1d(lm.ones((4,)), 3, stride=0),
        "UsageError: max_pool1d: kernel_size, stride and dilation are at least 1, "
        "padding is at least 0\n"
        "  kernel_size: (3,), stride: (0,)\n  dilation: (1,), padding: (0,)",
    ),
    (
        lambda: nn.AvgPool2d(2, divisor_override=0),
        "UsageError: AvgPool2d: divisor_override is 0\n  nothing can be divided by it",
    ),
    (
        lambda: nn.LPPool1d(0, 2),
        "UsageError: LPPool1d: no mean has this exponent\n  norm_type: 0",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
