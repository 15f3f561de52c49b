"""Multi-head attention: PyTorch's values, weights and gradients, and what users get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.nn.parity import Parity, check
from tests.nn.test_errors import message

Q, K = (5, 2, 8), (6, 2, 8)
PADDED = np.array([[False] * 6, [False] * 4 + [True] * 2])
CAUSAL = np.triu(np.ones((5, 6), bool), 1)


def of_itself(layer: Any, x: Any, **options: Any) -> Any:
    return layer(x, x, x, **options)


CASES = (
    Parity("of itself", lambda nn: nn.MultiheadAttention(8, 2), (Q,), of_itself),
    Parity(
        "padded, each head's weights",
        lambda nn: nn.MultiheadAttention(8, 4),
        (Q, K, K, PADDED),
        lambda layer, q, k, v, mask: layer(q, k, v, mask, average_attn_weights=False),
        dtypes=("float64", "float32"),
    ),
    Parity(
        "masked and padded, batch first, no weights",
        lambda nn: nn.MultiheadAttention(8, 2, batch_first=True),
        ((2, 5, 8), (2, 6, 8), (2, 6, 8), PADDED, CAUSAL),
        lambda layer, q, k, v, p, m: layer(q, k, v, p, need_weights=False, attn_mask=m),
    ),
    Parity(
        "numbers added for each head",
        lambda nn: nn.MultiheadAttention(8, 2, bias=False),
        (Q, K, K, (4, 5, 6)),
        lambda layer, q, k, v, m: layer(q, k, v, attn_mask=m),
    ),
    Parity(
        "other widths, one more key, one zero",
        lambda nn: nn.MultiheadAttention(
            8, 2, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True
        ),
        (Q, (6, 2, 3), (6, 2, 5), PADDED, CAUSAL),
        lambda layer, q, k, v, p, m: layer(q, k, v, p, attn_mask=m),
    ),
    Parity(
        "one sequence",
        lambda nn: nn.MultiheadAttention(8, 2),
        ((5, 8), (6, 8), CAUSAL),
        lambda layer, q, k, m: layer(q, k, k, attn_mask=m),
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


def test_causal_is_the_mask_of_later_keys() -> None:
    layer = nn.MultiheadAttention(8, 2)
    x = lm.random.normal((4, 1, 8))
    mask = lm.asarray(np.triu(np.ones((4, 4), bool), 1))
    expected, _ = layer(x, x, x, attn_mask=mask)
    found, weights = layer(x, x, x, is_causal=True)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    assert (np.triu(weights.numpy()[0], 1) == 0).all()


def test_a_query_that_sees_nothing_gets_the_bias() -> None:
    layer = nn.MultiheadAttention(8, 2, dtype=lm.float64)
    layer.out_proj.bias = lm.arange(8.0, dtype=lm.float64)
    x = lm.random.normal((4, 1, 8), dtype=lm.float64)
    y, weights = layer(x, x, x, key_padding_mask=lm.ones((1, 4), dtype=lm.bool))
    assert (weights.numpy() == 0).all()
    np.testing.assert_array_equal(y.numpy()[:, 0], np.tile(np.arange(8.0), (4, 1)))


def test_first_weights() -> None:
    lm.random.seed(0)
    layer = nn.MultiheadAttention(64, 2, add_bias_kv=True)
    weight = layer.in_proj_weight.numpy()
    bound = np.sqrt(6 / (4 * 64))
    assert np.abs(weight).max() <= bound
    assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert layer.bias_k.numpy().std() == pytest.approx(1 / 8, rel=0.4)
    assert not layer.in_proj_bias.numpy().any() and not layer.out_proj.bias.numpy().any()


MESSAGES = [
    (
        lambda: nn.MultiheadAttention(8, 3),
        "UsageError: MultiheadAttention: the heads do not divide the width\n"
        "  embed_dim: 8\n  num_heads: 3",
    ),
    (
        lambda: nn.MultiheadAttention(8, 2)(lm.ones(Q), lm.ones((6, 3, 8)), lm.ones((6, 3, 8))),
        "ShapeError: MultiheadAttention: the inputs do not fit the layer\n"
        "  query: f32[5,2,8]\n  key: f32[6,3,8]\n  value: f32[6,3,8]\n  widths: (8, 8, 8)\n"
        "  help: sequences are [T, B, width]",
    ),
    (
        lambda: nn.MultiheadAttention(8, 2)(
            lm.ones(Q), lm.ones(K), lm.ones(K), attn_mask=lm.ones((6, 5), dtype=lm.bool)
        ),
        "ShapeError: MultiheadAttention: attn_mask does not fit\n"
        "  attn_mask: bool[6,5]\n  wanted: (5, 6) or (4, 5, 6)\n"
        "  help: booleans (True is not seen), or floating numbers that are added",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
