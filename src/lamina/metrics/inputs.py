"""What metrics are given, as NumPy arrays: classes, scores, weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.tensor import Tensor


def as_array(x: Any) -> np.ndarray:
    """A Tensor, an array or a list as a NumPy array; floats narrower than 32 bits as float32."""
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    narrow = array.dtype.itemsize < 4 and array.dtype.kind not in "biu"
    return array.astype(np.float32) if narrow else array


def as_classes(name: str, x: Any) -> np.ndarray:
    """Class numbers as int64. Floating ones are taken if they are whole, as targets of
    `binary_cross_entropy_with_logits` are.

    Raises:
        DTypeError: they are neither integers nor whole numbers.
    """
    array = as_array(x)
    if array.dtype.kind in "biu" or array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind != "f" or not (array == np.floor(array)).all():
        facts = [f"given: {array.dtype} {array.shape}"]
        raise DTypeError(f"{name}: targets are class numbers", facts, "pass integers")
    return array.astype(np.int64)


def require_classes(name: str, classes: np.ndarray, count: int | None = None) -> np.ndarray:
    """`classes`, if all are from 0 to count - 1, or just not negative without a count.

    Raises:
        UsageError: one is not.
    """
    end = np.inf if count is None else count
    wrong = classes[(classes < 0) | (classes >= end)]
    if wrong.size:
        upper = "" if count is None else f" to {count - 1}"
        facts = [f"given: {wrong[0]}", f"classes: from 0{upper}"]
        raise UsageError(
            f"{name}: there is no such class", facts, "ignore_index leaves a class out"
        )
    return classes


def as_weights(name: str, sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """One float64 weight for each example, 1 where none are given.

    Raises:
        ShapeError: there is another number of them.
        UsageError: one is negative or not a number.
    """
    if sample_weight is None:
        return np.ones(shape)
    weights = as_array(sample_weight).astype(np.float64)
    if weights.shape != shape:
        facts = [f"weights: {weights.shape}", f"examples: {shape}"]
        raise ShapeError(f"{name}: there is not one weight for each example", facts)
    if not (weights >= 0).all():
        raise UsageError(
            f"{name}: a weight is negative or not a number", [f"least: {weights.min()}"]
        )
    return weights


def paired(name: str, prediction: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and the true numbers in float64, of one shape.

    Raises:
        ShapeError: their shapes differ.
    """
    x, y = as_array(prediction).astype(np.float64), as_array(target).astype(np.float64)
    if x.shape != y.shape:
        raise misfit(name, x, y)
    return x, y


def predicted_classes(
    name: str, prediction: Any, target: Any, threshold: float, class_axis: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true classes, both int64 of the shape of the target.

    Args:
        name: of the metric, for errors.
        prediction: class numbers; or scores of class 1, floating and of the shape of the target;
            or scores of all classes, with an axis more than the target.
        target: class numbers.
        threshold: scores of class 1 above it mean class 1.
        class_axis: the axis of the scores that counts the classes.

    Raises:
        ShapeError: they do not fit.
    """
    x, y = as_array(prediction), as_classes(name, target)
    if x.shape == y.shape:
        return (x > threshold if x.dtype.kind == "f" else x).astype(np.int64), y
    scores = class_scores(name, x, y, class_axis)
    return np.argmax(scores, axis=-1), y


def class_scores(name: str, prediction: Any, target: np.ndarray, class_axis: int) -> np.ndarray:
    """Scores of all classes, the classes moved to the last axis.

    Raises:
        ShapeError: without the axis of the classes they have another shape than the target.
    """
    x = as_array(prediction)
    fits = x.ndim == target.ndim + 1 and -x.ndim <= class_axis < x.ndim
    scores = np.moveaxis(x, class_axis, -1) if fits else x
    if not fits or scores.shape[:-1] != target.shape or not scores.shape[-1]:
        raise misfit(name, x, target)
    return scores


def misfit(name: str, prediction: np.ndarray, target: np.ndarray) -> ShapeError:
    """The error for predictions that do not fit the targets."""
    return ShapeError(
        f"{name}: predictions and targets do not fit",
        [
            f"predictions: {prediction.dtype} {prediction.shape}",
            f"targets: {target.dtype} {target.shape}",
        ],
    )
