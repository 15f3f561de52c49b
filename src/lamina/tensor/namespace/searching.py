"""Where something is true: results whose size depends on values.

Eager functions look at the values. Inside `jit` and `vmap` there are none: there `size` says how
many places the result has, and what is left over is filled.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.base.dtypes import bool_
from lamina.base.errors import ShapeError, TraceError, UsageError
from lamina.graph import ops
from lamina.graph.ir import emit
from lamina.tensor.conversion import asarray, full_of
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.elementwise import not_equal, where
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis, reshape, stack
from lamina.tensor.tensor import Tensor

WITH_SIZE = "say with size= how many places the result has; fill_value fills what is left over"


def elements(name: str, x: Tensor, way_out: str = WITH_SIZE) -> np.ndarray:
    """The elements of `x`, for a function the shape of whose result depends on them.

    Raises:
        TraceError: they do not exist yet, inside `jit` or `vmap`.
    """
    source = x._value.data.source
    if source is None:
        return x.numpy()
    raise TraceError(
        f"{name}: the shape of the result depends on values, which do not exist yet inside "
        f"{source.transform}",
        [f"x: {x.type}"],
        way_out,
    )


def truth(x: Any) -> Tensor:
    """Whether each element is not 0."""
    x = asarray(x)
    return x if x.dtype is bool_ else not_equal(x, 0)


def size_of(name: str, size: Any) -> int:
    """`size` as a number of places."""
    found = int(size)
    if found < 0:
        raise UsageError(f"{name}: the size is negative", [f"size: {size}"])
    return found


def places(name: str, mask: Tensor, size: int | None) -> tuple[Tensor, Tensor | None]:
    """The flat indices at which `mask` is true, in order.

    Returns:
        (indices, None), or with `size` that many indices, the last of them 0 where there are no
        more, and a tensor that tells the real ones.
    """
    flat = reshape(mask, (-1,))
    if size is None:
        return asarray(np.flatnonzero(elements(name, flat))), None
    found, count = ops.nonzero(flat, size_of(name, size))
    return found, arange(size) < count


def nonzero(x: Any, /, *, size: int | None = None, fill_value: int = 0) -> tuple[Tensor, ...]:
    """The indices of the elements that are not 0, one tensor for each axis, in row-major order.

    Args:
        x: a tensor with axes.
        size: how many indices to give, in `jit` and `vmap`; all of them when not given.
        fill_value: the index, along each axis, in place of those that are missing.

    Raises:
        TraceError: inside `jit` or `vmap`, without `size`.

    Example:
        >>> import lamina as lm
        >>> nonzero(lm.asarray([3.0, 0.0, 5.0]))
        (Tensor([0, 2], shape=(2,), dtype=int64),)
        >>> lm.jit(lambda x: nonzero(x, size=3, fill_value=-1)[0])(lm.asarray([3.0, 0.0, 5.0]))
        Tensor([ 0,  2, -1], shape=(3,), dtype=int64)

    Source: Python array API 2024.12, `nonzero`; `size` after JAX.
    """
    mask = truth(x)
    if mask.ndim == 0:
        raise ShapeError(
            "nonzero: a number has no indices", [f"x: {mask.type}"], "reshape it to (1,) first"
        )
    flat, real = places("nonzero", mask, size)
    found = []
    for n in reversed(mask.shape[1:]):
        found.append(flat % n)
        flat = flat // n
    found = [flat, *reversed(found)]
    if real is not None and fill_value != 0:
        found = [where(real, i, int(fill_value)) for i in found]
    return tuple(found)


def argwhere(x: Any, /, *, size: int | None = None, fill_value: int = 0) -> Tensor:
    """The indices of the elements that are not 0, a row each.

    Shapes: `x: [*A] -> [count, rank of A]`

    Source: NumPy, `argwhere`; `size` after JAX, see `nonzero`.
    """
    mask = truth(x)
    if mask.ndim == 0:
        return reshape(places("argwhere", mask, size)[0], (-1, 1))[:, :0]
    found = nonzero(mask, size=size, fill_value=fill_value)
    return stack(found, axis=1)


def flatnonzero(x: Any, /, *, size: int | None = None, fill_value: int = 0) -> Tensor:
    """The indices of the elements of the flattened tensor that are not 0. Source: NumPy."""
    return nonzero(reshape(asarray(x), (-1,)), size=size, fill_value=fill_value)[0]


def selected(name: str, x: Tensor, mask: Tensor, size: int | None, fill_value: Any) -> Tensor:
    """`x[mask]`: the parts of `x` where a mask over its leading axes is true, in order.

    What indexing by a boolean tensor is made of. It is a gather, so it has derivatives; the mask
    is looked at, so inside `jit` and `vmap` it needs a `size`.

    Shapes: `x: [*A, *C], mask: [*A] -> [count, *C]`
    """
    if mask.dtype is not bool_ or x.shape[: mask.ndim] != mask.shape:
        raise ShapeError(
            f"{name}: the mask does not fit",
            [f"x: {x.type}", f"mask: {mask.type}"],
            "a mask is boolean and has the sizes of the first axes of x",
        )
    rest = x.shape[mask.ndim :]
    found, real = places(name, mask, size)
    if mask.size == 0:
        return full_of(fill_value, x.dtype, (*found.shape, *rest))
    flat = reshape(x, (math.prod(mask.shape), *rest))
    result = emit(ops.Gather(len(rest), 1), flat, found)
    if real is None:
        return result
    return where(reshape(real, (-1, *[1] * len(rest))), result, fill_value)


def compress(
    condition: Any,
    x: Any,
    /,
    *,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = 0,
) -> Tensor:
    """The slices of `x` along `axis` where `condition` is true; of the flattened tensor when None.

    Args:
        condition: booleans along the axis; what it is too short for is left out.
        x: a tensor.
        axis: along which to select.
        size: how many slices to give, in `jit` and `vmap`.
        fill_value: the elements of slices that are missing then.

    Example:
        >>> import lamina as lm
        >>> compress([True, False, True], lm.asarray([[1, 2, 3], [4, 5, 6]]), axis=1)
        Tensor([[1, 3],
                [4, 6]], shape=(2, 2), dtype=int64)

    Source: NumPy, `compress`; `size` after JAX.
    """
    x, mask = asarray(x), truth(condition)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    place = normal_axis("compress", axis, x.ndim)
    if mask.ndim != 1 or mask.shape[0] > x.shape[place]:
        raise ShapeError(
            "compress: the condition does not fit the axis",
            [f"x: {x.type}", f"condition: {mask.type}", f"axis: {axis}"],
        )
    front = moveaxis(x, place, 0)[: mask.shape[0]]
    return moveaxis(selected("compress", front, mask, size, fill_value), 0, place)


def extract(condition: Any, x: Any, /, *, size: int | None = None, fill_value: Any = 0) -> Tensor:
    """The elements of `x` where `condition` is true, in row-major order. Source: NumPy."""
    flat = reshape(truth(condition), (-1,))
    return compress(flat, x, size=size, fill_value=fill_value)
