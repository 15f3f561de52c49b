"""What losses share: their reduction, and operands that have to fit."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import arange, asarray, int64, mean, sum
from lamina.tensor.promotion import meet


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of the losses of all examples, or all of them.

    Raises:
        UsageError: there is no such reduction.
    """
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise UsageError(f"loss: no reduction {reduction!r}", ['there are "mean", "sum" and "none"'])


def paired(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Two tensors of one shape, in one dtype.

    Raises:
        ShapeError: their shapes differ.
    """
    x, y = asarray(input), asarray(target)
    if x.shape != y.shape:
        raise ShapeError(
            f"{name}: prediction and target differ in shape",
            [f"prediction: {x.type}", f"target: {y.type}"],
            "reshape one of them; broadcasting here hides mistakes",
        )
    x, y = meet(name, x, y)
    return x, y


def misfit(name: str, input: Tensor, target: Tensor) -> ShapeError:
    """The error for class numbers that do not fit the scores of classes."""
    return ShapeError(
        f"{name}: predictions and targets do not fit",
        [f"predictions: {input.type}", f"target: {target.type}"],
        "targets are class numbers without the class axis, or probabilities with it",
    )


def class_numbers(name: str, target: Any) -> Tensor:
    """`target`, if it is of integers.

    Raises:
        DTypeError: it is not.
    """
    numbers = asarray(target)
    if not numbers.dtype.is_integer:
        raise DTypeError(f"{name}: targets are class numbers", [f"target: {numbers.type}"])
    return numbers


def known_classes(numbers: Tensor, classes: int) -> Tensor:
    """`numbers`; the program that uses them raises a BoundsError where one is no class."""
    return ops.gather(arange(classes, dtype=int64), numbers, 0)


def class_weights(name: str, weight: Any, like: Tensor, axis: int) -> Tensor:
    """One weight for each class of `like`, in its dtype.

    Raises:
        ShapeError: there is another number of them.
    """
    weights = asarray(weight)
    if weights.shape != (like.shape[axis],):
        raise ShapeError(
            f"{name}: there is not one weight for each class",
            [f"weight: {weights.type}", f"predictions: {like.type}, classes on axis {axis}"],
        )
    return weights.astype(like.dtype)  # type: ignore[attr-defined]
