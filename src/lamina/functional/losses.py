"""How wrong a prediction is: one number, or one for each example."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.functional.activations import log_softmax
from lamina.tensor import Tensor
from lamina.tensor.api import (
    abs,
    arange,
    asarray,
    exp,
    expand_dims,
    int32,
    log1p,
    mean,
    reshape,
    sum,
    where,
)
from lamina.tensor.conversion import cast
from lamina.tensor.promotion import meet


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise UsageError(f"loss: no reduction {reduction!r}", ['there are "mean", "sum" and "none"'])


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Tensor:
    """-sum over c of t[c] * log_softmax(logits)[c], where t is the target distribution.

    Args:
        logits: one row of scores for each example; further axes follow the classes, as in PyTorch.
        target: class numbers (integers), or probabilities of the shape of the logits.
        reduction: "mean", "sum" or "none".
        label_smoothing: the share of the target spread evenly over all classes.
        ignore_index: a class number whose examples count nothing.

    Shapes: `logits: [N, C, *S] or [C], target: [N, *S] or [] (or as logits) -> [], or [N, *S]`

    Source: PyTorch, `nn.functional.cross_entropy`.
    """
    logits, target = asarray(logits), asarray(target)
    axis = 0 if logits.ndim == 1 else 1
    if target.dtype.is_integer:
        logs = log_softmax(logits, axis)
        return _of_classes(logs, target, axis, reduction, label_smoothing, ignore_index)
    if target.shape != logits.shape:
        raise _misfit("cross_entropy", logits, target)
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / logits.shape[axis]
    losses = -sum(target * log_softmax(logits, axis), axis=axis)
    return _reduced(losses, reduction)


def nll_loss(
    log_probabilities: Any, target: Any, *, reduction: str = "mean", ignore_index: int | None = None
) -> Tensor:
    """-log_probabilities[target], the negative log-likelihood of the target classes.

    Shapes: `log_probabilities: [N, C, *S] or [C], target: [N, *S] or [] -> [], or [N, *S]`

    Source: PyTorch, `nn.functional.nll_loss`.
    """
    logs, target = asarray(log_probabilities), asarray(target)
    if not target.dtype.is_integer:
        raise DTypeError("nll_loss: targets are class numbers", [f"target: {target.type}"])
    return _of_classes(logs, target, 0 if logs.ndim == 1 else 1, reduction, 0.0, ignore_index)


def _misfit(name: str, logits: Tensor, target: Tensor) -> ShapeError:
    return ShapeError(
        f"{name}: predictions and targets do not fit",
        [f"predictions: {logits.type}", f"target: {target.type}"],
        "targets are class numbers without the class axis, or probabilities with it",
    )


def _of_classes(
    logs: Tensor,
    target: Tensor,
    axis: int,
    reduction: str,
    smoothing: float,
    ignore_index: int | None,
) -> Tensor:
    if target.shape != logs.shape[:axis] + logs.shape[axis + 1 :]:
        raise _misfit("cross_entropy", logs, target)
    classes = logs.shape[axis]
    if target.dtype.bits < 32:  # classes beyond its range would wrap
        target = cast(target, int32)
    column = reshape(arange(classes, dtype=target.dtype), (classes, *[1] * (logs.ndim - axis - 1)))
    chosen = expand_dims(target, axis=axis) == column
    losses = -sum(where(chosen, logs, 0.0), axis=axis)
    if smoothing:
        losses = (1.0 - smoothing) * losses - smoothing * mean(logs, axis=axis)
    if ignore_index is None:
        return _reduced(losses, reduction)
    counted = target != ignore_index
    losses = where(counted, losses, 0.0)
    if reduction == "mean":
        return sum(losses) / sum(counted.astype(losses.dtype))  # type: ignore[attr-defined]
    return _reduced(losses, reduction)


def _pair(name: str, prediction: Any, target: Any) -> tuple[Tensor, Tensor]:
    x, y = asarray(prediction), asarray(target)
    if x.shape != y.shape:
        raise ShapeError(
            f"{name}: prediction and target differ in shape",
            [f"prediction: {x.type}", f"target: {y.type}"],
            "reshape one of them; broadcasting here hides mistakes",
        )
    x, y = meet(name, x, y)
    return x, y


def mse_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """(prediction - target) ** 2.

    Shapes: `[*A], [*A] -> [], or [*A]`

    Source: Gauss 1809 for least squares.
    """
    x, y = _pair("mse_loss", prediction, target)
    gap = x - y
    return _reduced(gap * gap, reduction)


def l1_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """|prediction - target|.

    Shapes: `[*A], [*A] -> [], or [*A]`

    Source: Laplace 1774 for least absolute deviations.
    """
    x, y = _pair("l1_loss", prediction, target)
    return _reduced(abs(x - y), reduction)


def binary_cross_entropy_with_logits(
    logits: Any, target: Any, *, pos_weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """-(w * t * log(s) + (1 - t) * log(1 - s)) with s = sigmoid(logits), in a form that is steady.

    Args:
        logits: scores.
        target: probabilities t of the shape of the logits.
        pos_weight: w, the weight of positive examples; 1 when None.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A] -> [], or [*A]`

    Source: PyTorch, `nn.functional.binary_cross_entropy_with_logits`.
    """
    x, t = _pair("binary_cross_entropy_with_logits", logits, target)
    size = where(x > 0, x, -x)
    log_of_miss = log1p(exp(-size)) + where(x > 0, 0.0, -x)  # log(1 + exp(-x))
    if pos_weight is None:
        return _reduced((1.0 - t) * x + log_of_miss, reduction)
    weight = 1.0 + (asarray(pos_weight) - 1.0) * t
    return _reduced((1.0 - t) * x + weight * log_of_miss, reduction)
