"""Distances of numbers: squared, absolute, and between the two."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import UsageError
from lamina.functional.losses.reduction import paired, reduced
from lamina.tensor import Tensor
from lamina.tensor.api import abs, where


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """(input - target) ** 2.

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: Gauss 1809 for least squares.
    """
    x, y = paired("mse_loss", input, target)
    gap = x - y
    return reduced(gap * gap, reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """|input - target|.

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: Laplace 1774 for least absolute deviations.
    """
    x, y = paired("l1_loss", input, target)
    return reduced(abs(x - y), reduction)


def huber_loss(input: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """d² / 2 where d = |input - target| < delta, else delta * (d - delta / 2).

    Args:
        input: predictions.
        target: what they should be.
        delta: where the parabola goes over into the line.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.
        UsageError: delta is not positive.

    Example:
        >>> huber_loss([0.5, 3.0], [0.0, 0.0], reduction="none")
        Tensor([0.125, 2.5  ], shape=(2,), dtype=float32)

    Source: Huber 1964, "Robust estimation of a location parameter".
    """
    if not delta > 0:
        raise UsageError("huber_loss: delta is not positive", [f"delta: {delta}"])
    x, y = paired("huber_loss", input, target)
    gap = abs(x - y)
    near = where(gap < delta, gap, 0.0)  # the branch not taken must not overflow
    return reduced(where(gap < delta, 0.5 * near * near, delta * (gap - 0.5 * delta)), reduction)


def smooth_l1_loss(
    input: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """d² / (2 * beta) where d = |input - target| < beta, else d - beta / 2; |d| for beta = 0.

    Args:
        input: predictions.
        target: what they should be.
        beta: where the parabola goes over into the line.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.
        UsageError: beta is negative.

    Source: Girshick 2015, "Fast R-CNN".
    """
    if not beta >= 0:
        raise UsageError("smooth_l1_loss: beta is negative", [f"beta: {beta}"])
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return huber_loss(input, target, delta=beta, reduction=reduction) / beta
