"""One of several classes: cross-entropy and the negative log-likelihood."""

from __future__ import annotations

from typing import Any

from lamina.functional.activations import log_softmax
from lamina.functional.losses.reduction import class_numbers, class_weights, misfit, reduced
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import (
    arange,
    asarray,
    expand_dims,
    int32,
    mean,
    not_equal,
    ones,
    reshape,
    sum,
    where,
)
from lamina.tensor.conversion import cast


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-sum over c of w[c] * t[c] * log_softmax(input)[c], where t is the target distribution.

    Args:
        input: one row of scores for each example; further axes follow the classes, as in PyTorch.
        target: class numbers (integers), or probabilities of the shape of the scores.
        weight: w, one for each class; 1 when None. The mean over class numbers is then weighed by
            the weights of the targets.
        ignore_index: a class number whose examples count nothing; None for no such number.
        reduction: "mean" over the examples that count, "sum" or "none".
        label_smoothing: the share of the target spread evenly over all classes.

    Shapes: `input: [N, C, *S] or [C], target: [N, *S] or [] (or as input) -> [], or [N, *S]`

    Raises:
        ShapeError: input and target, or input and weight, do not fit.
        BoundsError: a class number is neither a class nor `ignore_index`; raised by the program
            that computes the loss, inside `jit` too.

    Example:
        >>> cross_entropy([[2.0, 0.0], [0.0, 0.0], [5.0, 1.0]], [0, 1, -100], reduction="none")
        Tensor([0.1269, 0.6931, 0.    ], shape=(3,), dtype=float32)

    Source: PyTorch, `nn.functional.cross_entropy`; Szegedy et al. 2016 for label smoothing.
    """
    input, target = asarray(input), asarray(target)
    axis = 0 if input.ndim == 1 else 1
    weights = None if weight is None else class_weights("cross_entropy", weight, input, axis)
    if target.dtype.is_integer:
        logs = log_softmax(input, axis)
        how = (weights, ignore_index, reduction, label_smoothing)
        return _of_classes("cross_entropy", logs, target, axis, *how)
    if target.shape != input.shape:
        raise misfit("cross_entropy", input, target)
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / input.shape[axis]
    if weights is not None:
        target = target * _along(weights, input, axis)
    losses = -sum(target * log_softmax(input, axis), axis=axis)
    return reduced(losses, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int | None = -100,
    reduction: str = "mean",
) -> Tensor:
    """-w[target] * input[target], the negative log-likelihood of the target classes.

    Args:
        input: logarithms of probabilities; further axes follow the classes.
        target: class numbers.
        weight: w, one for each class; 1 when None. The mean is then weighed by it.
        ignore_index: a class number whose examples count nothing; None for no such number.
        reduction: "mean" over the examples that count, "sum" or "none".

    Shapes: `input: [N, C, *S] or [C], target: [N, *S] or [] -> [], or [N, *S]`

    Raises:
        ShapeError: input and target, or input and weight, do not fit.
        DTypeError: the target is not of integers.
        BoundsError: a class number is neither a class nor `ignore_index`.

    Source: PyTorch, `nn.functional.nll_loss`.
    """
    logs, numbers = asarray(input), class_numbers("nll_loss", target)
    axis = 0 if logs.ndim == 1 else 1
    weights = None if weight is None else class_weights("nll_loss", weight, logs, axis)
    return _of_classes("nll_loss", logs, numbers, axis, weights, ignore_index, reduction, 0.0)


def _of_classes(
    name: str,
    logs: Tensor,
    target: Tensor,
    axis: int,
    weights: Tensor | None,
    ignore_index: int | None,
    reduction: str,
    smoothing: float,
) -> Tensor:
    if target.shape != logs.shape[:axis] + logs.shape[axis + 1 :]:
        raise misfit(name, logs, target)
    classes = logs.shape[axis]
    if target.dtype.bits < 32:  # classes beyond its range would wrap
        target = cast(target, int32)
    counted = _counted(target, ignore_index)
    inside = target if counted is None else where(counted, target, 0)
    chosen = expand_dims(inside, axis=axis) == _along(
        arange(classes, dtype=target.dtype), logs, axis
    )
    losses = -sum(where(chosen, logs, 0.0), axis=axis)
    # looking the weights up also finds numbers that are no classes
    own = ops.gather(ones((classes,), dtype=logs.dtype) if weights is None else weights, inside, 0)
    losses = own * losses
    if smoothing:
        spread = logs if weights is None else logs * _along(weights, logs, axis)
        losses = (1.0 - smoothing) * losses - smoothing * mean(spread, axis=axis)
    if counted is not None:
        losses = where(counted, losses, 0.0)
    if reduction != "mean" or (counted is None and weights is None):
        return reduced(losses, reduction)
    return sum(losses) / sum(own if counted is None else where(counted, own, 0.0))


def _counted(target: Tensor, ignore_index: int | None) -> Tensor | None:
    """Which examples count; None where all do, as unsigned numbers are never negative."""
    if ignore_index is None or (ignore_index < 0 and target.dtype.kind == "uint"):
        return None
    return not_equal(target, ignore_index)


def _along(values: Tensor, like: Tensor, axis: int) -> Tensor:
    """`values` so that they meet `like` on its class axis."""
    return reshape(values, (values.shape[0], *[1] * (like.ndim - axis - 1)))
