"""Principal components."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, tensor
from lamina.tensor import linalg

TALL = 10  # rows a column from which the products of columns are the shorter way


class PCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The directions of largest variance: X - mean = U S Vᵀ, and the rows of Vᵀ are the components.

    Args:
        n_components: how many are kept; a share between 0 and 1 keeps as many as explain more than
            that share of the variance; None keeps all.
        whiten: divide each component by its standard deviation.
        svd_solver: "full" (singular values), "covariance_eigh" (eigenvalues of the covariance, for
            many samples), or "auto".

    Attributes:
        components_: `[K, D]`, orthonormal; the entry of largest size in each is positive.
        explained_variance_, explained_variance_ratio_, singular_values_: `[K]`.
        mean_: `[D]`.
        noise_variance_: the mean variance of what is left out.
        n_components_, n_samples_: counts.

    Example:
        >>> from lamina.classical import PCA
        >>> PCA(1).fit([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]).explained_variance_ratio_
        array([1.])

    Source: Tipping and Bishop 1999, "Probabilistic principal component analysis"; scikit-learn's
    interface.
    """

    def __init__(self, n_components: Any = None, *, whiten: bool = False, svd_solver: str = "auto"):
        self.n_components = n_components
        self.whiten = whiten
        self.svd_solver = svd_solver

    def fit(self, X: Any, y: Any = None) -> PCA:
        """Learn the components. Shapes: `X: [N, D]`."""
        given = features(self, X, fitting=True, ensure_min_samples=2)
        samples, width = given.shape
        most = min(samples, width)
        self.mean_ = given.mean(axis=0)
        values, components = self._decompose(given - self.mean_)
        variance = values**2 / (samples - 1)
        total = variance.sum()
        ratio = variance / total if total > 0.0 else np.zeros_like(variance)
        count = self._count(most, ratio)
        self.n_components_, self.n_samples_ = count, samples
        self.components_ = np.ascontiguousarray(components[:count])
        self.explained_variance_ = variance[:count]
        self.explained_variance_ratio_ = ratio[:count]
        self.singular_values_ = values[:count]
        self.noise_variance_ = float(variance[count:].mean()) if count < most else 0.0
        return self

    def _decompose(self, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Singular values, falling, and components with the sign that the class promises."""
        samples, width = centred.shape
        x, most = tensor(centred), min(samples, width)
        solver = self.svd_solver
        if solver == "auto":
            solver = "covariance_eigh" if samples >= TALL * width else "full"
        if solver == "covariance_eigh":
            squares, vectors = linalg.eigh(lm.matmul(lm.matrix_transpose(x), x))
            rising = np.sqrt(np.maximum(squares.numpy(), 0.0))
            values, components = rising[::-1][:most], vectors.numpy().T[::-1][:most]
        elif solver == "full":
            _, singular, rows = linalg.svd(x, full_matrices=False)
            values, components = singular.numpy(), rows.numpy()
        else:
            raise ValueError(f'svd_solver: "auto", "full", "covariance_eigh", not {solver!r}')
        largest = np.take_along_axis(
            components, np.abs(components).argmax(axis=1, keepdims=True), axis=1
        )
        return values, components * np.where(largest < 0.0, -1.0, 1.0).astype(components.dtype)

    def _count(self, most: int, ratio: np.ndarray) -> int:
        wanted = self.n_components
        if wanted is None:
            return most
        if isinstance(wanted, numbers.Integral) and 0 <= int(wanted) <= most:
            return int(wanted)
        if isinstance(wanted, float) and 0.0 < wanted < 1.0:
            return int(np.searchsorted(np.cumsum(ratio), wanted, side="right")) + 1
        raise ValueError(
            f"n_components={wanted!r}: a count of at most min(n_samples, n_features)={most}, "
            "a share between 0 and 1, or None"
        )

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _scale(self) -> np.ndarray:
        if not self.whiten:
            return np.ones_like(self.explained_variance_)
        tiny = np.finfo(self.explained_variance_.dtype).eps
        return np.sqrt(np.maximum(self.explained_variance_, tiny))

    def transform(self, X: Any) -> np.ndarray:
        """Samples by components. Shapes: `[N, D] -> [N, K]`."""
        check_is_fitted(self)
        centred = features(self, X) - self.mean_
        directions = self.components_.T / self._scale()
        return lm.matmul(tensor(centred), tensor(directions)).numpy()

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Samples from their components. Shapes: `[N, K] -> [N, D]`."""
        check_is_fitted(self)
        directions = self.components_ * self._scale()[:, None]
        return lm.matmul(np.asarray(X), tensor(directions)).numpy() + self.mean_
