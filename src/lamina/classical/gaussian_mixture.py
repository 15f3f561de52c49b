"""Mixtures of Gaussians by expectation and maximisation."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, tensor
from lamina.classical.k_means import KMeans
from lamina.tensor import Tensor, linalg

KINDS = ("full", "tied", "diag", "spherical")


class GaussianMixture(DensityMixin, BaseEstimator):
    """The density sum_k π_k N(x; μ_k, Σ_k), fitted by expectation and maximisation.

    Args:
        n_components: how many Gaussians there are.
        covariance_type: "full" (one matrix each), "tied" (one for all), "diag" (a variance for each
            feature) or "spherical" (one variance each).
        tol: fitting ends when the mean log-likelihood of a sample grows by less.
        reg_covar: added to every variance.
        max_iter: most steps of a run.
        n_init: runs from different starts; the best is kept.
        init_params: "kmeans" or "random" responsibilities at the start.
        random_state: a seed or a NumPy RandomState.
        warm_start: go on from the last fit.

    Attributes:
        weights_: π, `[K]`.
        means_: μ, `[K, D]`.
        covariances_: Σ: `[K, D, D]`, `[D, D]`, `[K, D]` or `[K]` by kind.
        converged_, n_iter_, lower_bound_: how the best run ended.

    Example:
        >>> from lamina.classical import GaussianMixture
        >>> model = GaussianMixture(2, random_state=0).fit([[-5.1], [-4.9], [4.9], [5.1]])
        >>> sorted(round(m, 3) for m in model.means_.ravel().tolist())
        [-5.0, 5.0]

    Source: Dempster, Laird and Rubin 1977; Bishop 2006, "Pattern recognition and machine learning",
    section 9.2; scikit-learn's interface.
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        random_state: Any = None,
        warm_start: bool = False,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start

    # -------------------------------------------------------------- fitting

    def fit(self, X: Any, y: Any = None) -> GaussianMixture:
        """Fit the mixture. Shapes: `X: [N, D]`."""
        self.fit_predict(X)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit, and give the most likely component of each sample. Shapes: `[N, D] -> [N]`."""
        if self.covariance_type not in KINDS:
            raise ValueError(f"covariance_type: one of {KINDS}, not {self.covariance_type!r}")
        given = features(self, X, fitting=True, ensure_min_samples=2)
        if len(given) < self.n_components:
            raise ValueError(
                f"n_samples={len(given)} should be >= n_components={self.n_components}"
            )
        x, random = tensor(given), check_random_state(self.random_state)
        go_on = self.warm_start and hasattr(self, "converged_")
        best: tuple[Any, ...] | None = None
        for _ in range(1 if go_on else self.n_init):
            if not go_on:
                self._maximise(x, self._first(given, random))
            run = self._run(x)
            if best is None or run[0] > best[0]:
                best = (*run, self._parameters())
        assert best is not None
        self.lower_bound_, self.n_iter_, self.converged_, parameters = best
        self.weights_, self.means_, self.covariances_ = parameters
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(
                f"{self.n_iter_} steps did not converge: raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        return lm.argmax(self._joint(x), axis=1).numpy()

    def _run(self, x: Tensor) -> tuple[float, int, bool]:
        bound, step = -math.inf, 0
        for step in range(1, self.max_iter + 1):
            joint = self._joint(x)
            total = lm.logsumexp(joint, axis=1, keepdims=True)
            before, bound = bound, float(lm.mean(total))
            self._maximise(x, lm.exp(joint - total))
            if abs(bound - before) < self.tol:
                return bound, step, True
        return bound, step, False

    def _first(self, given: np.ndarray, random: np.random.RandomState) -> Tensor:
        """Responsibilities to start from. Shapes: `[N, K]`."""
        count = self.n_components
        if self.init_params == "kmeans":
            labels = KMeans(count, random_state=random).fit(given).labels_
            return tensor(np.eye(count, dtype=given.dtype)[labels])
        if self.init_params == "random":
            shares = random.uniform(size=(len(given), count)).astype(given.dtype)
            return tensor(shares / shares.sum(axis=1, keepdims=True))
        raise ValueError(f'init_params: "kmeans" or "random", not {self.init_params!r}')

    def _maximise(self, x: Tensor, shares: Tensor) -> None:
        """The parameters that responsibilities make most likely. Shapes: `shares: [N, K]`."""
        sizes = lm.sum(shares, axis=0) + 10 * float(np.finfo(x.numpy().dtype).eps)
        means = lm.matmul(lm.matrix_transpose(shares), x) / sizes[:, None]
        covariances = self._covariances(x, shares, sizes, means)
        self.weights_ = (sizes / lm.sum(sizes)).numpy()
        self.means_ = means.numpy()
        self.covariances_ = covariances.numpy()

    def _covariances(self, x: Tensor, shares: Tensor, sizes: Tensor, means: Tensor) -> Tensor:
        width = x.shape[1]
        if self.covariance_type == "full":
            apart = x[None, :, :] - means[:, None, :]  # (K, N, D)
            weighted = apart * lm.matrix_transpose(shares)[:, :, None]
            found = lm.matmul(lm.matrix_transpose(weighted), apart) / sizes[:, None, None]
            return found + self.reg_covar * lm.eye(width, dtype=x.dtype)
        if self.covariance_type == "tied":
            around = lm.matmul(lm.matrix_transpose(means * sizes[:, None]), means)
            found = (lm.matmul(lm.matrix_transpose(x), x) - around) / lm.sum(sizes)
            return found + self.reg_covar * lm.eye(width, dtype=x.dtype)
        square = lm.matmul(lm.matrix_transpose(shares), x * x) / sizes[:, None]
        variances = square - means * means + self.reg_covar
        return variances if self.covariance_type == "diag" else lm.mean(variances, axis=1)

    # -------------------------------------------------------------- densities

    def _joint(self, x: Tensor) -> Tensor:
        """log(π_k N(x_n; μ_k, Σ_k)). Shapes: `[N, D] -> [N, K]`."""
        width = x.shape[1]
        means, weights = tensor(self.means_), tensor(self.weights_)
        distances, log_determinant = self._mahalanobis(x, means)
        constant = width * math.log(2 * math.pi)
        return lm.log(weights) - 0.5 * (constant + log_determinant + distances)

    def _mahalanobis(self, x: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """(x - μ)ᵀ Σ⁻¹ (x - μ) and log|Σ|. Shapes: `[N, K], [K]`."""
        covariances = tensor(self.covariances_)
        if self.covariance_type in ("full", "tied"):
            lower = linalg.cholesky(covariances)  # Σ = L Lᵀ
            apart = lm.matrix_transpose(x[None, :, :] - means[:, None, :])  # (K, D, N)
            solved = linalg.solve_triangular(lower, apart, lower=True)
            diagonal = linalg.diagonal(lower)
            distances = lm.matrix_transpose(lm.sum(solved * solved, axis=1))
            return distances, 2.0 * lm.sum(lm.log(diagonal), axis=-1)
        if self.covariance_type == "spherical":
            covariances = lm.broadcast_to(covariances[:, None], means.shape)
        precision = lm.matrix_transpose(1.0 / covariances)  # (D, K)
        across = lm.sum(means * means / covariances, axis=1)
        product = lm.matmul(x, lm.matrix_transpose(means) * precision)
        distances = lm.matmul(x * x, precision) - 2.0 * product + across
        return distances, lm.sum(lm.log(covariances), axis=1)

    def _parameters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.weights_, self.means_, self.covariances_

    def _given(self, X: Any) -> Tensor:
        check_is_fitted(self)
        return tensor(features(self, X).astype(self.means_.dtype, copy=False))

    def score_samples(self, X: Any) -> np.ndarray:
        """The log density at each sample. Shapes: `[N, D] -> [N]`."""
        return lm.logsumexp(self._joint(self._given(X)), axis=1).numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log density."""
        return float(np.mean(self.score_samples(X)))

    def predict(self, X: Any) -> np.ndarray:
        """The most likely component of each sample. Shapes: `[N, D] -> [N]`."""
        return lm.argmax(self._joint(self._given(X)), axis=1).numpy()

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each component given each sample. Shapes: `[N, D] -> [N, K]`."""
        joint = self._joint(self._given(X))
        return lm.exp(joint - lm.logsumexp(joint, axis=1, keepdims=True)).numpy()

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Draws from the mixture, and the component of each. Shapes: `[N, D], [N]`."""
        check_is_fitted(self)
        random = check_random_state(self.random_state)
        counts = random.multinomial(n_samples, self.weights_ / self.weights_.sum())
        width = self.means_.shape[1]
        parts = []
        for k, count in enumerate(counts):
            noise = random.standard_normal((count, width))
            if self.covariance_type in ("full", "tied"):
                matrix = (
                    self.covariances_ if self.covariance_type == "tied" else self.covariances_[k]
                )
                parts.append(self.means_[k] + noise @ np.linalg.cholesky(matrix).T)
            else:
                parts.append(self.means_[k] + noise * np.sqrt(self.covariances_[k]))
        return np.concatenate(parts), np.repeat(np.arange(len(counts)), counts)

    # -------------------------------------------------------------- choosing a model

    def _free_parameters(self) -> int:
        count, width = self.means_.shape
        of_covariance = {
            "full": count * width * (width + 1) // 2,
            "tied": width * (width + 1) // 2,
            "diag": count * width,
            "spherical": count,
        }[self.covariance_type]
        return of_covariance + count * width + count - 1

    def bic(self, X: Any) -> float:
        """The Bayesian information criterion: p log N - 2 log-likelihood."""
        log_density = self.score_samples(X)
        return float(self._free_parameters() * math.log(len(log_density)) - 2 * log_density.sum())

    def aic(self, X: Any) -> float:
        """Akaike's information criterion: 2 p - 2 log-likelihood."""
        return float(2 * self._free_parameters() - 2 * self.score_samples(X).sum())
