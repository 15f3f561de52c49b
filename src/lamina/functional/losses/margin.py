"""Losses of margins: nothing to pay once a score is far enough on the right side."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.activations import logsigmoid, softplus
from lamina.functional.losses.reduction import (
    class_numbers,
    class_weights,
    known_classes,
    misfit,
    paired,
    reduced,
)
from lamina.functional.rectifiers import relu
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import (
    any,
    arange,
    asarray,
    cumprod,
    expand_dims,
    int64,
    mean,
    sum,
    take_along_axis,
    where,
)
from lamina.tensor.conversion import cast


def hinge_embedding_loss(
    input: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1, for distances x.

    Args:
        input: distances.
        target: 1 for what belongs together, -1 for what does not.
        margin: how far apart the latter should be.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: PyTorch, `nn.functional.hinge_embedding_loss`.
    """
    x, t = paired("hinge_embedding_loss", input, target)
    return reduced(where(t != 1, relu(margin - x), 0.0) + where(t != -1, x, 0.0), reduction)


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - t * (input1 - input2)).

    Args:
        input1: scores.
        input2: scores to compare them with.
        target: t, 1 where the first should be larger, -1 where the second should.
        margin: by how much.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: PyTorch, `nn.functional.margin_ranking_loss`.
    """
    x, y = paired("margin_ranking_loss", input1, input2)
    gap, t = paired("margin_ranking_loss", x - y, target)
    return reduced(relu(margin - t * gap), reduction)


def soft_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-t * x)) for targets t of 1 and -1.

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: PyTorch, `nn.functional.soft_margin_loss`.
    """
    x, t = paired("soft_margin_loss", input, target)
    return reduced(softplus(-t * x), reduction)


def multi_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    p: int = 1,
    margin: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """w[y] / C * sum over i != y of max(0, margin - x[y] + x[i]) ** p, for scores x of C classes.

    Args:
        input: scores.
        target: y, the true classes.
        weight: w, one for each class; 1 when None.
        p: 1 or 2.
        margin: by how much the true class should lead.
        reduction: "mean", "sum" or "none".

    Shapes: `input: [N, C] or [C], target: [N] or [] -> [], or [N]`

    Raises:
        ShapeError: input and target, or input and weight, do not fit.
        BoundsError: a target is no class.
        UsageError: p is neither 1 nor 2.

    Source: Crammer and Singer 2001, "On the algorithmic implementation of multiclass kernel-based
    vector machines"; PyTorch, `nn.functional.multi_margin_loss`.
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise UsageError(f"{name}: p is neither 1 nor 2", [f"p: {p}"])
    x, y = asarray(input), cast(class_numbers(name, target), int64)
    if x.ndim not in (1, 2) or y.shape != x.shape[:-1]:
        raise misfit(name, x, y)
    y = expand_dims(known_classes(y, x.shape[-1]), axis=-1)
    over = relu(margin - take_along_axis(x, y, axis=-1) + x)
    losses = where(arange(x.shape[-1]) == y, 0.0, over if p == 1 else over * over)
    if weight is not None:
        losses = losses * ops.gather(class_weights(name, weight, x, x.ndim - 1), y, 0)
    return reduced(mean(losses, axis=-1), reduction)


def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """1 / C * sum over true j and other i of max(0, 1 - x[j] + x[i]), for scores x of C classes.

    Args:
        input: scores.
        target: the true classes of each example, in any order, ended by -1 where there are fewer
            than C.
        reduction: "mean", "sum" or "none".

    Shapes: `[N, C], [N, C] or [C], [C] -> [], or [N] or []`

    Raises:
        ShapeError: the shapes differ.
        BoundsError: a target before the -1 is no class.

    Source: PyTorch, `nn.functional.multilabel_margin_loss`.
    """
    name = "multilabel_margin_loss"
    x, y = asarray(input), cast(class_numbers(name, target), int64)
    if x.shape != y.shape or x.ndim not in (1, 2):
        facts = [f"prediction: {x.type}", f"target: {y.type}"]
        raise ShapeError(f"{name}: prediction and target differ in shape", facts)
    meant = cumprod(cast(y >= 0, int64), axis=-1) != 0
    y = known_classes(where(meant, y, 0), x.shape[-1])
    mark = (expand_dims(y, axis=-1) == arange(x.shape[-1])) & expand_dims(meant, axis=-1)
    true = expand_dims(any(mark, axis=-2), axis=-2)
    leads = expand_dims(take_along_axis(x, y, axis=-1), axis=-1) - expand_dims(x, axis=-2)
    losses = where(expand_dims(meant, axis=-1) & ~true, relu(1.0 - leads), 0.0)  # [N, j, i]
    return reduced(sum(losses, axis=(-2, -1)) / x.shape[-1], reduction)


def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean over the classes of -w * (t * log(s) + (1 - t) * log(1 - s)) with s = sigmoid(x).

    Args:
        input: scores x, one for each class.
        target: t, 1 for the classes that an example has and 0 for the others.
        weight: w, of a shape that broadcasts; 1 when None.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A, C], [*A, C] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: PyTorch, `nn.functional.multilabel_soft_margin_loss`.
    """
    x, t = paired("multilabel_soft_margin_loss", input, target)
    losses = -(t * logsigmoid(x) + (1.0 - t) * logsigmoid(-x))
    if weight is not None:
        losses = losses * asarray(weight)
    return reduced(mean(losses, axis=-1), reduction)
