"""Likeness of groupings is that of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

import lamina as lm
from lamina import metrics
from tests.metrics.cases import labels

CASES = {
    "half alike": labels(40, 4, 20),
    "other names": (np.array([5, 5, 0, 0, 3]), np.array([1, 1, 2, 2, 0])),
    "one group": (np.zeros(5, int), np.zeros(5, int)),
    "one group and many": (np.zeros(5, int), np.arange(5)),
    "all alone": (np.arange(5), np.arange(5)[::-1]),
    "different numbers": (np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1])),
}
PAIRS = (
    (metrics.AdjustedRand(), reference.adjusted_rand_score),
    (metrics.AdjustedMutualInformation(), reference.adjusted_mutual_info_score),
)


@pytest.mark.parametrize("case", CASES)
def test_like_scikit_learn(case: str) -> None:
    x, y = CASES[case]
    for metric, theirs in PAIRS:
        np.testing.assert_allclose(metric.of(x, y), theirs(y, x), rtol=1e-9, atol=1e-12)
        metric.reset()
        metric.update(lm.asarray(x[:3].copy()), y[:3])
        other = type(metric)()
        other.update(x[3:], y[3:])
        assert (metric + other).compute() == metric.of(x, y)


def test_mistakes() -> None:
    with pytest.raises(lm.ShapeError, match="predictions and targets do not fit"):
        metrics.adjusted_rand([0, 1], [0])
    with pytest.raises(lm.UsageError, match="there are no examples"):
        metrics.adjusted_mutual_information(np.array([], int), np.array([], int))
