"""A function of vectors, applied to every vector along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.tensor.batching import vmap
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis, reshape
from lamina.tensor.tensor import Tensor


def apply_along_axis(f: Callable[..., Any], axis: int, x: Any, /, *args: Any) -> Tensor:
    """`f(vector, *args)` for each vector of `x` along `axis`, as one batched computation.

    Args:
        f: a function of a vector that gives a tensor.
        axis: the axis of the vectors; the axes of f's result take its place.
        x: the tensor.
        args: more arguments of f.

    Example:
        >>> apply_along_axis(lambda v: v - v[0], 0, asarray([[1, 2], [4, 8]])).tolist()
        [[0, 0], [3, 6]]

    Source: NumPy, `apply_along_axis`.
    """
    given = asarray(x)
    place = normal_axis("apply_along_axis", axis, given.ndim)
    moved = moveaxis(given, place, -1)
    outer = moved.shape[:-1]
    rows = reshape(moved, (-1, moved.shape[-1]) if given.size else (0, moved.shape[-1]))
    found = vmap(lambda row: asarray(f(row, *args)))(rows)
    result = reshape(found, (*outer, *found.shape[1:]))
    inner = range(len(outer), result.ndim)
    return moveaxis(result, tuple(inner), tuple(range(place, place + len(inner))))
