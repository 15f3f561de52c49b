"""Order: sorting, the largest elements, places in a sorted tensor.

NaN counts as the largest number: last in ascending order, first in descending.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.base.errors import BoundsError, ShapeError, UsageError
from lamina.graph import ops
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.indexing import take, take_along_axis
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis
from lamina.tensor.promotion import common_dtype, is_number
from lamina.tensor.tensor import Tensor


def along_last(name: str, f: Callable[[Tensor], Any], x: Tensor, axis: int) -> Any:
    """`f`, which works along the last axis, along another one."""
    place = normal_axis(name, axis, x.ndim)
    if place == x.ndim - 1:
        return f(x)
    found = f(moveaxis(x, place, -1))
    if isinstance(found, tuple):
        return tuple(moveaxis(y, -1, place) for y in found)
    return moveaxis(found, -1, place)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements of `x` in order along `axis`.

    Args:
        x: a tensor with axes.
        axis: along which.
        descending: the largest first.
        stable: whether equal elements keep their order; they always do.

    Example:
        >>> import lamina as lm
        >>> sort(lm.asarray([3.0, 1.0, 2.0]))
        Tensor([1., 2., 3.], shape=(3,), dtype=float32)

    Source: Python array API 2024.12, `sort`.
    """
    return along_last("sort", lambda y: ops.sort(y, bool(descending)), asarray(x), axis)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices that put `x` in order along `axis`.

    Args:
        x: a tensor with axes.
        axis: along which.
        descending: the largest first.
        stable: whether equal elements keep their order.

    Example:
        >>> import lamina as lm
        >>> argsort(lm.asarray([3.0, 1.0, 2.0]))
        Tensor([1, 2, 0], shape=(3,), dtype=int64)

    Source: Python array API 2024.12, `argsort`.
    """
    options = bool(descending), bool(stable)
    return along_last("argsort", lambda y: ops.argsort(y, *options), asarray(x), axis)


def partition(x: Any, kth: Any, /, *, axis: int = -1) -> Tensor:
    """`x` with the `kth` element where it is in order, smaller ones before it and larger behind.

    Everything is in order here, which is more than is asked. Source: NumPy, `partition`.
    """
    x = asarray(x)
    _require_places("partition", kth, x, axis)
    return sort(x, axis=axis)


def argpartition(x: Any, kth: Any, /, *, axis: int = -1) -> Tensor:
    """The indices that `partition` would take the elements from. Source: NumPy."""
    x = asarray(x)
    _require_places("argpartition", kth, x, axis)
    return argsort(x, axis=axis)


def _require_places(name: str, kth: Any, x: Tensor, axis: int) -> None:
    size = x.shape[normal_axis(name, axis, x.ndim)]
    for k in np.asarray(kth).reshape(-1):
        if not -size <= k < size:
            raise BoundsError(
                f"{name}: element {k} is outside the axis", [f"x: {x.type}", f"axis: {axis}"]
            )


def lexsort(keys: Any, /, *, axis: int = -1) -> Tensor:
    """The indices that put several keys in order, the last key first, ties by the one before it.

    Args:
        keys: tensors of one shape, or one whose first axis counts the keys.
        axis: along which, of each key.

    Example:
        >>> import lamina as lm
        >>> lexsort((lm.asarray([3, 1, 2]), lm.asarray([0, 1, 0])))
        Tensor([2, 0, 1], shape=(3,), dtype=int64)

    Source: NumPy, `lexsort`.
    """
    every = [asarray(k) for k in keys]
    if not every:
        raise UsageError("lexsort: no keys")
    if every[0].ndim == 0:
        raise ShapeError("lexsort: keys have axes", [f"key: {every[0].type}"])
    order = argsort(every[0], axis=axis)
    for key in every[1:]:
        finer = argsort(take_along_axis(key, order, axis=axis), axis=axis)
        order = take_along_axis(order, finer, axis=axis)
    return order


def top_k(x: Any, k: int, /, *, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along `axis`, the largest first, and their indices.

    Args:
        x: a tensor with axes.
        k: how many, at most the size of the axis.
        axis: along which.
        largest: False for the smallest, the smallest first.

    Returns:
        (values, indices). Of equal elements the first are taken.

    Raises:
        ShapeError: the axis has fewer elements.

    Example:
        >>> import lamina as lm
        >>> top_k(lm.asarray([3.0, 1.0, 2.0]), 2)[1]
        Tensor([0, 2], shape=(2,), dtype=int64)

    Source: PyTorch, `topk`; JAX, `lax.top_k`.
    """
    return along_last("top_k", lambda y: ops.top_k(y, int(k), bool(largest)), asarray(x), axis)


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any | None = None) -> Tensor:
    """Where the elements of `x2` go in `x1` to keep it in order.

    Args:
        x1: numbers in ascending order, one axis.
        x2: the values to place.
        side: "left" of equal elements, or "right" of them.
        sorter: indices that put `x1` in order, if it is not.

    Shapes: `x1: [N], x2: [*V] -> [*V]`

    Example:
        >>> import lamina as lm
        >>> searchsorted(lm.asarray([1.0, 2.0, 4.0]), lm.asarray([2.0, 3.0]))
        Tensor([1, 2], shape=(2,), dtype=int64)

    Source: Python array API 2024.12, `searchsorted`.
    """
    if side not in ("left", "right"):
        raise UsageError(f"searchsorted: no side {side!r}", ["sides: 'left', 'right'"])
    rows = asarray(x1)
    values = x2 if is_number(x2) else asarray(x2)
    if rows.ndim != 1:
        raise ShapeError("searchsorted: x1 has one axis", [f"x1: {rows.type}"], "flatten it first")
    if sorter is not None:
        rows = take(rows, sorter)
    dtype = common_dtype("searchsorted", (rows, values))
    return ops.search_sorted(
        asarray(rows, dtype=dtype), asarray(values, dtype=dtype), side == "right"
    )
