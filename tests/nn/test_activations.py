"""Activations: PyTorch's values and gradients, also at the kinks and far out; noise; errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn
from tests.nn.parity import TOLERANCES, Parity, check
from tests.nn.test_errors import message

LAYERS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("celu", lambda nn: nn.CELU(1.5)),
    ("elu", lambda nn: nn.ELU(0.5)),
    ("gelu", lambda nn: nn.GELU()),
    ("gelu by tanh", lambda nn: nn.GELU("tanh")),
    ("hardshrink", lambda nn: nn.Hardshrink(0.7)),
    ("hardsigmoid", lambda nn: nn.Hardsigmoid()),
    ("hardswish", lambda nn: nn.Hardswish()),
    ("hardtanh", lambda nn: nn.Hardtanh(-0.5, 2.0)),
    ("leaky relu", lambda nn: nn.LeakyReLU(0.2)),
    ("log sigmoid", lambda nn: nn.LogSigmoid()),
    ("mish", lambda nn: nn.Mish()),
    ("relu", lambda nn: nn.ReLU(inplace=False)),
    ("relu6", lambda nn: nn.ReLU6()),
    ("rrelu, evaluating", lambda nn: nn.RReLU(0.1, 0.5).eval()),
    ("selu", lambda nn: nn.SELU()),
    ("sigmoid", lambda nn: nn.Sigmoid()),
    ("silu", lambda nn: nn.SiLU()),
    ("softplus", lambda nn: nn.Softplus()),
    ("softplus, sharp", lambda nn: nn.Softplus(beta=2.0, threshold=5.0)),
    ("softshrink", lambda nn: nn.Softshrink(0.7)),
    ("softsign", lambda nn: nn.Softsign()),
    ("tanh", lambda nn: nn.Tanh()),
    ("tanhshrink", lambda nn: nn.Tanhshrink()),
    ("threshold", lambda nn: nn.Threshold(0.3, -7.0)),
)
NUMBERS = np.concatenate(
    [np.random.default_rng(0).standard_normal(60) * 3, [-300.0, -40.0, 30.0, 200.0]]
)


@pytest.fixture(scope="module")
def found() -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Value and slope of every layer, computed by one program for each dtype."""
    layers = [make(nn) for _, make in LAYERS]

    @lm.jit
    def all_of_them(x: Any) -> Any:
        pairs = [lm.vjp(layer, x) for layer in layers]
        return [(y, back(lm.ones_like(y))[0]) for y, back in pairs]

    return {
        dtype: [
            (y.numpy(), slope.numpy())
            for y, slope in all_of_them(lm.asarray(NUMBERS.astype(dtype)))
        ]
        for dtype in TOLERANCES
    }


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[name for name, _ in LAYERS])
def test_elementwise(number: int, dtype: str, found: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = torch.tensor(NUMBERS.astype(dtype), requires_grad=True)
    y = LAYERS[number][1](torch.nn)(x)
    y.sum().backward()
    value, slope = found[dtype][number]
    assert value.dtype == slope.dtype == dtype
    name = LAYERS[number][0]  # PyTorch takes 1/6 in single precision there
    tolerance = 1e-7 if name == "hardsigmoid" and dtype == "float64" else TOLERANCES[dtype]
    np.testing.assert_allclose(value, y.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(slope, x.grad.numpy(), rtol=tolerance, atol=tolerance)


CASES = (
    Parity("glu", lambda nn: nn.GLU(), ((3, 6),)),
    Parity("glu of channels", lambda nn: nn.GLU(1), ((2, 4, 3),)),
    Parity("prelu", lambda nn: nn.PReLU(), ((3, 4),), dtypes=("float64", "float32")),
    Parity("prelu by channel", lambda nn: nn.PReLU(4, init=0.1), ((2, 4, 3, 2),)),
    Parity("softmax", lambda nn: nn.Softmax(1), ((2, 4, 3),)),
    Parity("log softmax", lambda nn: nn.LogSoftmax(-1), ((2, 4, 3),)),
    Parity("softmin", lambda nn: nn.Softmin(0), ((2, 4, 3),)),
    Parity("softmax of channels", lambda nn: nn.Softmax2d(), ((2, 4, 3, 2),)),
)


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=lambda x: getattr(x, "name", x),
)
def test_against_torch(case: Parity, dtype: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    check(case, dtype)


def test_gates() -> None:
    x = np.random.default_rng(0).standard_normal((3, 8))
    a, b = x[:, :4], x[:, 4:]
    swish = a * b / (1 + np.exp(-b))
    np.testing.assert_allclose(functional.swiglu(x).numpy(), swish, rtol=1e-12)
    np.testing.assert_allclose(functional.swiglu(a, b).numpy(), swish, rtol=1e-12)
    gated = a * functional.gelu(b).numpy()
    np.testing.assert_allclose(functional.geglu(x).numpy(), gated, rtol=1e-12)
    np.testing.assert_allclose(functional.geglu(a, b).numpy(), gated, rtol=1e-12)


def test_drawn_slopes() -> None:
    lm.random.seed(0)
    y = nn.RReLU(0.25, 0.75)(-lm.ones(4000)).numpy()
    assert -0.75 <= y.min() < -0.74 and -0.26 < y.max() <= -0.25
    assert y.mean() == pytest.approx(-0.5, abs=0.01)


@pytest.mark.parametrize("dtype", [lm.float16, lm.bfloat16, lm.float32])
def test_narrow_dtypes_stay(dtype: Any) -> None:
    x = lm.ones((2, 2), dtype=dtype)
    for _, make in LAYERS:
        assert lm.eval_shape(make(nn), x).dtype is dtype


MESSAGES = [
    (
        lambda: nn.GLU()(lm.ones((2, 3))),
        "ShapeError: glu: axis -1 has no two halves\n  x: f32[2,3]",
    ),
    (
        lambda: nn.PReLU(3)(lm.ones((2, 4))),
        "ShapeError: prelu: there is not one slope for each channel\n"
        "  x: f32[2,4]\n  weight: f32[3]\n  help: the channels are axis 1 of x",
    ),
    (
        lambda: nn.RReLU(0.5, 0.25),
        "UsageError: RReLU: lower is above upper\n  lower: 0.5\n  upper: 0.25",
    ),
    (
        lambda: nn.Softmax2d()(lm.ones((2, 4))),
        "ShapeError: Softmax2d: not images\n  x: f32[2,4]\n  help: x is [B, C, H, W] or [C, H, W]",
    ),
    (
        lambda: nn.Softshrink(-1.0)(lm.ones(2)),
        "UsageError: softshrink: lambd is negative\n  lambd: -1.0",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
