"""Yes or no, for each element: binary cross-entropy and what is made of it."""

from __future__ import annotations

from typing import Any

from lamina.functional.activations import sigmoid
from lamina.functional.losses.reduction import paired, reduced
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, exp, log, log1p, maximum, where

LEAST_LOG = -100.0
"""What PyTorch takes for log(0) in `binary_cross_entropy`."""


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean"
) -> Tensor:
    """-w * (t * log(p) + (1 - t) * log(1 - p)) for probabilities p; logarithms are at least -100.

    `binary_cross_entropy_with_logits` is exact where p would round to 0 or 1.

    Args:
        input: probabilities p.
        target: probabilities t of the same shape.
        weight: w, of a shape that broadcasts; 1 when None.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> binary_cross_entropy([0.5, 1.0], [1.0, 0.0], reduction="none")
        Tensor([  0.6931, 100.    ], shape=(2,), dtype=float32)

    Source: PyTorch, `nn.functional.binary_cross_entropy`. A logarithm that is cut off has the
    gradient 0.
    """
    p, t = paired("binary_cross_entropy", input, target)
    hit = where(p > 0, log(where(p > 0, p, 1.0)), LEAST_LOG)
    miss = where(p < 1, log1p(-where(p < 1, p, 0.0)), LEAST_LOG)
    losses = -(t * maximum(hit, LEAST_LOG) + (1.0 - t) * maximum(miss, LEAST_LOG))
    return reduced(_weighed(losses, weight), reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    pos_weight: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """-w * (q * t * log(s) + (1 - t) * log(1 - s)) with s = sigmoid(input), without overflow.

    Args:
        input: scores.
        target: probabilities t of the shape of the scores.
        weight: w, of a shape that broadcasts; 1 when None.
        pos_weight: q, the weight of positive examples, of a shape that broadcasts; 1 when None.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: PyTorch, `nn.functional.binary_cross_entropy_with_logits`.
    """
    x, t = paired("binary_cross_entropy_with_logits", input, target)
    size = where(x > 0, x, -x)
    log_of_miss = log1p(exp(-size)) + where(x > 0, 0.0, -x)  # log(1 + exp(-x))
    if pos_weight is None:
        return reduced(_weighed((1.0 - t) * x + log_of_miss, weight), reduction)
    share = 1.0 + (asarray(pos_weight) - 1.0) * t
    return reduced(_weighed((1.0 - t) * x + share * log_of_miss, weight), reduction)


def sigmoid_focal_loss(
    input: Any, target: Any, alpha: float = 0.25, gamma: float = 2.0, *, reduction: str = "none"
) -> Tensor:
    """a * (1 - q) ** gamma * -log(q), where q is the probability given to what is the case.

    With s = sigmoid(input), q is s where the target is 1 and 1 - s where it is 0; a is alpha and
    1 - alpha.

    Args:
        input: scores.
        target: 0 or 1, or probabilities, of the shape of the scores.
        alpha: the weight of positive examples; negative for no weights.
        gamma: how much less what is already right counts.
        reduction: "none", "mean" or "sum".

    Shapes: `[*A], [*A] -> [*A], or []`

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> sigmoid_focal_loss([0.0, 4.0], [1.0, 1.0])
        Tensor([4.3322e-02, 1.4680e-06], shape=(2,), dtype=float32)

    Source: Lin et al. 2017, "Focal loss for dense object detection"; torchvision,
    `ops.sigmoid_focal_loss`.
    """
    x, t = paired("sigmoid_focal_loss", input, target)
    wrong = sigmoid(-x) * t + sigmoid(x) * (1.0 - t)
    losses = binary_cross_entropy_with_logits(x, t, reduction="none") * wrong**gamma
    if alpha >= 0:
        losses = (alpha * t + (1.0 - alpha) * (1.0 - t)) * losses
    return reduced(losses, reduction)


def _weighed(losses: Tensor, weight: Any) -> Tensor:
    return losses if weight is None else losses * asarray(weight)
