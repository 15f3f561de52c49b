"""Blocks of fixed size at places that are tensors: for loops over a tensor, and caches that fill.

A start counts from the end where it is negative, and is then moved to where the block lies inside,
as in XLA: there is no index error to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError, ShapeError
from lamina.graph.ir import emit
from lamina.graph.ops import DynamicSlice, DynamicUpdateSlice
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.namespace.elementwise import where
from lamina.tensor.namespace.manipulation import unstack
from lamina.tensor.promotion import is_number
from lamina.tensor.tensor import Tensor, alias


def dynamic_slice(x: Any, starts: Any, sizes: Sequence[int]) -> Tensor:
    """The block of `x` that begins at `starts` and has the given sizes.

    Args:
        x: the tensor.
        starts: an integer for each axis, or a tensor of them; each may be traced.
        sizes: of the block; at most those of `x`.

    Shapes: `x: [*N], starts: one for each axis -> [*sizes]`

    Raises:
        ShapeError: the numbers of starts, sizes and axes differ, or the block is larger than `x`.
        DTypeError: a start is no integer.

    Example:
        >>> import lamina as lm
        >>> lm.dynamic_slice(lm.arange(6), [lm.asarray(2)], [3])
        Tensor([2, 3, 4], shape=(3,), dtype=int64)

    Source: JAX, `lax.dynamic_slice`.
    """
    x = asarray(x)
    places = _starts("dynamic_slice", x, starts)
    wanted = sizes_of(sizes)
    if len(wanted) != x.ndim or any(m > n for m, n in zip(wanted, x.shape, strict=True)):
        raise ShapeError(
            "dynamic_slice: the block does not fit into the tensor",
            [f"tensor: {x.type}", f"sizes:  {wanted}"],
            "give a size for each axis, at most that of the axis",
        )
    axes = [a for a in range(x.ndim) if wanted[a] != x.shape[a]]
    if not axes:
        return alias(x)
    op = DynamicSlice(tuple(a - x.ndim for a in axes), tuple(wanted[a] for a in axes))
    return emit(op, x, *[places[a] for a in axes])


def dynamic_update_slice(x: Any, update: Any, starts: Any) -> Tensor:
    """`x` with the block that begins at `starts` replaced by `update`.

    Args:
        x: the tensor.
        update: the block, of as many axes as `x`; it takes the dtype of `x`.
        starts: an integer for each axis, or a tensor of them; each may be traced.

    Shapes: `x: [*N], update: [*M], starts: one for each axis -> [*N]`

    Raises:
        ShapeError: `update` is larger than `x` or has other axes.
        DTypeError: a start is no integer.

    Example:
        >>> import lamina as lm
        >>> lm.dynamic_update_slice(lm.zeros(4), lm.ones(2), [lm.asarray(1)])
        Tensor([0., 1., 1., 0.], shape=(4,), dtype=float32)

    Source: JAX, `lax.dynamic_update_slice`.
    """
    x = asarray(x)
    places = _starts("dynamic_update_slice", x, starts)
    block = cast(asarray(update), x.dtype)
    if block.ndim != x.ndim or any(m > n for m, n in zip(block.shape, x.shape, strict=True)):
        raise ShapeError(
            "dynamic_update_slice: the block does not fit into the tensor",
            [f"tensor: {x.type}", f"update: {block.type}"],
            "give a block with the axes of the tensor, none longer than there",
        )
    axes = [a for a in range(x.ndim) if block.shape[a] != x.shape[a]]
    if not axes:
        return block
    op = DynamicUpdateSlice(tuple(a - x.ndim for a in axes))
    return emit(op, x, block, *[places[a] for a in axes])


def _starts(name: str, x: Tensor, starts: Any) -> list[Tensor]:
    """One integer tensor of rank 0 for each axis of `x`, counted from the front."""
    if isinstance(starts, Tensor | np.ndarray):
        given = list(unstack(starts)) if starts.ndim == 1 else [starts]
    else:
        given = list(starts) if isinstance(starts, list | tuple) else [starts]
    if len(given) != x.ndim:
        raise ShapeError(
            f"{name}: one start for each axis",
            [f"tensor: {x.type}", f"starts: {len(given)}"],
            "give a list of integers and integer tensors of rank 0",
        )
    return [_start(name, x, a, s) for a, s in enumerate(given)]


def _start(name: str, x: Tensor, axis: int, start: Any) -> Tensor:
    size = x.shape[axis]
    if is_number(start) and not isinstance(start, Tensor | bool | float):
        return asarray(max(start + size, 0) if start < 0 else min(start, size))
    place = asarray(start)
    if not place.dtype.is_integer or place.shape != ():
        raise DTypeError(
            f"{name}: a start is not an integer",
            [f"tensor: {x.type}", f"start of axis {axis}: {place.type}"],
            "give integers or integer tensors of rank 0",
        )
    if place.dtype.kind == "uint":
        limit = min(size, int(np.iinfo(place.dtype.numpy).max))
        return where(place > limit, limit, place)
    place = cast(place, dtypes.int64)
    return where(place < 0, place + size, place)
