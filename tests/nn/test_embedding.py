"""Embeddings and bags of them: PyTorch's values and gradients, and what users get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.nn.parity import Parity, check
from tests.nn.test_errors import message

IDS = np.array([[1, 2, 0], [4, 2, 2]])
LINE = np.array([1, 2, 0, 4, 2, 2, 3])
OFFSETS = np.array([0, 3, 3])

CASES = (
    Parity("embedding", lambda nn: nn.Embedding(5, 3), (IDS,), dtypes=("float64", "float32")),
    Parity("padding", lambda nn: nn.Embedding(5, 3, padding_idx=-3), (IDS,)),
    Parity("short rows", lambda nn: nn.Embedding(5, 3, max_norm=1.0, norm_type=1.5), (IDS,)),
    Parity(
        "short rows by the largest element",
        lambda nn: nn.Embedding(5, 3, max_norm=0.5, norm_type=float("inf")),
        (IDS,),
    ),
    Parity("by frequency", lambda nn: nn.Embedding(5, 3, scale_grad_by_freq=True), (IDS,)),
    *[
        Parity(f"{mode} of a matrix", lambda nn, m=mode: nn.EmbeddingBag(5, 3, mode=m), (IDS,))
        for mode in ("sum", "mean", "max")
    ],
    *[
        Parity(
            f"{mode} of bags, one empty, padded",
            lambda nn, m=mode: nn.EmbeddingBag(5, 3, mode=m, padding_idx=2),
            (LINE, OFFSETS),
        )
        for mode in ("sum", "mean", "max")
    ],
    Parity(
        "weighted sum with the last offset",
        lambda nn: nn.EmbeddingBag(5, 3, mode="sum", include_last_offset=True, max_norm=1.0),
        (LINE, (7,), np.array([0, 3, 3, 7])),
        call=lambda layer, ids, factors, offsets: layer(ids, offsets, factors),
        dtypes=("float64", "float32"),
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


def test_a_table_is_drawn_from_the_normal_distribution() -> None:
    lm.random.seed(0)
    layer = nn.Embedding(400, 300, padding_idx=7)
    table = layer.weight.numpy()
    assert (table[7] == 0).all()
    rest = np.delete(table, 7, axis=0)
    assert abs(rest.mean()) < 4 / np.sqrt(rest.size)
    assert abs(rest.var() - 1) < 4 * np.sqrt(2 / rest.size)


def test_only_rows_that_are_asked_for_are_shortened() -> None:
    layer = nn.Embedding(4, 2, max_norm=1.0)
    layer.weight = lm.asarray([[3.0, 4.0]] * 4)
    lm.jit(lambda layer, ids: layer(ids))(layer, lm.asarray([1, 1]))
    sizes = np.linalg.norm(layer.weight.numpy(), axis=1)
    np.testing.assert_allclose(sizes, [5, 1, 5, 5], rtol=1e-6)


def test_a_given_table_is_frozen() -> None:
    table = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    layer = nn.Embedding.from_pretrained(table, padding_idx=0)
    assert lm.grad(lambda layer: layer(lm.asarray([2])).sum())(layer).weight is None
    np.testing.assert_array_equal(layer(lm.asarray([2, 0])).numpy(), table[[2, 0]])
    bag = nn.EmbeddingBag.from_pretrained(table, freeze=False, mode="sum")
    assert lm.grad(lambda bag: bag(lm.asarray([[2, 2]])).sum())(bag).weight.tolist()[2] == [2, 2]


MESSAGES = [
    (
        lambda: nn.Embedding(3, 2)(lm.asarray([0.0])),
        "DTypeError: embedding: rows are named by integers\n  input: f32[1]\n"
        "  help: cast it to int64",
    ),
    (
        lambda: nn.Embedding(3, 2, padding_idx=3),
        "UsageError: Embedding: padding_idx is not a row of the table\n"
        "  padding_idx: 3\n  num_embeddings: 3",
    ),
    (
        lambda: nn.EmbeddingBag(3, 2)(lm.asarray([0, 1])),
        "ShapeError: embedding_bag: where do the bags begin?\n"
        "  input: i64[2]\n  offsets: none\n"
        "  help: a matrix has a bag in each row, and no offsets; a vector needs offsets",
    ),
    (
        lambda: nn.EmbeddingBag(3, 2, mode="min")(lm.asarray([[0, 1]])),
        "UsageError: embedding_bag: no mode 'min'\n  there are: sum, mean, max",
    ),
    (
        lambda: nn.EmbeddingBag(3, 2)(lm.asarray([[0, 1]]), None, lm.ones((1, 2))),
        "UsageError: embedding_bag: factors for each sample go with sums only\n  mode: 'mean'",
    ),
    (
        lambda: nn.Embedding(3, 2)(lm.asarray([1, 3])).numpy(),
        "BoundsError: gather: index 3 is outside the axis\n"
        "  index: 3\n  axis:  3 elements\n"
        "  help: positions go from 0 to 2; check the indices, or clip them first",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected


def test_descriptions() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    for make in (
        lambda nn: nn.Embedding(4, 2, padding_idx=1, max_norm=2.0, scale_grad_by_freq=True),
        lambda nn: nn.EmbeddingBag(4, 2, mode="sum"),
    ):
        assert repr(make(nn)) == repr(make(torch.nn))
