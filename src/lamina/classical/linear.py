"""Least squares, plain and with a penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, tensor, weights
from lamina.tensor import linalg


class _Linear(RegressorMixin, BaseEstimator):
    """y = X wᵀ + b; what is shared is all but the solution."""

    fit_intercept: bool
    coef_: np.ndarray
    intercept_: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn the coefficients. Shapes: `X: [N, D], y: [N] or [N, M], sample_weight: [N]`."""
        given, y = features(self, X, fitting=True, y=y, multi_output=True, y_numeric=True)
        targets = np.asarray(y, dtype=given.dtype)
        single = targets.ndim == 1
        targets = targets[:, None] if single else targets
        weight = weights(sample_weight, given)
        x_mean, y_mean = np.zeros(given.shape[1], given.dtype), np.zeros(targets.shape[1])
        if self.fit_intercept:
            x_mean = np.average(given, axis=0, weights=weight).astype(given.dtype)
            y_mean = np.average(targets, axis=0, weights=weight).astype(given.dtype)
        root = np.sqrt(weight)[:, None]
        coefficients = self._solve((given - x_mean) * root, (targets - y_mean) * root).T
        intercept = y_mean - coefficients @ x_mean
        self.coef_ = coefficients[0] if single else coefficients
        if self.fit_intercept:
            self.intercept_ = intercept[0] if single else intercept
        else:
            self.intercept_ = 0.0
        return self

    def _solve(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Shapes: `[N, D], [N, M] -> [D, M]`."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """X wᵀ + b. Shapes: `[N, D] -> [N] or [N, M]`."""
        check_is_fitted(self)
        x = tensor(features(self, X).astype(self.coef_.dtype, copy=False))
        return lm.matmul(x, tensor(self.coef_.T)).numpy() + self.intercept_


class LinearRegression(_Linear):
    """Least squares: the w of least size that minimises sum_i s_i |y_i - w x_i - b|².

    Args:
        fit_intercept: whether there is a b.

    Attributes:
        coef_: w, `[D]` or `[M, D]`.
        intercept_: b.
        rank_, singular_: of the centred features.

    Example:
        >>> from lamina.classical import LinearRegression
        >>> LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).coef_
        array([2.])
    """

    def __init__(self, *, fit_intercept: bool = True):
        self.fit_intercept = fit_intercept

    def _solve(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        solution, _, rank, singular = linalg.lstsq(tensor(x), tensor(y))
        self.rank_, self.singular_ = int(rank), singular.numpy()
        return solution.numpy()


class Ridge(_Linear):
    """Least squares with a penalty: minimises sum_i s_i |y_i - w x_i - b|² + alpha |w|².

    Args:
        alpha: the weight of the penalty, at least 0.
        fit_intercept: whether there is a b, which is not penalised.

    Attributes:
        coef_, intercept_: as in `LinearRegression`.

    Example:
        >>> from lamina.classical import Ridge
        >>> Ridge(alpha=2.0).fit([[-1.0], [1.0]], [-1.0, 1.0]).coef_
        array([0.5])

    Source: Hoerl and Kennard 1970, "Ridge regression".
    """

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True):
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def _solve(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if not self.alpha >= 0.0:
            raise ValueError(f"alpha={self.alpha}: at least 0")
        left, singular, right = linalg.svd(tensor(x), full_matrices=False)
        cut = np.finfo(x.dtype).eps * max(x.shape) * float(lm.max(singular))
        size = singular * singular + self.alpha
        shrunk = lm.where(singular > cut, singular / lm.where(size > 0.0, size, 1.0), 0.0)
        turned = lm.matmul(lm.matrix_transpose(left), tensor(y))
        return lm.matmul(lm.matrix_transpose(right), shrunk[:, None] * turned).numpy()
