"""Naive Bayes: features that are independent of each other within a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, tensor, weights
from lamina.functional import log_softmax, segment_sum
from lamina.tensor import Tensor


class _NaiveBayes(ClassifierMixin, BaseEstimator):
    """P(c | x) from log P(c) + sum_d log P(x_d | c), which the subclass gives."""

    classes_: np.ndarray

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn the distributions. Shapes: `X: [N, D], y: [N], sample_weight: [N]`."""
        self.__dict__.pop("classes_", None)
        return self.partial_fit(X, y, sample_weight=sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Learn from some more samples. The first call needs all classes, unless y has them."""
        first = not hasattr(self, "classes_")
        given, y = features(self, X, fitting=first, y=y)
        check_classification_targets(y)
        if first:
            self.classes_ = np.unique(y if classes is None else classes)
        elif classes is not None and not np.array_equal(self.classes_, np.unique(classes)):
            raise ValueError(f"classes={classes!r} are not those of the first call")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y has labels {unknown} that are not among classes {self.classes_}")
        labels = np.searchsorted(self.classes_, y)
        self._learn(given, labels, weights(sample_weight, given), first)
        return self

    def _learn(
        self, given: np.ndarray, labels: np.ndarray, weight: np.ndarray, first: bool
    ) -> None:
        raise NotImplementedError

    def _log_joint(self, x: Tensor) -> Tensor:
        """log P(c, x). Shapes: `[N, D] -> [N, C]`."""
        raise NotImplementedError

    def _joint(self, X: Any) -> Tensor:
        check_is_fitted(self)
        return self._log_joint(tensor(features(self, X).astype(np.float64)))

    def predict_joint_log_proba(self, X: Any) -> np.ndarray:
        """log P(c, x). Shapes: `[N, D] -> [N, C]`."""
        return self._joint(X).numpy()

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """log P(c | x). Shapes: `[N, D] -> [N, C]`."""
        return log_softmax(self._joint(X), axis=1).numpy()

    def predict_proba(self, X: Any) -> np.ndarray:
        """P(c | x). Shapes: `[N, D] -> [N, C]`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most likely class. Shapes: `[N, D] -> [N]`."""
        places = lm.argmax(self._joint(X), axis=1).numpy()
        return self.classes_[places]


class GaussianNB(_NaiveBayes):
    """Each feature of a class is normal.

    Args:
        priors: P(c); the shares of the classes by default.
        var_smoothing: added to every variance, as a share of the largest of any feature.

    Attributes:
        theta_, var_: means and variances, `[C, D]`.
        class_prior_, class_count_: `[C]`.
        epsilon_: what is added.

    Example:
        >>> from lamina.classical import GaussianNB
        >>> GaussianNB().fit([[-1.0], [-2.0], [1.0], [2.0]], [0, 0, 1, 1]).predict([[0.5]])
        array([1])

    Source: Chan, Golub and LeVeque 1979 for merging means and variances; scikit-learn's interface.
    """

    def __init__(self, *, priors: Any = None, var_smoothing: float = 1e-9):
        self.priors = priors
        self.var_smoothing = var_smoothing

    def _learn(
        self, given: np.ndarray, labels: np.ndarray, weight: np.ndarray, first: bool
    ) -> None:
        count, width = len(self.classes_), given.shape[1]
        self.epsilon_ = self.var_smoothing * float(np.var(given, axis=0).max())
        if first:
            self._begin(count, width)
        else:
            self.var_ -= self._added
        x, w = tensor(given.astype(np.float64)), tensor(weight.astype(np.float64))
        places = tensor(labels)
        size = segment_sum(w, places, count)
        safe = lm.where(size > 0.0, size, 1.0)[:, None]
        mean = segment_sum(x * w[:, None], places, count) / safe
        apart = x - lm.take(mean, places, axis=0)
        spread = segment_sum(apart * apart * w[:, None], places, count)
        self._merge(size.numpy(), mean.numpy(), spread.numpy())
        self.var_ += self.epsilon_
        self._added = self.epsilon_
        self._set_prior()

    def _begin(self, count: int, width: int) -> None:
        self.theta_ = np.zeros((count, width))
        self.var_ = np.zeros((count, width))
        self.class_count_ = np.zeros(count)

    def _merge(self, size: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> None:
        total = self.class_count_ + size
        safe = np.where(total > 0.0, total, 1.0)[:, None]
        shift = mean - self.theta_
        cross = (self.class_count_ * size)[:, None] / safe * shift**2
        whole = self.var_ * self.class_count_[:, None] + spread + cross
        seen = (total > 0.0)[:, None]
        self.theta_ = np.where(seen, self.theta_ + shift * size[:, None] / safe, self.theta_)
        self.var_ = np.where(seen, whole / safe, self.var_)
        self.class_count_ = total

    def _set_prior(self) -> None:
        if self.priors is None:
            self.class_prior_ = self.class_count_ / self.class_count_.sum()
            return
        priors = np.asarray(self.priors, dtype=np.float64)
        right = len(priors) == len(self.classes_) and np.isclose(priors.sum(), 1.0)
        if not right or (priors < 0).any():
            raise ValueError(f"priors={self.priors}: {len(self.classes_)} numbers that sum to 1")
        self.class_prior_ = priors

    def _log_joint(self, x: Tensor) -> Tensor:
        theta, var = tensor(self.theta_), tensor(self.var_)
        apart = x[:, None, :] - theta[None, :, :]
        exponent = lm.sum(apart * apart / var, axis=2)
        constant = lm.sum(lm.log(2.0 * np.pi * var), axis=1)
        with np.errstate(divide="ignore"):
            prior = tensor(np.log(self.class_prior_))
        return prior - 0.5 * (exponent + constant)


class _Counts(_NaiveBayes):
    """Naive Bayes over features that count, or are there or not."""

    alpha: float
    fit_prior: bool
    class_prior: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.classifier_tags.poor_score = True
        return tags

    def _read(self, x: np.ndarray) -> np.ndarray:
        return x

    def _learn(
        self, given: np.ndarray, labels: np.ndarray, weight: np.ndarray, first: bool
    ) -> None:
        count = len(self.classes_)
        if first:
            self.feature_count_ = np.zeros((count, given.shape[1]))
            self.class_count_ = np.zeros(count)
        x = tensor(self._read(given).astype(np.float64))
        w, places = tensor(weight.astype(np.float64)), tensor(labels)
        sums = segment_sum(x * w[:, None], places, count).numpy()
        self.feature_count_ = self.feature_count_ + sums
        self.class_count_ = self.class_count_ + segment_sum(w, places, count).numpy()
        if self.class_prior is not None:
            if len(self.class_prior) != count:
                raise ValueError(f"class_prior: {len(self.class_prior)} numbers, {count} classes")
            self.class_log_prior_ = np.log(np.asarray(self.class_prior, dtype=np.float64))
        elif self.fit_prior:
            with np.errstate(divide="ignore"):
                self.class_log_prior_ = np.log(self.class_count_ / self.class_count_.sum())
        else:
            self.class_log_prior_ = np.full(count, -np.log(count))
        self._smooth(max(float(self.alpha), 1e-10))

    def _smooth(self, alpha: float) -> None:
        raise NotImplementedError


class MultinomialNB(_Counts):
    """Features are counts: log P(x | c) = sum_d x_d log θ_cd, up to a constant.

    Args:
        alpha: added to every count (Laplace's smoothing at 1).
        fit_prior: learn P(c); else all classes are as likely.
        class_prior: P(c), given.

    Attributes:
        feature_log_prob_: log θ, `[C, D]`.
        feature_count_, class_count_, class_log_prior_: what was counted.

    Example:
        >>> from lamina.classical import MultinomialNB
        >>> MultinomialNB().fit([[3, 0], [0, 2]], ["a", "b"]).predict([[1, 0]])
        array(['a'], dtype='<U1')

    Source: Manning, Raghavan and Schütze 2008, "Introduction to information retrieval", chapter 13.
    """

    def __init__(self, *, alpha: float = 1.0, fit_prior: bool = True, class_prior: Any = None):
        self.alpha = alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    def _read(self, x: np.ndarray) -> np.ndarray:
        if (x < 0).any():
            raise ValueError("Negative values in data passed to MultinomialNB (input X)")
        return x

    def _smooth(self, alpha: float) -> None:
        smoothed = self.feature_count_ + alpha
        self.feature_log_prob_ = np.log(smoothed / smoothed.sum(axis=1, keepdims=True))

    def _log_joint(self, x: Tensor) -> Tensor:
        return lm.matmul(x, tensor(self.feature_log_prob_.T)) + tensor(self.class_log_prior_)


class BernoulliNB(_Counts):
    """Features are there or not: log P(x | c) = sum_d x_d log θ_cd + (1 - x_d) log(1 - θ_cd).

    Args:
        alpha, fit_prior, class_prior: as in `MultinomialNB`.
        binarize: features above this are there; None when they are 0 and 1 already.

    Attributes:
        feature_log_prob_: log θ, `[C, D]`.

    Example:
        >>> from lamina.classical import BernoulliNB
        >>> BernoulliNB().fit([[1, 0], [0, 1]], ["a", "b"]).predict([[1, 0]])
        array(['a'], dtype='<U1')
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        binarize: float | None = 0.0,
        fit_prior: bool = True,
        class_prior: Any = None,
    ):
        self.alpha = alpha
        self.binarize = binarize
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = False
        return tags

    def _read(self, x: np.ndarray) -> np.ndarray:
        return x if self.binarize is None else (x > self.binarize).astype(np.float64)

    def _smooth(self, alpha: float) -> None:
        share = (self.feature_count_ + alpha) / (self.class_count_[:, None] + 2 * alpha)
        self.feature_log_prob_ = np.log(share)
        self._log_absent = np.log1p(-share)

    def _log_joint(self, x: Tensor) -> Tensor:
        there = x if self.binarize is None else (x > self.binarize).astype(lm.float64)
        weights = tensor((self.feature_log_prob_ - self._log_absent).T)
        constant = tensor(self.class_log_prior_ + self._log_absent.sum(axis=1))
        return lm.matmul(there, weights) + constant
