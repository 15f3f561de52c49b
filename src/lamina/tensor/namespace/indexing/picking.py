"""Elements picked, put and chosen by tensors of integers: along an axis, or of all in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Gather, ScatterSet
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.elementwise import where
from lamina.tensor.namespace.indexing.key import Places, read_key
from lamina.tensor.namespace.indexing.read import get
from lamina.tensor.namespace.indexing.update import Located, values_for
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis, reshape, stack
from lamina.tensor.promotion import broadcast_shapes, broadcast_to, common_dtype
from lamina.tensor.tensor import Tensor, alias


def _mode(mode: str | None) -> str | None:
    """NumPy's word for an error is "raise"."""
    return "error" if mode == "raise" else mode


def take(
    x: Any,
    indices: Any,
    /,
    *,
    axis: int | None = None,
    mode: str | None = None,
    fill_value: Any = None,
) -> Tensor:
    """The slices of `x` at `indices` along `axis`; that of a flattened tensor when None.

    Args:
        x: the tensor.
        indices: integers of any shape; negative ones count from the end.
        axis: where to take from.
        mode: what an index outside gives: "error", "clip", "wrap" or "fill", as in `x.at`.
        fill_value: the elements of slices outside, with "fill".

    Shapes: `x: [*A, N, *C], indices: [*I] -> [*A, *I, *C]`

    Raises:
        BoundsError: an index is outside the axis.

    Source: Python array API 2024.12, `take`; NumPy for indices of any rank.
    """
    x = asarray(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    place = normal_axis("take", axis, x.ndim)
    known = indices if isinstance(indices, Tensor) else np.asarray(indices)
    if known.dtype == np.bool_ or known.dtype is dtypes.bool_:
        raise DTypeError(
            "take: bool is not an integer type",
            [f"tensor: {x.type}"],
            "x[mask] and lm.compress(mask, x) take booleans",
        )
    return get(x, (*[slice(None)] * place, known), _mode(mode), fill_value, "take")


def _along(
    name: str, x: Tensor, indices: Any, axis: int, mode: str | None
) -> tuple[Tensor, Tensor, int, bool]:
    """`x` and places with the axis last and the others broadcast; the axis; whether to drop."""
    place = normal_axis(name, axis, x.ndim)
    known = indices if isinstance(indices, Tensor) else np.asarray(indices)
    if known.ndim != x.ndim:
        raise ShapeError(
            f"{name}: the indices have other axes than the tensor",
            [f"tensor:  {x.type}", f"indices: {known.ndim} axes"],
            "give indices with the axes of the tensor; lm.take has other ones",
        )
    line = reshape(moveaxis(x, place, 0), (x.shape[place], -1))
    key = read_key(name, line, (known,), _mode(mode))
    found = key.parts[0]
    if not isinstance(found, Places):
        raise DTypeError(
            f"{name}: bool is not an integer type", [f"tensor: {x.type}"], "use lm.where"
        )
    front, indices = moveaxis(x, place, -1), moveaxis(found.indices, place, -1)
    lead = broadcast_shapes(name, [front.shape[:-1], indices.shape[:-1]])
    front = broadcast_to(front, (*lead, front.shape[-1]))
    indices = broadcast_to(indices, (*lead, indices.shape[-1]))
    return front, indices, place, key.mode in ("drop", "fill")


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1, mode: str | None = None) -> Tensor:
    """The elements of `x` at `indices` along `axis`, place by place; with "fill", 0 for others.

    Shapes: `x: [*A, N, *C], indices: [*A, K, *C] -> [*A, K, *C]`

    Source: Python array API 2024.12, `take_along_axis`.
    """
    front, places, place, drop = _along("take_along_axis", asarray(x), indices, axis, mode)
    return moveaxis(emit(Gather(0, 1, drop), front, places), -1, place)


def put_along_axis(
    x: Any, indices: Any, values: Any, /, *, axis: int = -1, mode: str | None = None
) -> Tensor:
    """`x` with `values` at `indices` along `axis`, place by place; the last of several stays.

    Shapes: `x: [*A, N, *C], indices, values: [*A, K, *C] -> [*A, N, *C]`

    Example:
        >>> import lamina as lm
        >>> lm.put_along_axis(lm.zeros((2, 3)), lm.asarray([[2], [0]]), 1.0)
        Tensor([[0., 0., 1.],
                [1., 0., 0.]], shape=(2, 3), dtype=float32)

    Source: NumPy, `put_along_axis`, which writes into its argument.
    """
    x = asarray(x)
    given = values_for("put_along_axis", x, values)
    front, places, place, drop = _along("put_along_axis", x, indices, axis, mode)
    shape = list(places.shape)
    filled = broadcast_to(given, (*shape[:place], shape[-1], *shape[place:-1]))
    op = ScatterSet(0, 1, drop)
    return moveaxis(emit(op, front, moveaxis(filled, place, -1), places), -1, place)


def put(x: Any, indices: Any, values: Any, /, *, mode: str | None = None) -> Tensor:
    """`x` with `values` at `indices` of its elements in a row; the last of several stays.

    Values are repeated where there are fewer of them than indices.

    Example:
        >>> import lamina as lm
        >>> lm.put(lm.zeros(4), [0, -1], [1.0, 2.0])
        Tensor([1., 0., 0., 2.], shape=(4,), dtype=float32)

    Source: NumPy, `put`, which writes into its argument.
    """
    x = asarray(x)
    known = indices if isinstance(indices, Tensor) else np.asarray(indices, dtype=None)
    count = known.size
    if not count:
        return alias(x)
    given = reshape(values_for("put", x, values), (-1,))
    if not given.size:
        raise ShapeError("put: there are no values", [f"tensor: {x.type}", f"indices: {count}"])
    if given.size not in (1, count):
        given = get(given, arange(count) % given.size)  # type: ignore[operator]
    flat = Located(reshape(x, (-1,)), reshape(asarray(known), (-1,)))
    return reshape(flat.set(given, mode=_mode(mode)), x.shape)


def choose(indices: Any, choices: Any, /, *, mode: str | None = None) -> Tensor:
    """Element by element, that of the tensor in `choices` that the index says.

    Example:
        >>> import lamina as lm
        >>> lm.choose([1, 0, 1], [[1, 2, 3], [10, 20, 30]])
        Tensor([10,  2, 30], shape=(3,), dtype=int64)

    Source: NumPy, `choose`.
    """
    given = [asarray(c) for c in choices]
    if not given:
        raise UsageError("choose: there is nothing to choose from")
    places = asarray(indices)
    shape = broadcast_shapes("choose", [places.shape, *[c.shape for c in given]])
    dtype = common_dtype("choose", tuple(given))
    stacked = stack([broadcast_to(asarray(c, dtype=dtype), shape) for c in given])
    where_to = reshape(broadcast_to(places, shape), (1, *shape))
    return reshape(take_along_axis(stacked, where_to, axis=0, mode=mode), shape)


def select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0, /) -> Tensor:
    """Element by element, the choice of the first condition that holds, else `default`.

    Example:
        >>> import lamina as lm
        >>> x = lm.arange(5)
        >>> lm.select([x < 2, x > 3], [x, x * 10], -1)
        Tensor([ 0,  1, -1, -1, 40], shape=(5,), dtype=int64)

    Source: NumPy, `select`.
    """
    if len(conditions) != len(choices) or not conditions:
        raise UsageError(
            "select: as many choices as conditions, and one at least",
            [f"conditions: {len(conditions)}", f"choices: {len(choices)}"],
        )
    found = default
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        found = where(asarray(condition), choice, found)
    return found
