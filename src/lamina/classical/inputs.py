"""What estimators take: arrays checked as scikit-learn checks them, then tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, validate_data

import lamina.tensor as lm
from lamina.tensor import Tensor

FLOATS = (np.float64, np.float32)


def features(estimator: Any, x: Any, *, fitting: bool = False, **options: Any) -> Any:
    """The features as a floating matrix `[N, D]`, which is float32 only if they were; with `y`
    among the options, the checked targets too.

    Args:
        estimator: what is fitted, or was; it notes or compares how many features there are.
        x: anything that scikit-learn takes for a matrix, tensors included.
        fitting: whether the estimator learns from them.
        options: of `sklearn.utils.validation.validate_data`.

    Raises:
        ValueError: not a matrix of finite numbers, or of another width than was learned from.
    """
    found: Any = validate_data(estimator, x, reset=fitting, dtype=FLOATS, **options)
    return found


def weights(given: Any, x: np.ndarray) -> np.ndarray:
    """The weight of each sample: ones when None was given. Shapes: `[N]`."""
    return _check_sample_weight(given, x, dtype=x.dtype, ensure_non_negative=True)


def tensor(x: Any) -> Tensor:
    """A tensor with the numbers of an array."""
    return lm.asarray(x)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|², by |x|² - 2 x y + |y|², not below 0.  Shapes: `[N, D], [M, D] -> [N, M]`."""
    x_square = lm.sum(x * x, axis=1, keepdims=True)
    y_square = lm.sum(y * y, axis=1)
    return lm.maximum(x_square - 2.0 * lm.matmul(x, lm.matrix_transpose(y)) + y_square, 0.0)
