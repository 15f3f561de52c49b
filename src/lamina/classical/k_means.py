"""k-means, over all samples or over small batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, squared_distances, tensor, weights
from lamina.functional import segment_sum
from lamina.tensor import Tensor


def nearest(x: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest center of each sample, and the squared distance to it.

    Shapes: `x: [N, D], centers: [K, D] -> [N], [N]`
    """
    distances = squared_distances(x, centers)
    return lm.argmin(distances, axis=1), lm.min(distances, axis=1)


def k_means_plus_plus(
    x: Tensor, weight: Tensor, count: int, random: np.random.RandomState
) -> Tensor:
    """Centers that lie apart: each is drawn by its squared distance to those before, as the best of
    2 + log(count) draws.

    Source: Arthur and Vassilvitskii 2007, "k-means++"; the greedy variant of their section 7.
    """
    total = weight.shape[0]
    chance = weight.numpy().astype(np.float64)
    first = random.choice(total, p=chance / chance.sum())
    chosen = [int(first)]
    closest = squared_distances(x, x[first : first + 1])[:, 0]
    draws = 2 + int(np.log(count))
    for _ in range(1, count):
        sums = np.cumsum((weight * closest).numpy().astype(np.float64))
        places = np.searchsorted(sums, random.uniform(size=draws) * sums[-1])
        candidates = lm.asarray(np.minimum(places, total - 1))
        nearer = lm.minimum(closest[:, None], squared_distances(x, lm.take(x, candidates, axis=0)))
        best = int(lm.argmin(lm.matmul(weight, nearer)))
        closest = nearer[:, best]
        chosen.append(int(candidates[best]))
    return lm.take(x, lm.asarray(chosen), axis=0)


class _Clusters(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """What both kinds of k-means do with their centers."""

    cluster_centers_: np.ndarray

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.sparse = False
        return tags

    def predict(self, X: Any) -> np.ndarray:
        """The nearest center of each sample. Shapes: `[N, D] -> [N]`."""
        return self._nearest(X)[0].numpy().astype(np.int32)

    def transform(self, X: Any) -> np.ndarray:
        """The distance of each sample to each center. Shapes: `[N, D] -> [N, K]`."""
        x = self._given(X)
        return lm.sqrt(squared_distances(x, tensor(self.cluster_centers_))).numpy()

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the weighted sum of squared distances to the nearest centers."""
        distances = self._nearest(X)[1]
        weight = weights(sample_weight, distances.numpy()[:, None])
        return -float(lm.sum(distances * tensor(weight)))

    def _given(self, X: Any) -> Tensor:
        check_is_fitted(self)
        return tensor(features(self, X).astype(self.cluster_centers_.dtype, copy=False))

    def _nearest(self, X: Any) -> tuple[Tensor, Tensor]:
        return nearest(self._given(X), tensor(self.cluster_centers_))

    def _first_centers(
        self, init: Any, x: Tensor, weight: Tensor, random: np.random.RandomState
    ) -> Tensor:
        count = self.n_clusters  # type: ignore[attr-defined]
        if callable(init):
            init = init(x.numpy(), count, random_state=random)
        if isinstance(init, str) and init == "k-means++":
            return k_means_plus_plus(x, weight, count, random)
        if isinstance(init, str) and init == "random":
            chance = weight.numpy().astype(np.float64)
            rows = random.choice(len(chance), count, replace=False, p=chance / chance.sum())
            return lm.take(x, lm.asarray(rows), axis=0)
        if isinstance(init, str):
            raise ValueError(f'init: "k-means++", "random", an array or a function, not {init!r}')
        given = np.asarray(init, dtype=x.numpy().dtype)
        if given.shape != (count, x.shape[1]):
            raise ValueError(
                f"init: centers of shape {given.shape}, where {(count, x.shape[1])} is needed"
            )
        return tensor(given)

    def _check_counts(self, samples: int) -> None:
        count = self.n_clusters  # type: ignore[attr-defined]
        if not 1 <= count <= samples:
            raise ValueError(f"n_samples={samples} should be >= n_clusters={count}, which is >= 1")


class KMeans(_Clusters):
    """Clusters around means: minimises sum_i w_i min_k |x_i - c_k|² by turns of assigning each
    sample to its nearest mean and averaging (Lloyd's algorithm).

    Args:
        n_clusters: how many means there are.
        init: "k-means++", "random" (samples), an array `[K, D]`, or a function of (X, n_clusters,
            random_state).
        n_init: how often to start anew; the best run is kept. "auto": once for k-means++ and given
            centers, ten times else.
        max_iter: most turns of a run.
        tol: a run ends when the means move by less, as a share of the mean variance of features.
        random_state: a seed or a NumPy RandomState.

    Attributes:
        cluster_centers_: the means, `[K, D]`.
        labels_: the cluster of each sample that was learned from.
        inertia_: the sum that is minimised.
        n_iter_: turns of the best run.

    Example:
        >>> from lamina.classical import KMeans
        >>> KMeans(2, random_state=0).fit([[0.0], [0.2], [5.0], [5.4]]).cluster_centers_.ravel()
        array([5.2, 0.1])

    Source: Lloyd 1982, "Least squares quantization in PCM"; scikit-learn's interface.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: Any = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: Any = None,
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KMeans:
        """Learn the means. Shapes: `X: [N, D], sample_weight: [N]`."""
        given = features(self, X, fitting=True)
        self._check_counts(len(given))
        random = check_random_state(self.random_state)
        mean = given.mean(axis=0)
        x, weight = tensor(given - mean), tensor(weights(sample_weight, given))
        tolerance = self.tol * float(np.mean(np.var(given, axis=0)))
        init = self.init if isinstance(self.init, str) or callable(self.init) else self.init - mean
        best: tuple[float, Tensor, Tensor, int] | None = None
        for _ in range(self._starts()):
            centers = self._first_centers(init, x, weight, random)
            run = self._lloyd(x, weight, centers, tolerance)
            if best is None or run[0] < best[0]:
                best = run
        assert best is not None
        self.inertia_ = best[0]
        self.labels_ = best[1].numpy().astype(np.int32)
        self.cluster_centers_ = best[2].numpy() + mean
        self.n_iter_ = best[3]
        return self

    def _starts(self) -> int:
        if self.n_init != "auto":
            return int(self.n_init)
        return 10 if isinstance(self.init, str) and self.init == "random" else 1

    def _lloyd(
        self, x: Tensor, weight: Tensor, centers: Tensor, tolerance: float
    ) -> tuple[float, Tensor, Tensor, int]:
        before, turns = np.full(x.shape[0], -1), 0
        while turns < self.max_iter:
            turns += 1
            labels, distances = nearest(x, centers)
            moved = _means(x, weight, labels, distances, centers)
            shift = lm.sum(lm.square(moved - centers))
            centers, now = moved, labels.numpy()
            if np.array_equal(now, before) or float(shift) <= tolerance:
                break
            before = now
        labels, distances = nearest(x, centers)
        return float(lm.sum(weight * distances)), labels, centers, turns


def _means(x: Tensor, weight: Tensor, labels: Tensor, distances: Tensor, centers: Tensor) -> Tensor:
    """The weighted mean of each cluster. An empty one takes the sample that lies farthest away."""
    count = centers.shape[0]
    totals = segment_sum(x * weight[:, None], labels, count)
    sizes = segment_sum(weight, labels, count)
    means = totals / lm.where(sizes > 0.0, sizes, 1.0)[:, None]
    empty = np.flatnonzero(sizes.numpy() == 0.0)
    if not len(empty):
        return means
    far = np.argsort(-(distances * weight).numpy(), kind="stable")[: len(empty)]
    return means.at[lm.asarray(empty)].set(lm.take(x, lm.asarray(far), axis=0))


class MiniBatchKMeans(_Clusters):
    """k-means from small batches: each mean moves towards the batch's samples by one over how many
    it has seen.

    Args:
        n_clusters, init, random_state: as in `KMeans`.
        max_iter: passes over the samples.
        batch_size: samples a step.
        tol: ends when the means move by less in a step, as a share of the variance; 0 never does.
        max_no_improvement: ends after so many batches without a smaller smoothed inertia; or None.
        reassignment_ratio: means that have seen a smaller share than this of the largest one's
            samples are put onto samples of the batch.

    Attributes:
        cluster_centers_, labels_, inertia_, n_iter_: as in `KMeans`.
        n_steps_: batches that were learned from.

    Example:
        >>> import numpy as np
        >>> from lamina.classical import MiniBatchKMeans
        >>> x = np.repeat([[0.0], [9.0]], 100, axis=0)
        >>> sorted(MiniBatchKMeans(2, random_state=0).fit(x).cluster_centers_.ravel().tolist())
        [0.0, 9.0]

    Source: Sculley 2010, "Web-scale k-means clustering".
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        tol: float = 0.0,
        max_no_improvement: int | None = 10,
        reassignment_ratio: float = 0.01,
        random_state: Any = None,
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.reassignment_ratio = reassignment_ratio
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MiniBatchKMeans:
        """Learn the means from batches drawn at random."""
        given = features(self, X, fitting=True)
        self._check_counts(len(given))
        weight = weights(sample_weight, given)
        self._begin(given, weight)
        size = min(self.batch_size, len(given))
        steps = self.max_iter * -(-len(given) // size)
        tolerance = self.tol * float(np.mean(np.var(given, axis=0)))
        smooth, least, since = None, np.inf, 0
        share = min(1.0, 2.0 * size / (len(given) + 1))
        for step in range(1, steps + 1):
            rows = self._random.randint(0, len(given), size)
            inertia, shift = self._learn(given[rows], weight[rows])
            self.n_steps_ = step
            smooth = inertia if smooth is None else smooth * (1 - share) + inertia * share
            since = 0 if smooth < least else since + 1
            least = min(least, smooth)
            stale = self.max_no_improvement is not None and since >= self.max_no_improvement
            if stale or (tolerance > 0.0 and shift <= tolerance):
                break
        self.n_iter_ = -(-self.n_steps_ * size // len(given))
        labels, distances = nearest(tensor(given), tensor(self.cluster_centers_))
        self.labels_ = labels.numpy().astype(np.int32)
        self.inertia_ = float(lm.sum(distances * tensor(weight)))
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MiniBatchKMeans:
        """Learn from one batch more."""
        first = not hasattr(self, "cluster_centers_")
        given = features(self, X, fitting=first)
        weight = weights(sample_weight, given)
        if first:
            self._check_counts(len(given))
            self._begin(given, weight)
        given = given.astype(self.cluster_centers_.dtype, copy=False)
        self._learn(given, weight.astype(given.dtype, copy=False))
        self.n_steps_ += 1
        self.labels_ = self.predict(given)
        return self

    def _begin(self, given: np.ndarray, weight: np.ndarray) -> None:
        self._random = check_random_state(self.random_state)
        rows = np.arange(len(given))
        if len(given) > 3 * max(self.batch_size, self.n_clusters):
            rows = self._random.randint(0, len(given), 3 * max(self.batch_size, self.n_clusters))
        few, their = tensor(given[rows]), tensor(weight[rows])
        self.cluster_centers_ = self._first_centers(self.init, few, their, self._random).numpy()
        self._seen = np.zeros(self.n_clusters, given.dtype)
        self.n_steps_ = 0

    def _learn(self, given: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
        """One step; the batch's mean inertia, and the squared shift of the means."""
        x, w, before = tensor(given), tensor(weight), self.cluster_centers_
        centers, count = tensor(before), self.n_clusters
        labels, distances = nearest(x, centers)
        sizes = segment_sum(w, labels, count)
        seen = tensor(self._seen) + sizes
        towards = segment_sum(x * w[:, None], labels, count) - centers * sizes[:, None]
        moved = centers + towards / lm.where(seen > 0.0, seen, 1.0)[:, None]
        self.cluster_centers_, self._seen = moved.numpy().copy(), seen.numpy().copy()
        rare = np.flatnonzero(self._seen < self.reassignment_ratio * self._seen.max())
        rare = rare[: len(given) // 2]
        if len(rare) and self._seen.sum() >= 10 * self.n_clusters:
            rows = self._random.choice(len(given), len(rare), replace=False)
            self.cluster_centers_[rare] = given[rows]
            kept = self._seen >= self.reassignment_ratio * self._seen.max()
            self._seen[rare] = self._seen[kept].min()
        inertia = float(lm.sum(w * distances)) / max(float(weight.sum()), 1e-300)
        return inertia, float(np.sum((self.cluster_centers_ - before) ** 2))
