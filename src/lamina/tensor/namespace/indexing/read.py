"""`x[key]`: what stands at the places a key names."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import ShapeError
from lamina.graph.ir import emit
from lamina.graph.ops import Gather
from lamina.tensor.conversion import asarray, cast, constant_like
from lamina.tensor.namespace.elementwise import logical_and, where
from lamina.tensor.namespace.indexing.key import looked_at, read_key
from lamina.tensor.namespace.indexing.layout import Layout, layout_of
from lamina.tensor.namespace.manipulation import reshape
from lamina.tensor.promotion import is_number
from lamina.tensor.tensor import Tensor, alias


def index(x: Tensor, key: Any) -> Tensor:
    """`x[key]`: integers, slices, None, Ellipsis, tensors of integers, and boolean masks.

    The result never changes with `x`, nor `x` with it, whatever is assigned into one of them.

    Raises:
        BoundsError: an index is outside its axis.
        TraceError: the shape of the result depends on a mask that has no value yet.

    Source: NumPy, "Indexing on ndarrays".
    """
    found = looked_at("index", x, read_key("index", x, key))
    layout = layout_of("index", x, found)
    part = _found(layout, layout.read(x), False)
    return alias(x) if part is x else part


def _found(layout: Layout, part: Tensor, drop: bool) -> Tensor:
    if not layout.sizes:
        return part
    op = Gather(len(layout.after), len(layout.index_shape), drop)
    return emit(op, part, *layout.indices)


def get(
    x: Tensor,
    key: Any,
    mode: str | None = None,
    fill_value: Any = None,
    name: str = "x.at[...].get",
) -> Tensor:
    """`x[key]` with a choice of what an index outside its axis gives."""
    found = looked_at(name, x, read_key(name, x, key, mode))
    layout = layout_of(name, x, found)
    drop = found.mode in ("drop", "fill")
    part = _found(layout, layout.read(x), drop)
    if not drop or not layout.sizes:
        return alias(x) if part is x else part
    return where(_inside(layout), part, cast(_fill_of(name, x, fill_value), x.dtype))


def _inside(layout: Layout) -> Tensor:
    """Whether every index lies inside its axis, spread over the axes behind."""
    met: Any = None
    for i, n in zip(layout.indices, layout.sizes, strict=True):
        inside = logical_and(i >= 0, i < n)  # type: ignore[operator]
        met = inside if met is None else logical_and(met, inside)
    return reshape(met, (*met.shape, *[1] * len(layout.after)))


def _fill_of(name: str, x: Tensor, value: Any) -> Tensor:
    """NaN, the lowest integer, the highest unsigned one or True, unless a value is given."""
    if value is None:
        kind = x.dtype.kind
        if kind in ("int", "uint"):
            limits = np.iinfo(x.dtype.numpy)
            value = int(limits.min if kind == "int" else limits.max)
        else:
            value = True if kind == "bool" else float("nan")
    if is_number(value):
        return constant_like(value, x.type.with_shape(()))
    given = asarray(value)
    if given.shape:
        raise ShapeError(f"{name}: the fill value is not one number", [f"fill_value: {given.type}"])
    return given
