"""Errors of numbers are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

import lamina as lm
from lamina import metrics
from tests.metrics.cases import WEIGHTS

RNG = np.random.default_rng(1)
Y = RNG.standard_normal((40, 3)) * [1.0, 10.0, 0.1] + 5.0
X = Y + RNG.standard_normal(Y.shape)
PAIRS = {
    "mse": (metrics.mean_squared_error, reference.mean_squared_error),
    "rmse": (metrics.root_mean_squared_error, reference.root_mean_squared_error),
    "mae": (metrics.mean_absolute_error, reference.mean_absolute_error),
    "mape": (metrics.mean_absolute_percentage_error, reference.mean_absolute_percentage_error),
    "r2": (metrics.r2_score, reference.r2_score),
    "explained variance": (metrics.explained_variance, reference.explained_variance_score),
}
CONSTANT = np.full(4, 0.1)
ODD = {
    "constant and right": (CONSTANT, CONSTANT),
    "constant target": (np.array([0.1, 0.2, 0.3, 0.1]), CONSTANT),
    "zeros": (np.array([0.0, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])),
    "far from zero": (1e9 + X[:, 0], 1e9 + Y[:, 0]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_like_scikit_learn(name: str) -> None:
    ours, theirs = PAIRS[name]
    for x, y in ((X, Y), (X[:, 0], Y[:, 0])):
        for weights in (None, WEIGHTS):
            found = ours(lm.asarray(x), y, sample_weight=weights)
            np.testing.assert_allclose(found, theirs(y, x, sample_weight=weights), rtol=1e-12)


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("name", PAIRS)
def test_odd_numbers(name: str, case: str) -> None:
    ours, theirs = PAIRS[name]
    x, y = ODD[case]
    np.testing.assert_allclose(ours(x, y), theirs(y, x), rtol=1e-6)


@pytest.mark.parametrize("multioutput", ["uniform_average", "variance_weighted", "raw_values"])
def test_columns(multioutput: str) -> None:
    for name in ("r2", "explained variance"):
        ours, theirs = PAIRS[name]
        found = ours(X, Y, multioutput=multioutput)
        np.testing.assert_allclose(found, theirs(Y, X, multioutput=multioutput))


def test_one_example_explains_nothing() -> None:
    assert np.isnan(metrics.r2_score([1.0], [2.0]))
    assert metrics.mean_squared_error([1.0], [2.0]) == 1.0


def test_mistakes() -> None:
    with pytest.raises(lm.ShapeError, match="predictions and targets do not fit"):
        metrics.mean_squared_error([1.0, 2.0], [1.0])
    with pytest.raises(lm.ShapeError, match=r"numbers are \[N\]"):
        metrics.r2_score(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)))
    with pytest.raises(lm.UsageError, match="no such multioutput"):
        metrics.R2(multioutput="mean")
