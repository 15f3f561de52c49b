"""What the next token may be: logits narrowed down before one is drawn."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import UsageError
from lamina.functional.activations import softmax
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, cumulative_sum, flip, sort, sum, top_k, where


def keep_top_k(logits: Any, k: int) -> Tensor:
    """The k largest logits (and what equals the last of them), -inf in place of the others.

    Shapes: `logits: [*B, V]`, unchanged.

    Example:
        >>> import lamina as lm
        >>> lm.functional.keep_top_k([1.0, 3.0, 2.0], 2)
        Tensor([-inf,   3.,   2.], shape=(3,), dtype=float32)

    Source: Fan, Lewis and Dauphin 2018, "Hierarchical neural story generation".
    """
    logits = asarray(logits)
    if k < 1:
        raise UsageError("keep_top_k: keeps at least one", [f"k: {k}"])
    if k >= logits.shape[-1]:
        return logits
    least = top_k(logits, k)[0][..., -1:]
    return where(logits < least, -math.inf, logits)  # type: ignore[operator]


def keep_top_p(logits: Any, p: Any) -> Tensor:
    """The fewest largest logits whose probabilities reach p together, -inf in place of the others.

    Args:
        logits: unnormalised logarithms of probabilities.
        p: from 0 (only the largest) to 1 (all); a number or a tensor of rank 0.

    Shapes: `logits: [*B, V]`, unchanged.

    Example:
        >>> import lamina as lm
        >>> lm.functional.keep_top_p(lm.log(lm.asarray([0.2, 0.5, 0.3])), 0.7)
        Tensor([      -inf, -0.6931472, -1.2039728], shape=(3,), dtype=float32)

    Source: Holtzman et al. 2020, "The curious case of neural text degeneration".
    """
    logits = asarray(logits)
    ordered = flip(sort(logits, axis=-1), axis=-1)
    share = softmax(ordered)
    before = cumulative_sum(share, axis=-1) - share  # of those that are larger
    kept = sum(where(before < p, 1, 0), axis=-1, keepdims=True)  # type: ignore[operator]
    number = where(kept < 1, 1, kept)
    place = asarray(cumulative_sum(where(ordered == ordered, 1, 0), axis=-1))
    least = sum(where(place == number, ordered, 0.0), axis=-1, keepdims=True)
    return where(logits < least, -math.inf, logits)  # type: ignore[operator]
