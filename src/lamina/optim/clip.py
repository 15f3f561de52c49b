"""Gradients kept within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina.tensor as lm
from lamina.base import trees
from lamina.base.errors import UsageError
from lamina.tensor import Tensor

_TINY = 1e-6  # PyTorch's, which keeps the quotient from 0/0


def global_norm(grads: Any, ord: float = 2.0) -> Tensor:
    """The norm of all numbers in a tree of tensors together, 0-d; float32 at least.

    Args:
        grads: gradients, as `lm.grad` returns them.
        ord: which norm; `float("inf")` is the largest magnitude.

    Example:
        >>> import lamina as lm
        >>> global_norm({"a": lm.asarray([3.0]), "b": lm.asarray([[4.0]])})
        Tensor(5., shape=(), dtype=float32)
    """
    floating = [g for g in trees.leaves(grads) if g.dtype.is_float]
    if not floating:
        raise UsageError("global_norm: no gradients", [f"given: {type(grads).__name__}"])
    leaves = [lm.astype(g, lm.result_type(g.dtype, lm.float32)) for g in floating]
    if ord == float("inf"):
        return lm.max(lm.stack([lm.max(lm.abs(g)) for g in leaves]))
    if ord == 2.0:
        return lm.sqrt(lm.sum(lm.stack([lm.sum(g * g) for g in leaves])))
    return lm.sum(lm.stack([lm.sum(lm.abs(g) ** ord) for g in leaves])) ** (1.0 / ord)


def clip_by_norm(grads: Any, max_norm: float | Tensor, ord: float = 2.0) -> tuple[Any, Tensor]:
    """Gradients scaled down together so that their norm is at most `max_norm`.

    Args:
        grads: gradients, as `lm.grad` returns them.
        max_norm: the largest norm that stays as it is.
        ord: which norm, as for `global_norm`.

    Returns:
        The scaled gradients, and the norm that they had before.

    Example:
        >>> import lamina as lm
        >>> clipped, norm = clip_by_norm([lm.asarray([3.0, 4.0])], 1.0)
        >>> [round(float(x), 3) for x in clipped[0]], float(norm)
        ([0.6, 0.8], 5.0)

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013.
    """
    if not isinstance(max_norm, Tensor) and max_norm < 0:
        raise UsageError("clip_by_norm: a negative norm", [f"max_norm: {max_norm}"])
    norm = global_norm(grads, ord)
    factor = lm.minimum(max_norm / (norm + _TINY), 1.0)
    return _mapped(lambda g: g * lm.astype(factor, g.dtype), grads), norm


def clip_by_value(grads: Any, limit: float) -> Any:
    """Gradients with each number kept in -limit..limit.

    Example:
        >>> import lamina as lm
        >>> clip_by_value([lm.asarray([-3.0, 0.5])], 1.0)
        [Tensor([-1. ,  0.5], shape=(2,), dtype=float32)]
    """
    if limit < 0:
        raise UsageError("clip_by_value: a negative limit", [f"limit: {limit}"])
    return _mapped(lambda g: lm.clip(g, -limit, limit), grads)


def _mapped(f: Callable[[Tensor], Tensor], grads: Any) -> Any:
    """`f` of each gradient; the rows of a `RowGradient` are none."""
    return trees.map(lambda g: f(g) if g.dtype.is_float else g, grads)
