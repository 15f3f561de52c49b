"""Noise for training."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import UsageError
from lamina.tensor import Tensor, random
from lamina.tensor.api import asarray, where, zeros_like


def dropout(
    x: Any, p: float = 0.5, training: bool = True, *, key: Tensor | random.Generator | None = None
) -> Tensor:
    """Zero with probability p, else x / (1 - p); x itself when not training.

    Args:
        x: the input.
        p: probability of zero.
        training: whether to do anything.
        key: where the noise comes from; the default generator when None.

    Shapes: `[*A] -> [*A]`

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent overfitting".
    """
    x = asarray(x)
    if not 0.0 <= p <= 1.0:
        raise UsageError("dropout: p is not a probability", [f"p: {p}"])
    if not training or p == 0.0:
        return x
    if p == 1.0:
        return zeros_like(x)
    return where(random.bernoulli(1.0 - p, x.shape, key=key), x * (1.0 / (1.0 - p)), 0)
