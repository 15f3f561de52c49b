"""Losses by Keras's names: `loss(y_true, y_pred)` is the mean over a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.tensor import Tensor

_EPSILON = 1e-7  # probabilities are kept so far away from 0 and 1, as in Keras


@dataclass(frozen=True)
class Loss:
    """A loss of true and predicted values: `loss(y_true, y_pred)`, a 0-d tensor."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The mean over the batch."""
        raise NotImplementedError(f"{type(self).__name__} computes nothing")


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """-log of the probability of the true class, for class numbers.

    Attributes:
        from_logits: predictions are scores rather than probabilities.

    Shapes: `y_true: integers [B, *A] or [B, *A, 1], y_pred: [B, *A, C] -> []`

    Example:
        >>> from lamina import keras
        >>> keras.losses.SparseCategoricalCrossentropy()([0, 1], [[0.5, 0.5], [0.75, 0.25]])
        Tensor(1.0397, shape=(), dtype=float32)
    """

    from_logits: bool = False

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        scores, numbers = lm.asarray(y_pred), class_numbers(y_true, y_pred)
        logs = scores if self.from_logits else _log(_shares(scores))
        classes = scores.shape[-1]
        flat = lm.reshape(logs, (-1, classes)), lm.reshape(numbers, (-1,))
        loss = functional.cross_entropy if self.from_logits else functional.nll_loss
        return loss(*flat, ignore_index=None)


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """-sum over the classes of y_true * log(y_pred), for probabilities of classes.

    Attributes:
        from_logits: predictions are scores rather than probabilities.
        label_smoothing: the share of the target spread evenly over all classes.

    Shapes: `y_true: [B, *A, C], y_pred: [B, *A, C] -> []`
    """

    from_logits: bool = False
    label_smoothing: float = 0.0

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        scores = lm.asarray(y_pred)
        target = lm.astype(lm.asarray(y_true), scores.dtype)
        if self.label_smoothing:
            classes = scores.shape[-1]
            target = target * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        logs = functional.log_softmax(scores) if self.from_logits else _log(_shares(scores))
        return lm.mean(-lm.sum(target * logs, axis=-1))


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """-y_true log(y_pred) - (1 - y_true) log(1 - y_pred), the mean over all.

    Attributes:
        from_logits: predictions are scores rather than probabilities.
        label_smoothing: pulls targets towards 1/2.
    """

    from_logits: bool = False
    label_smoothing: float = 0.0

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        target, scores = matched(y_true, y_pred)
        target = target * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        if self.from_logits:
            losses = functional.softplus(scores) - target * scores
        else:
            losses = -target * _log(scores) - (1.0 - target) * _log(1.0 - scores)
        return lm.mean(losses)


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """(y_true - y_pred) ** 2, the mean over all."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        target, found = matched(y_true, y_pred)
        return functional.mse_loss(found, target)


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """|y_true - y_pred|, the mean over all."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        target, found = matched(y_true, y_pred)
        return functional.l1_loss(found, target)


@dataclass(frozen=True)
class Huber(Loss):
    """Half the square of the error up to `delta`, straight beyond it; the mean over all.

    Attributes:
        delta: where it becomes straight.
    """

    delta: float = 1.0

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        target, found = matched(y_true, y_pred)
        return functional.huber_loss(found, target, delta=self.delta)


_NAMED: dict[str, Loss] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy(),
    "categorical_crossentropy": CategoricalCrossentropy(),
    "binary_crossentropy": BinaryCrossentropy(),
    "mean_squared_error": MeanSquaredError(),
    "mse": MeanSquaredError(),
    "mean_absolute_error": MeanAbsoluteError(),
    "mae": MeanAbsoluteError(),
    "huber": Huber(),
}


def get(which: str | Callable[[Any, Any], Any]) -> Callable[[Any, Any], Tensor]:
    """A loss by its name; a function of y_true and y_pred counts by its mean.

    Raises:
        UsageError: there is none of that name.
    """
    if isinstance(which, Loss):
        return which
    if callable(which):
        function = which
        return lambda y_true, y_pred: lm.mean(function(y_true, y_pred))
    if which not in _NAMED:
        raise UsageError(f"keras: no loss {which!r}", [f"there are: {', '.join(_NAMED)}"])
    return _NAMED[which]


def matched(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Both in the dtype of the prediction; an axis of size 1 that only one has is left out."""
    found = lm.asarray(y_pred)
    target = lm.astype(lm.asarray(y_true), found.dtype)
    if target.ndim == found.ndim - 1 and found.shape[-1] == 1:
        found = found[..., 0]
    if target.ndim == found.ndim + 1 and target.shape[-1] == 1:
        target = target[..., 0]
    return target, found


def class_numbers(y_true: Any, y_pred: Any) -> Tensor:
    """Class numbers as integers, one for each row of scores."""
    numbers, scores = lm.asarray(y_true), lm.asarray(y_pred)
    if numbers.ndim == scores.ndim and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    return numbers if numbers.dtype.is_integer else lm.astype(numbers, lm.int64)


def _shares(scores: Tensor) -> Tensor:
    return scores / lm.sum(scores, axis=-1, keepdims=True)


def _log(probabilities: Tensor) -> Tensor:
    return lm.log(lm.clip(probabilities, _EPSILON, 1.0 - _EPSILON))
