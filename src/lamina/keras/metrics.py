"""Measures by Keras's names: functions of a batch inside the compiled step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import lamina.tensor as lm
from lamina import metrics
from lamina.base.errors import UsageError
from lamina.keras import losses
from lamina.keras.naming import snake_case
from lamina.tensor import Tensor

Measure = Callable[[Any, Any], Tensor]


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """How often the class with the largest score is the true one, for class numbers."""
    return _share(lm.equal(lm.argmax(y_pred, axis=-1), losses.class_numbers(y_true, y_pred)))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """How often the class with the largest score has the largest target."""
    return _share(lm.equal(lm.argmax(y_pred, axis=-1), lm.argmax(lm.asarray(y_true), axis=-1)))


def binary_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """How often a prediction is on the same side of 1/2 as the target."""
    target, found = losses.matched(y_true, y_pred)
    return _share(lm.equal(found > 0.5, target > 0.5))


_NAMED: dict[str, Measure] = {
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "binary_accuracy": binary_accuracy,
    "mean_squared_error": losses.MeanSquaredError(),
    "mse": losses.MeanSquaredError(),
    "mean_absolute_error": losses.MeanAbsoluteError(),
    "mae": losses.MeanAbsoluteError(),
}


def accuracy_for(y_true: Any, y_pred: Any) -> Tensor:
    """The accuracy that fits the shapes: "accuracy" among the metrics of `compile`."""
    target, found = lm.asarray(y_true), lm.asarray(y_pred)
    if found.shape[-1:] in ((), (1,)) or found.ndim == 1:
        return binary_accuracy(target, found)
    if target.shape == found.shape:
        return categorical_accuracy(target, found)
    return sparse_categorical_accuracy(target, found)


def split(given: Iterable[Any]) -> tuple[dict[str, Measure], dict[str, metrics.Metric]]:
    """The functions that steps compute, and the metrics that only evaluations update, by name.

    Args:
        given: names, functions of y_true and y_pred, or objects of `lamina.metrics`.

    Raises:
        UsageError: there is none of a name.
    """
    inside: dict[str, Measure] = {}
    beside: dict[str, metrics.Metric] = {}
    for each in given:
        if isinstance(each, metrics.Metric):
            beside[snake_case(type(each).__name__)] = each
        elif each in ("accuracy", "acc"):
            inside[each] = accuracy_for
        elif isinstance(each, str):
            inside[each] = _named(each)
        else:
            inside[getattr(each, "__name__", snake_case(type(each).__name__))] = each
    return inside, beside


def _named(name: str) -> Measure:
    if name not in _NAMED:
        known = ", ".join(["accuracy", *_NAMED])
        raise UsageError(
            f"keras: no metric {name!r}",
            [f"there are: {known}"],
            "or give a function of y_true and y_pred, or an object of lamina.metrics",
        )
    return _NAMED[name]


def _share(right: Tensor) -> Tensor:
    return lm.mean(lm.astype(right, lm.float32))
