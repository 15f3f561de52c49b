"""Convolutions of all axes and their transposes: PyTorch's values and gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn
from tests.nn.parity import Parity, check, close
from tests.nn.test_errors import message

BOTH = ("float64", "float32")
CASES = (
    Parity("conv1d", lambda nn: nn.Conv1d(3, 4, 3, padding=1), ((2, 3, 9),), dtypes=BOTH),
    Parity(
        "conv1d, all options",
        lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bias=False),
        ((2, 4, 11),),
    ),
    Parity(
        "conv1d of one sequence, same", lambda nn: nn.Conv1d(2, 3, 3, padding="same"), ((2, 7),)
    ),
    Parity("conv1d of one element", lambda nn: nn.Conv1d(3, 5, 1), ((2, 3, 4),)),
    Parity("conv3d", lambda nn: nn.Conv3d(2, 3, 3, padding=1), ((2, 2, 4, 5, 4),), dtypes=BOTH),
    Parity(
        "conv3d, all options",
        lambda nn: nn.Conv3d(4, 6, (1, 2, 3), (2, 1, 2), (0, 1, 1), (1, 2, 1), groups=2),
        ((1, 4, 4, 5, 6),),
    ),
    Parity("conv by channel", lambda nn: nn.Conv1d(4, 4, 3, groups=4), ((2, 4, 7),)),
    Parity(
        "conv2d by channel, steps",
        lambda nn: nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=4),
        ((2, 4, 7, 8),),
        dtypes=BOTH,
    ),
    Parity("conv2d, groups", lambda nn: nn.Conv2d(6, 4, 3, padding=1, groups=2), ((2, 6, 5, 8),)),
    *(
        Parity(
            f"conv2d, {mode}",
            lambda nn, mode=mode: nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode),
            ((2, 2, 4, 5),),
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    Parity(
        "conv1d, circular and same",
        lambda nn: nn.Conv1d(2, 3, 4, padding="same", padding_mode="circular", dilation=2),
        ((2, 2, 9),),
    ),
    Parity(
        "conv3d, replicate",
        lambda nn: nn.Conv3d(2, 2, 2, padding=1, padding_mode="replicate"),
        ((1, 2, 3, 2, 3),),
    ),
    Parity("transposed 1d", lambda nn: nn.ConvTranspose1d(3, 4, 3), ((2, 3, 5),)),
    Parity(
        "transposed 1d, all options",
        lambda nn: nn.ConvTranspose1d(4, 6, 4, 3, 1, 2, groups=2, bias=False, dilation=2),
        ((2, 4, 5),),
    ),
    Parity(
        "transposed 2d",
        lambda nn: nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1),
        ((2, 3, 5, 4),),
        dtypes=BOTH,
    ),
    Parity(
        "transposed 2d, sizes in pairs",
        lambda nn: nn.ConvTranspose2d(2, 3, (3, 2), (2, 1), (1, 0), (1, 0), dilation=(1, 2)),
        ((2, 2, 4, 3),),
    ),
    Parity("transposed 2d, apart", lambda nn: nn.ConvTranspose2d(2, 3, 2, stride=3), ((2, 4, 3),)),
    Parity(
        "transposed 2d, output_padding beyond the stride",
        lambda nn: nn.ConvTranspose2d(2, 2, 2, dilation=3, output_padding=2),
        ((1, 2, 3, 4),),
    ),
    Parity(
        "transposed by channel",
        lambda nn: nn.ConvTranspose2d(3, 3, 3, stride=2, padding=1, output_padding=1, groups=3),
        ((2, 3, 4, 3),),
    ),
    Parity(
        "transposed 3d",
        lambda nn: nn.ConvTranspose3d(2, 3, 3, stride=2, padding=1, output_padding=1),
        ((1, 2, 3, 2, 3),),
        dtypes=BOTH,
    ),
    Parity(
        "transposed to a size",
        lambda nn: nn.ConvTranspose2d(2, 3, 3, stride=3),
        ((2, 2, 3, 4),),
        lambda layer, x: layer(x, (10, 12)),
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


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_transpose_in_the_input(stride: int) -> None:
    """<conv(x), y> = <x, conv_transpose(y)> with the same weight."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 3, 10)), rng.standard_normal((2, 4, (10 - 4) // stride + 1))
    weight = rng.standard_normal((4, 3, 4))
    forth = functional.conv1d(x, weight, stride=stride).numpy()
    extra = (10 - 4) % stride
    back = functional.conv_transpose1d(y, weight, stride=stride, output_padding=extra).numpy()
    assert np.vdot(forth, y) == pytest.approx(np.vdot(x, back), rel=1e-12)


@pytest.mark.parametrize(
    "kernel, options",
    [
        (3, {}),
        ((2, 3), {"padding": 1, "stride": (2, 1), "dilation": (1, 2)}),
    ],
)
def test_columns_of_images(kernel: Any, options: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))
    columns = functional.unfold(x, kernel, **options)
    close(columns, torch.nn.functional.unfold(torch.tensor(x), kernel, **options), "float64", "")
    back = functional.fold(columns, (7, 8), kernel, **options)
    theirs = torch.nn.functional.fold(torch.tensor(columns.numpy()), (7, 8), kernel, **options)
    close(back, theirs, "float64", "")


MESSAGES = [
    (
        lambda: nn.Conv1d(3, 4, 3)(lm.ones((2, 4, 8))),
        "ShapeError: conv1d: the image and the filters do not fit\n"
        "  x: f32[2,4,8]\n  weight: f32[4,3,3]\n  groups: 1\n"
        "  help: x is [N, C, L] and weight [O, C / groups, KL]",
    ),
    (
        lambda: nn.ConvTranspose3d(3, 4, 3)(lm.ones((2, 3, 8, 8))),
        "ShapeError: conv_transpose3d: the image and the filters do not fit\n"
        "  x: f32[1,2,3,8,8]\n  weight: f32[3,4,3,3,3]\n  groups: 1\n"
        "  help: x is [N, C, D, H, W] and weight [C, O / groups, KD, KH, KW]",
    ),
    (
        lambda: nn.Conv2d(3, 4, (3, 3, 3)),
        "UsageError: Conv2d: kernel_size has 3 numbers for 2 axes\n"
        "  kernel_size: (3, 3, 3)\n  help: give one number, or one for each axis",
    ),
    (
        lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"),
        "UsageError: Conv2d: no padding_mode 'mirror'\n"
        "  there are: zeros, reflect, replicate, circular",
    ),
    (
        lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="circular"),
        "UsageError: ConvTranspose2d: no padding_mode 'circular'\n  there is \"zeros\"",
    ),
    (
        lambda: nn.ConvTranspose1d(3, 4, 3, output_padding=1)(lm.ones((1, 3, 4))),
        "UsageError: conv_transpose1d: output_padding is less than stride or dilation\n"
        "  output_padding: (1,)\n  stride: (1,), dilation: (1,)",
    ),
    (
        lambda: nn.ConvTranspose1d(1, 1, 3, padding=2)(lm.ones((1, 1, 2))),
        "ShapeError: conv_transpose1d: padding leaves nothing\n"
        "  before padding: (4,)\n  padding: (2,)\n  help: take a smaller padding",
    ),
    (
        lambda: nn.ConvTranspose1d(1, 1, 3, stride=2)(lm.ones((1, 1, 4)), (11,)),
        "ShapeError: ConvTranspose1d: this size cannot come out\n"
        "  output_size: (11,)\n  possible:    from (9,) to (10,)",
    ),
    (
        lambda: nn.Conv1d(1, 1, 3, padding=3, padding_mode="reflect")(lm.ones((1, 1, 3))),
        "ShapeError: pad: axis 2 is too short for mode 'reflect'\n"
        "  x: f32[1,1,3]\n  pad: (3, 3), at most 2\n"
        '  help: pad less, or use "replicate" or "constant"',
    ),
    (
        lambda: functional.fold(lm.ones((1, 4, 5)), 4, 2),
        "ShapeError: fold: these are not the columns of such images\n"
        "  x: f32[1,4,5]\n  columns: a multiple of 4 elements, 3 x 3\n"
        "  help: give the sizes that unfold was given",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected


def test_descriptions() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    for make in (
        lambda nn: nn.Conv1d(4, 6, 3, padding=2),
        lambda nn: nn.Conv3d(4, 6, (1, 2, 3), stride=2, dilation=2, groups=2, bias=False),
        lambda nn: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
    ):
        assert repr(make(nn)) == repr(make(torch.nn))
