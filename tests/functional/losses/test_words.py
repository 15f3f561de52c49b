"""Negative sampling: the closed form, its gradients, extreme products, shapes that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional as F

RNG = np.random.default_rng(5)
X, P = RNG.standard_normal((2, 4, 3))
N = RNG.standard_normal((4, 6, 3))


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_values_and_gradients_are_the_closed_forms(jitted: bool) -> None:
    f: Any = lm.value_and_grad(F.negative_sampling_loss, argnums=(0, 1, 2))
    loss, slopes = (lm.jit(f) if jitted else f)(*map(lm.asarray, (X, P, N)))
    near, far = (X * P).sum(-1), np.einsum("nd,nkd->nk", X, N)
    wanted = np.log1p(np.exp(-near)) + np.log1p(np.exp(far)).sum(-1)
    pull, push = -1 / (1 + np.exp(near)), 1 / (1 + np.exp(-far))
    assert float(loss) == pytest.approx(wanted.mean(), rel=1e-12)
    by_x = pull[:, None] * P + np.einsum("nk,nkd->nd", push, N)
    for found, other in zip(
        slopes, (by_x, pull[:, None] * X, push[..., None] * X[:, None]), strict=True
    ):
        np.testing.assert_allclose(found.numpy(), other / 4, rtol=1e-10, atol=1e-12)


def test_reductions() -> None:
    each = F.negative_sampling_loss(X, P, N, reduction="none")
    assert each.shape == (4,)
    for name, total in (("sum", each.sum()), ("mean", each.mean())):
        found = F.negative_sampling_loss(X, P, N, reduction=name)
        assert float(found) == pytest.approx(float(total))


def test_extreme_products_neither_overflow_nor_vanish() -> None:
    x = np.array([[1e4, 0.0]], np.float32)
    right = F.negative_sampling_loss(x, x, -x[:, None])
    wrong, slope = lm.value_and_grad(F.negative_sampling_loss)(x, -x, x[:, None])
    assert float(right) == 0.0
    assert float(wrong) == pytest.approx(2e8)
    np.testing.assert_allclose(slope.numpy(), [[2e4, 0.0]])


@pytest.mark.parametrize("negatives", [N[:, 0], N[:3], N[..., :2]])
def test_shapes_that_do_not_fit(negatives: np.ndarray) -> None:
    with pytest.raises(lm.ShapeError, match="not one positive and a row of negatives"):
        F.negative_sampling_loss(X, P, negatives)
