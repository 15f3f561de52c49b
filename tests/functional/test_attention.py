"""Attention and positions against PyTorch, published formulas, and each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional as F
from tests.nn.test_errors import message

RNG = np.random.default_rng(0)
SEEN = RNG.random((5, 6)) < 0.6
SEEN[2] = False  # a query that sees nothing
ADDED = RNG.standard_normal((4, 5, 6))

OPTIONS: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("plain", (2, 4, 5, 8), (2, 4, 6, 8), {}),
    ("without heads", (5, 8), (6, 8), {"scale": 0.3}),
    ("causal", (2, 4, 5, 8), (2, 4, 6, 8), {"is_causal": True}),
    ("boolean mask", (2, 4, 5, 8), (2, 4, 6, 8), {"attn_mask": SEEN}),
    ("added mask", (2, 4, 5, 8), (2, 4, 6, 8), {"attn_mask": ADDED}),
    ("groups", (2, 4, 5, 8), (2, 2, 6, 8), {"enable_gqa": True, "attn_mask": ADDED}),
    ("one key for all", (1, 4, 5, 8), (1, 1, 6, 8), {"enable_gqa": True, "is_causal": True}),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("q, k, options", [o[1:] for o in OPTIONS], ids=[o[0] for o in OPTIONS])
def test_against_torch(q: Any, k: Any, options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in (q, k, (*k[:-1], 3))]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    mask = options.get("attn_mask")
    if mask is not None and mask.dtype != bool:
        mask = mask.astype(dtype)
    given = options if mask is None else {**options, "attn_mask": torch.tensor(mask)}
    y = torch.nn.functional.scaled_dot_product_attention(*theirs, **given)
    w = rng.standard_normal(y.shape).astype(dtype)
    (y * torch.tensor(w)).sum().backward()
    ours = options if mask is None else {**options, "attn_mask": mask}

    def loss(q: Any, k: Any, v: Any) -> Any:
        y = F.scaled_dot_product_attention(q, k, v, **ours)
        return lm.sum(y * w), y

    differentiate = lm.jit(lm.grad(loss, argnums=(0, 1, 2), has_aux=True))
    bars, found = differentiate(*map(lm.asarray, arrays))
    tolerance = 1e-10 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(found.numpy(), y.detach().numpy(), rtol=0, atol=tolerance)
    for bar, x in zip(bars, theirs, strict=True):
        np.testing.assert_allclose(bar.numpy(), x.grad.numpy(), rtol=0, atol=tolerance)


def test_dropout_of_weights_keeps_their_mean() -> None:
    q, v = lm.zeros((64, 8)), lm.ones((64, 1))
    lm.random.seed(0)
    y = F.scaled_dot_product_attention(q, q, v, dropout_p=0.5).numpy()
    assert len(np.unique(y)) > 10
    assert abs(y.mean() - 1) < 4 / 64  # each of 64 x 64 weights varies by 1


def test_alibi_is_minus_slope_times_distance() -> None:
    np.testing.assert_allclose(F.alibi_slopes(8).numpy(), 2.0 ** -np.arange(1, 9))
    slopes = [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]  # of 4 heads, then every second of 8
    np.testing.assert_allclose(F.alibi_slopes(6).numpy(), slopes)
    bias = F.alibi_bias(4, 3).numpy()
    np.testing.assert_array_equal(
        bias[1], -(2.0**-4) * np.abs(np.subtract.outer(range(3), range(3)))
    )
    np.testing.assert_array_equal(F.alibi_bias(4, 1, 3).numpy(), bias[:, -1:])


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embedding_turns_pairs(interleaved: bool) -> None:
    """Against complex numbers times exp(i t), and products depend on distances only."""
    x = np.random.default_rng(2).standard_normal((2, 3, 5, 8))
    angles = np.outer(np.arange(5), 100.0 ** (-np.arange(4) / 4))
    a, b = (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., :4], x[..., 4:])
    z = (a + 1j * b) * np.exp(1j * angles)
    y = F.rotary_embedding(lm.asarray(x), base=100.0, interleaved=interleaved).numpy()
    a, b = (y[..., ::2], y[..., 1::2]) if interleaved else (y[..., :4], y[..., 4:])
    np.testing.assert_allclose(a + 1j * b, z, rtol=1e-12, atol=1e-12)

    def product(i: int, j: int) -> float:
        turned = [
            F.rotary_embedding(lm.asarray(x[0, h, :1]), [t], interleaved=interleaved).numpy()
            for h, t in ((0, i), (1, j))
        ]
        return float((turned[0] * turned[1]).sum())

    assert product(3, 7) == pytest.approx(product(103, 107), abs=1e-4)
    assert abs(product(3, 7) - product(3, 8)) > 1e-3


def test_positions_of_each_row_of_a_batch() -> None:
    x = lm.random.normal((2, 3, 4, 6))
    places = lm.asarray([[[0, 1, 2, 3]], [[5, 6, 7, 8]]])  # (B, 1, T)
    y = F.rotary_embedding(x, places).numpy()
    for i in range(2):
        alone = F.rotary_embedding(x[i], places[i, 0]).numpy()
        np.testing.assert_allclose(y[i], alone, rtol=1e-5, atol=1e-6)


def test_sinusoidal_positions() -> None:
    table = F.sinusoidal_positions(7, 6, dtype=lm.float64).numpy()
    for t in range(7):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert table[t, 2 * i] == pytest.approx(math.sin(angle), abs=1e-12)
            assert table[t, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-12)


MESSAGES = [
    (
        lambda: F.scaled_dot_product_attention(
            lm.ones((4, 5, 8)), lm.ones((2, 6, 8)), lm.ones((2, 6, 8))
        ),
        "ShapeError: scaled_dot_product_attention: queries, keys and values do not fit\n"
        "  query: f32[4,5,8]\n  key: f32[2,6,8]\n  value: f32[2,6,8]\n"
        "  help: keys and values go in pairs; enable_gqa=True lets queries have more heads",
    ),
    (
        lambda: F.attention_weights(lm.ones((5, 8)), lm.ones((6, 7))),
        "ShapeError: attention_weights: queries and keys do not fit\n"
        "  query: f32[5,8]\n  key: f32[6,7]\n"
        "  help: both are [*B, heads, places, width], of one width; the heads of the query are "
        "those of the key, or a multiple",
    ),
    (
        lambda: F.rotary_embedding(lm.ones((3, 5))),
        "UsageError: rotary_angles: the width is not even\n  width: 5",
    ),
    (
        lambda: F.rotary_embedding(lm.ones((3, 4)), [1, 2]),
        "ShapeError: rotary_embedding: there is not one position for each vector\n"
        "  x: f32[3,4]\n  positions: i64[2]\n  help: x is [*B, T, D] and positions [T]",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
