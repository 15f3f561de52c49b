"""How often values are there: bincount, digitize, histogram."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import BoundsError, DTypeError, ShapeError, UsageError
from lamina.graph import ops
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.creation import arange, ones_like, zeros
from lamina.tensor.namespace.elementwise import logical_and, where
from lamina.tensor.namespace.manipulation import flip, reshape
from lamina.tensor.namespace.reductions import max, min, sum
from lamina.tensor.namespace.searching import elements, size_of
from lamina.tensor.namespace.sorting import searchsorted
from lamina.tensor.tensor import Tensor


def bincount(
    x: Any, /, weights: Any = None, *, minlength: int = 0, length: int | None = None
) -> Tensor:
    """How often each of 0, 1, 2, ... is in `x`, or the sum of its weights.

    Args:
        x: integers, none of them negative.
        weights: what each element counts; 1 when not given.
        minlength: the least size of the result.
        length: the size of the result, in `jit` and `vmap`; other numbers do not count then.

    Raises:
        BoundsError: a number is negative, without `length`.
        TraceError: inside `jit` or `vmap`, without `length`.

    Example:
        >>> import lamina as lm
        >>> bincount(lm.asarray([1, 3, 1]))
        Tensor([0, 2, 0, 1], shape=(4,), dtype=int64)

    Source: NumPy, `bincount`; `length` after JAX.
    """
    x = asarray(x)
    if x.ndim != 1:
        raise ShapeError("bincount: takes one axis", [f"x: {x.type}"], "flatten it first")
    if not x.dtype.is_integer and x.dtype is not dtypes.bool_:
        raise DTypeError("bincount: counts integers", [f"x: {x.type}"], "cast it to int64")
    numbers = cast(x, dtypes.int64)
    if length is None:
        length = builtins.max(_reach(x), size_of("bincount", minlength))
    return _counted(numbers, weights, size_of("bincount", length))


def _reach(x: Tensor) -> int:
    """One more than the largest number."""
    known = elements("bincount", x, "say with length= how many numbers are counted")
    if known.size and known.min() < 0:
        raise BoundsError(
            "bincount: a number is negative",
            [f"x: {x.type}", f"smallest: {known.min()}"],
            "numbers are counted from 0; subtract the smallest first",
        )
    return int(known.max()) + 1 if known.size else 0


def _counted(at: Tensor, weights: Any, length: int) -> Tensor:
    """The weights added up at the places `at` that lie in 0..length-1."""
    if weights is None:
        added = ones_like(at)
    else:
        added = asarray(weights)
        if added.shape != at.shape:
            raise ShapeError(
                "bincount: a weight for each element", [f"x: {at.type}", f"weights: {added.type}"]
            )
    if added.dtype.kind == "bool":
        added = cast(added, dtypes.int64)
    return ops.scatter_add(zeros((length,), dtype=added.dtype), added, at, 0, 1, True)


def digitize(x: Any, bins: Any, /, *, right: bool = False) -> Tensor:
    """In which of the bins each element lies: how many edges are not greater than it.

    Args:
        x: numbers.
        bins: edges in ascending order, or, unless they are traced, in descending order.
        right: an element on an edge belongs to the bin before it.

    Example:
        >>> import lamina as lm
        >>> digitize(lm.asarray([0.5, 1.0, 7.0]), lm.asarray([0.0, 1.0, 2.0]))
        Tensor([1, 2, 3], shape=(3,), dtype=int64)

    Source: NumPy, `digitize`.
    """
    edges = asarray(bins)
    if edges.ndim != 1:
        raise ShapeError("digitize: bins have one axis", [f"bins: {edges.type}"])
    side = "left" if right else "right"
    if not edges.is_traced:
        known = edges.numpy()
        if (known[1:] < known[:-1]).any():
            if (known[1:] > known[:-1]).any():
                raise UsageError("digitize: the bins are in no order", [f"bins: {edges.type}"])
            return edges.shape[0] - searchsorted(flip(edges), x, side=side)
    return searchsorted(edges, x, side=side)


def histogram_bin_edges(x: Any, /, bins: Any = 10, range: Any = None) -> Tensor:
    """The edges of the bins that `histogram` would take. Source: NumPy."""
    return _edges(_floating(x), bins, range)


def histogram(
    x: Any, /, bins: Any = 10, range: Any = None, *, weights: Any = None, density: bool = False
) -> tuple[Tensor, Tensor]:
    """How many elements lie in each of some bins; the last bin has its upper edge too.

    Args:
        x: numbers; the tensor is flattened.
        bins: how many bins of one width, or their edges in ascending order.
        range: the outermost edges, if bins are a number; the least and the largest element else.
        weights: what each element counts; 1 when not given.
        density: divide by the total and the width of the bin, so that the integral is 1.

    Returns:
        (counts, edges).

    Example:
        >>> import lamina as lm
        >>> histogram(lm.asarray([0.0, 0.5, 3.0, 4.0]), 2)[0]
        Tensor([2, 2], shape=(2,), dtype=int64)

    Source: NumPy, `histogram`.
    """
    numbers = reshape(_floating(x), (-1,))
    edges = _edges(numbers, bins, range)
    count = edges.shape[0] - 1
    at = searchsorted(edges, numbers, side="right") - 1
    at = where(numbers == edges[-1], count - 1, at)
    at = where(logical_and(numbers >= edges[0], numbers <= edges[-1]), at, count)
    found = _counted(at, None if weights is None else reshape(asarray(weights), (-1,)), count)
    if not density:
        return found, edges
    part = cast(found, edges.dtype)
    return part / (sum(part) * (edges[1:] - edges[:-1])), edges


def _floating(x: Any) -> Tensor:
    x = asarray(x)
    return x if x.dtype.is_float and x.dtype.bits >= 32 else cast(x, dtypes.float32)


def _edges(x: Tensor, bins: Any, range: Any) -> Tensor:
    if not isinstance(bins, int | np.integer):
        edges = asarray(bins, dtype=x.dtype)
        if edges.ndim != 1 or edges.shape[0] < 2:
            raise ShapeError("histogram: bins are two edges or more", [f"bins: {edges.type}"])
        return edges
    if bins < 1:
        raise UsageError("histogram: no bins", [f"bins: {bins}"], "take one at least")
    if range is not None:
        low, high = (asarray(end, dtype=x.dtype) for end in range)
    elif x.size:
        low, high = min(x), max(x)
    else:
        low, high = asarray(0.0, dtype=x.dtype), asarray(1.0, dtype=x.dtype)
    same = low == high  # a bin has a width
    low, high = where(same, low - 0.5, low), where(same, high + 0.5, high)
    steps = arange(int(bins) + 1, dtype=x.dtype)
    return where(steps == int(bins), high, low + steps * ((high - low) / int(bins)))
