"""Nearest neighbours, by looking at all samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, squared_distances, tensor
from lamina.tensor import Tensor

CHUNK_ELEMENTS = 1 << 22  # distances held at once


def minkowski(x: Tensor, y: Tensor, p: float) -> Tensor:
    """(sum_d |x_id - y_jd|^p)^(1/p); the largest difference for p = inf.

    Shapes: `[N, D], [M, D] -> [N, M]`
    """
    if p == 2:
        return lm.sqrt(squared_distances(x, y))
    apart = lm.abs(x[:, None, :] - y[None, :, :])
    if p == 1:
        return lm.sum(apart, axis=2)
    if np.isinf(p):
        return lm.max(apart, axis=2)
    return lm.sum(apart**p, axis=2) ** (1.0 / p)


class _Neighbors(BaseEstimator):
    """What classification and regression share: learning is remembering."""

    def __init__(self, n_neighbors: int = 5, *, weights: Any = "uniform", p: float = 2):
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.p = p

    def _remember(self, given: np.ndarray) -> None:
        if self.weights not in ("uniform", "distance", None) and not callable(self.weights):
            raise ValueError(f'weights: "uniform", "distance" or a function, not {self.weights!r}')
        if self.n_neighbors < 1 or not self.p > 0:
            raise ValueError(f"n_neighbors={self.n_neighbors} >= 1 and p={self.p} > 0 are needed")
        self._samples, self.n_samples_fit_ = given, len(given)

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """The nearest samples of each row, the nearest first.

        Args:
            X: rows; None: the samples themselves, each without itself.
            n_neighbors: how many; that of the estimator by default.
            return_distance: whether distances are given too.

        Shapes: `[N, D] -> [N, K], [N, K]`, distances and places.
        """
        check_is_fitted(self)
        count = self.n_neighbors if n_neighbors is None else n_neighbors
        asked = self._samples if X is None else features(self, X)
        most = self.n_samples_fit_ - (X is None)
        if not 1 <= count <= most:
            raise ValueError(f"n_neighbors={count}: from 1 to n_samples_fit={most}")
        parts = [self._nearest(*chunk, count, X is None) for chunk in self._chunks(asked)]
        places = np.concatenate([p for _, p in parts])
        return (np.concatenate([d for d, _ in parts]), places) if return_distance else places

    def _chunks(self, asked: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        width = 1 if self.p == 2 else asked.shape[1]
        rows = max(1, CHUNK_ELEMENTS // max(self.n_samples_fit_ * width, 1))
        for start in range(0, len(asked), rows):
            yield start, asked[start : start + rows]

    def _nearest(
        self, start: int, asked: np.ndarray, count: int, own: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        samples = self._samples.astype(asked.dtype, copy=False)
        distances = minkowski(tensor(asked), tensor(samples), self.p).numpy()
        if own:
            distances = distances.copy()
            distances[np.arange(len(asked)), start + np.arange(len(asked))] = np.inf
        some = np.argpartition(distances, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(distances, some, axis=1)
        order = np.lexsort((some, near), axis=1)
        places = np.take_along_axis(some, order, axis=1)
        if self.p != 2:
            return np.take_along_axis(near, order, axis=1), places
        # |x|² - 2 x y + |y|² loses half of the digits of small distances: once more, plainly
        apart = asked[:, None, :] - samples[places]
        exact = np.sqrt(np.einsum("nkd,nkd->nk", apart, apart))
        again = np.argsort(exact, axis=1, kind="stable")
        return np.take_along_axis(exact, again, axis=1), np.take_along_axis(places, again, axis=1)

    def _neighbor_weights(self, distances: np.ndarray) -> np.ndarray:
        if callable(self.weights):
            return np.asarray(self.weights(distances))
        if self.weights != "distance":
            return np.ones_like(distances)
        same = distances == 0.0
        inverse = 1.0 / np.where(same, 1.0, distances)
        return np.where(same.any(axis=1, keepdims=True), same, inverse)


class KNeighborsClassifier(ClassifierMixin, _Neighbors):
    """The class that most of the nearest samples have.

    Args:
        n_neighbors: how many are asked.
        weights: "uniform", "distance" (one over it), or a function of distances.
        p: of the Minkowski distance: 1 Manhattan, 2 Euclid, inf the largest difference.

    Attributes:
        classes_: the labels, sorted.

    Example:
        >>> from lamina.classical import KNeighborsClassifier
        >>> KNeighborsClassifier(1).fit([[0.0], [1.0]], ["low", "high"]).predict([[0.2]])
        array(['low'], dtype='<U4')

    Source: Cover and Hart 1967, "Nearest neighbor pattern classification".
    """

    def fit(self, X: Any, y: Any) -> KNeighborsClassifier:
        """Remember samples and labels. Shapes: `X: [N, D], y: [N]`."""
        given, y = features(self, X, fitting=True, y=y)
        check_classification_targets(y)
        self.classes_, self._labels = np.unique(y, return_inverse=True)
        self._remember(given)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The share of each class among the neighbours. Shapes: `[N, D] -> [N, C]`."""
        distances, places = self.kneighbors(X)
        weight = self._neighbor_weights(distances)
        shares = np.zeros((len(places), len(self.classes_)))
        rows = np.broadcast_to(np.arange(len(places))[:, None], places.shape)
        np.add.at(shares, (rows, self._labels[places]), weight)
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most frequent class; the first in order of several. Shapes: `[N, D] -> [N]`."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(axis=1)]


class KNeighborsRegressor(RegressorMixin, _Neighbors):
    """The mean of the nearest samples' targets.

    Args:
        n_neighbors, weights, p: as in `KNeighborsClassifier`.

    Example:
        >>> from lamina.classical import KNeighborsRegressor
        >>> KNeighborsRegressor(2).fit([[0.0], [1.0], [9.0]], [1.0, 3.0, 8.0]).predict([[0.4]])
        array([2.])
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> KNeighborsRegressor:
        """Remember samples and targets. Shapes: `X: [N, D], y: [N] or [N, M]`."""
        given, y = features(self, X, fitting=True, y=y, multi_output=True)
        self._targets = np.asarray(y, dtype=np.float64)
        self._remember(given)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The weighted mean. Shapes: `[N, D] -> [N] or [N, M]`."""
        distances, places = self.kneighbors(X)
        weight = self._neighbor_weights(distances)
        weight = weight / weight.sum(axis=1, keepdims=True)
        return np.einsum("nk,nk...->n...", weight, self._targets[places])
