"""Joining, cutting and turning under the names of NumPy.

Source for all: NumPy, the functions of the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import promotion
from lamina.tensor.conversion import asarray, sizes_of
from lamina.tensor.namespace.manipulation import (
    concat,
    expand_dims,
    flip,
    normal_axis,
    reshape,
    split,
    swapaxes,
)
from lamina.tensor.tensor import Tensor, alias


def broadcast_shapes(*shapes: int | Sequence[int]) -> tuple[int, ...]:
    """The shape that tensors of all these shapes broadcast to.

    Raises:
        ShapeError: two sizes of an axis differ and neither is 1.

    Example:
        >>> broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    return promotion.broadcast_shapes("broadcast_shapes", [sizes_of(s) for s in shapes or [()]])


def atleast_1d(*arrays: Any) -> Any:
    """A tensor of rank 0 gets one axis; several tensors give a list."""
    return _each(arrays, lambda x: alias(x) if x.ndim else reshape(x, (1,)))


def atleast_2d(*arrays: Any) -> Any:
    """A vector becomes a row; several tensors give a list."""
    return _each(arrays, lambda x: alias(x) if x.ndim > 1 else reshape(x, (1, -1)))


def atleast_3d(*arrays: Any) -> Any:
    """Vectors become `[1, N, 1]` and matrices `[M, N, 1]`; several tensors give a list."""
    return _each(arrays, _volume)


def _volume(x: Tensor) -> Tensor:
    if x.ndim > 2:
        return alias(x)
    return expand_dims(x, axis=2) if x.ndim == 2 else reshape(x, (1, -1, 1))


def _each(arrays: Sequence[Any], change: Any) -> Any:
    found = [change(asarray(a)) for a in arrays]
    return found[0] if len(found) == 1 else found


def hstack(arrays: Sequence[Any], /) -> Tensor:
    """The tensors side by side: along the second axis, vectors along their only one."""
    given = [atleast_1d(a) for a in arrays]
    return concat(given, axis=0 if given and given[0].ndim == 1 else 1)


def vstack(arrays: Sequence[Any], /) -> Tensor:
    """The tensors on top of each other: along the first axis; vectors are rows."""
    return concat([atleast_2d(a) for a in arrays], axis=0)


def dstack(arrays: Sequence[Any], /) -> Tensor:
    """The tensors one behind the other: along the third axis."""
    return concat([atleast_3d(a) for a in arrays], axis=2)


def column_stack(arrays: Sequence[Any], /) -> Tensor:
    """Vectors as the columns of a matrix; matrices side by side."""
    given = [asarray(a) for a in arrays]
    return concat([a if a.ndim > 1 else reshape(a, (-1, 1)) for a in given], axis=1)


def array_split(x: Any, parts: int | Sequence[int], /, *, axis: int = 0) -> list[Tensor]:
    """`x` cut along `axis` into nearly equal parts, the longer ones first."""
    given = asarray(x)
    if not isinstance(parts, int):
        return split(given, parts, axis=axis)
    if parts < 1:
        raise UsageError("array_split: less than one part", [f"parts: {parts}"])
    size = given.shape[normal_axis("array_split", axis, given.ndim)]
    short, longer = divmod(size, parts)
    cuts = [short * i + min(i, longer) for i in range(1, parts)]
    return split(given, cuts, axis=axis)


def rot90(x: Any, /, k: int = 1, *, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """The plane of two axes turned by k quarters, from the first axis to the second."""
    given = asarray(x)
    first, second = (normal_axis("rot90", a, given.ndim) for a in axes)
    if first == second:
        raise ShapeError("rot90: the two axes are one", [f"axes: {axes}"])
    if k % 4 == 0:
        return given
    if k % 4 == 2:
        return flip(given, axis=(first, second))
    turned = swapaxes(given, first, second)
    return flip(turned, axis=first if k % 4 == 1 else second)
