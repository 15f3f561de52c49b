"""Differences of neighbours, and sums of areas under them."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.elementwise import not_equal
from lamina.tensor.namespace.manipulation import concat, normal_axis, reshape, take_range
from lamina.tensor.namespace.reductions import sum
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.tensor import Tensor


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Tensor:
    """x[i + 1] - x[i] along `axis`, taken `n` times; of booleans, whether neighbours differ.

    Args:
        x: the tensor.
        axis: the axis; its size shrinks by n.
        n: how often.
        prepend: elements to put before x first, of one number or with x's other axes.
        append: elements to put behind x first.

    Raises:
        UsageError: n is negative.

    Example:
        >>> diff(asarray([1, 4, 9]))
        Tensor([3, 5], shape=(2,), dtype=int64)

    Source: Python array API 2024.12, `diff`.
    """
    if n < 0:
        raise UsageError("diff: a negative number of times", [f"n: {n}"])
    given = asarray(x)
    place = normal_axis("diff", axis, given.ndim)
    ends = [_beside(e, given, place) if e is not None else None for e in (prepend, append)]
    parts = [p for p in (ends[0], given, ends[1]) if p is not None]
    result = concat(parts, axis=place)
    for _ in range(n):
        size = result.shape[place]
        after = take_range(result, place, min(1, size), size)
        before = take_range(result, place, 0, max(size - 1, 0))
        result = not_equal(after, before) if result.dtype.kind == "bool" else after - before
    return result


def _beside(end: Any, x: Tensor, place: int) -> Tensor:
    found = asarray(end, dtype=None if isinstance(end, Tensor) else x.dtype)
    if found.ndim == 0:
        return broadcast_to(found, (*x.shape[:place], 1, *x.shape[place + 1 :]))
    return found


def ediff1d(x: Any, /, *, to_end: Any = None, to_begin: Any = None) -> Tensor:
    """The differences of neighbours of the flattened tensor, between two given ends.

    Source: NumPy, `ediff1d`.
    """
    flat = reshape(asarray(x), (-1,))
    ends = [None if e is None else reshape(asarray(e), (-1,)) for e in (to_begin, to_end)]
    parts = [p for p in (ends[0], diff(flat), ends[1]) if p is not None]
    return concat(parts) if len(parts) > 1 else parts[0]


def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The area under y by the trapezoidal rule, sum((y[i] + y[i + 1]) / 2 * (x[i + 1] - x[i])).

    Args:
        y: the heights.
        x: where they stand; one number for each position along `axis`, or as y.
        dx: their distance where x is not given.
        axis: the axis to integrate over.

    Raises:
        ShapeError: x has another number of positions.

    Source: NumPy, `trapezoid`.
    """
    heights = asarray(y)
    place = normal_axis("trapezoid", axis, heights.ndim)
    size = heights.shape[place]
    width: Any = dx
    if x is not None:
        at = asarray(x)
        if at.ndim == 1:
            if at.shape[0] != size:
                raise ShapeError(
                    "trapezoid: x and y differ in length", [f"y: {heights.type}", f"x: {at.type}"]
                )
            at = reshape(at, (size,) + (1,) * (heights.ndim - place - 1))
            width = diff(at, axis=0)
        else:
            width = diff(at, axis=place - heights.ndim)
    after = take_range(heights, place, min(1, size), size)
    before = take_range(heights, place, 0, max(size - 1, 0))
    area = width * (after + before) / 2.0
    return sum(area, axis=place, dtype=area.dtype)
