"""Transformers: PyTorch's values, gradients and names."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.nn.parity import Parity, check
from tests.nn.test_errors import message

PADDED = np.array([[False] * 5, [False] * 3 + [True] * 2])
LATER = np.triu(np.ones((4, 4), bool), 1)

CASES = (
    Parity(
        "encoder layer",
        lambda nn: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0),
        ((4, 2, 8), LATER),
        lambda layer, x, mask: layer(x, src_mask=mask),
        dtypes=("float64", "float32"),
    ),
    Parity(
        "encoder, norm first, gelu, padded, batch first",
        lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True, bias=False
            ),
            2,
            nn.LayerNorm(8),
        ),
        ((2, 5, 8), PADDED),
        lambda layer, x, mask: layer(x, src_key_padding_mask=mask),
    ),
    Parity(
        "decoder layer, norm first",
        lambda nn: nn.TransformerDecoderLayer(8, 2, 16, 0.0, norm_first=True, layer_norm_eps=1e-3),
        ((4, 2, 8), (5, 2, 8), LATER, PADDED),
        lambda layer, x, memory, m, p: layer(x, memory, m, memory_key_padding_mask=p),
    ),
    Parity(
        "both",
        lambda nn: nn.Transformer(8, 2, 1, 2, 16, dropout=0.0),
        ((5, 2, 8), (4, 2, 8), LATER),
        lambda net, src, tgt, mask: net(src, tgt, tgt_mask=mask),
    ),
)


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=lambda x: getattr(x, "name", x),
)
def test_against_torch(case: Parity, dtype: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of PyTorch, about its fast path
        check(case, dtype)


def test_copies_begin_equal_and_are_apart() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 1, 4), 2)
    first, second = encoder.layers
    np.testing.assert_array_equal(first.linear1.weight.numpy(), second.linear1.weight.numpy())
    assert first.linear1.weight is not second.linear1.weight
    net = nn.Transformer(4, 1, 2, 1, 4)
    weights = [layer.linear1.weight.numpy() for layer in net.encoder.layers]
    assert (weights[0] != weights[1]).any()  # drawn anew


def test_dropout_while_training_only() -> None:
    lm.random.seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5)
    x = lm.ones((3, 1, 8))
    assert (layer(x).numpy() != layer(x).numpy()).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x).numpy(), layer(x).numpy())


def test_a_causal_decoder_does_not_look_ahead() -> None:
    net = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0)
    src, tgt = lm.random.normal((3, 1, 8)), lm.random.normal((4, 1, 8))
    whole = net(src, tgt, tgt_mask=net.generate_square_subsequent_mask(4)).numpy()
    part = net(src, tgt[:2], tgt_is_causal=True).numpy()
    np.testing.assert_allclose(whole[:2], part, rtol=1e-4, atol=1e-5)


def test_messages() -> None:
    assert message(lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh")) == (
        "UsageError: TransformerEncoderLayer: no activation 'tanh'\n"
        '  there are "relu", "gelu" and your own functions'
    )
    net = nn.Transformer(8, 2, 1, 1, 16)
    assert message(lambda: net(lm.ones((4, 2, 8)), lm.ones((4, 3, 8)))) == (
        "ShapeError: Transformer: src and tgt are not batches of one size\n"
        "  src: f32[4,2,8]\n  tgt: f32[4,3,8]\n  batch_first: False"
    )
