"""`x.at[key]`: tensors like `x`, with something else at the places a key names.

Where a key names a place more than once, additions, products and extremes take every update; of
several values that are set, the last one stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.base.errors import DTypeError, ShapeError
from lamina.graph.ir import emit
from lamina.graph.ops import (
    Identity,
    Scatter,
    ScatterAdd,
    ScatterMax,
    ScatterMin,
    ScatterMultiply,
    ScatterSet,
)
from lamina.tensor.conversion import asarray, cast, constant_like
from lamina.tensor.namespace import elementwise
from lamina.tensor.namespace.creation import ones_like
from lamina.tensor.namespace.indexing.key import At as Integer
from lamina.tensor.namespace.indexing.key import (
    Key,
    Mask,
    New,
    Places,
    Range,
    looked_at,
    no_place_twice,
    read_key,
)
from lamina.tensor.namespace.indexing.layout import layout_of
from lamina.tensor.namespace.indexing.read import get
from lamina.tensor.namespace.manipulation import reshape
from lamina.tensor.promotion import KIND_ORDER, broadcast_to, is_number
from lamina.tensor.tensor import Tensor, rebind, require_assignable


class At:
    """`x.at`: takes a key in square brackets."""

    __slots__ = ("_x",)

    def __init__(self, x: Tensor):
        self._x = x

    def __getitem__(self, key: Any) -> Located:
        return Located(self._x, key)


class Located:
    """`x.at[key]`: the places a key names, waiting to be read or updated.

    Every method returns a new tensor; `x` stays. `mode` says what happens to an index outside its
    axis: "error" (a BoundsError), "clip" (the nearest place), "wrap" (counted around the end),
    "drop" or "fill" (no update; `get` gives `fill_value`). Masks and slices have none outside.

    Example:
        >>> import lamina as lm
        >>> lm.zeros(4).at[lm.asarray([1, 3, 1])].add(1.0)
        Tensor([0., 2., 0., 1.], shape=(4,), dtype=float32)

    Source: JAX, `jax.numpy.ndarray.at`.
    """

    __slots__ = ("_key", "_x")

    def __init__(self, x: Tensor, key: Any):
        self._x = x
        self._key = key

    def get(self, *, mode: str | None = None, fill_value: Any = None) -> Tensor:
        """`x[key]`; where an index is outside and the mode is "fill" or "drop", `fill_value`.

        Without a fill value these are NaN, the lowest integer, the highest unsigned one, or True.
        """
        return get(self._x, self._key, mode, fill_value)

    def set(self, values: Any, *, mode: str | None = None) -> Tensor:
        """`x` with `values` there; the last of several values for one place stays."""
        return _updated("set", ScatterSet, self._x, self._key, values, mode)

    def add(self, values: Any, *, mode: str | None = None) -> Tensor:
        """`x` with `values` added there, one after the other."""
        return _updated("add", ScatterAdd, self._x, self._key, values, mode)

    def subtract(self, values: Any, *, mode: str | None = None) -> Tensor:
        """`x` with `values` taken away there."""
        name = "x.at[...].subtract"
        taken = elementwise.negative(values_for(name, self._x, values))
        return updated(name, ScatterAdd, self._x, self._key, taken, mode)

    def multiply(self, values: Any, *, mode: str | None = None) -> Tensor:
        """`x` multiplied by `values` there."""
        return _updated("multiply", ScatterMultiply, self._x, self._key, values, mode)

    def min(self, values: Any, *, mode: str | None = None) -> Tensor:
        """The lesser of `x` and `values` there; NaN wins."""
        return _updated("min", ScatterMin, self._x, self._key, values, mode)

    def max(self, values: Any, *, mode: str | None = None) -> Tensor:
        """The greater of `x` and `values` there; NaN wins."""
        return _updated("max", ScatterMax, self._x, self._key, values, mode)

    def divide(self, values: Any, *, mode: str | None = None) -> Tensor:
        """`x` divided by `values` there, by the product of those for one place."""
        if not self._x.dtype.is_inexact:
            raise DTypeError(
                "x.at[...].divide: quotients are floating",
                [f"tensor: {self._x.type}"],
                "cast the tensor first, as in x.astype(lm.float32)",
            )
        divisor = self._product("divide", values, mode)
        return elementwise.divide(self._x, divisor)

    def power(self, values: Any, *, mode: str | None = None) -> Tensor:
        """`x` to the power of `values` there, of the product of those for one place."""
        return elementwise.pow(self._x, self._product("power", values, mode))

    def _product(self, name: str, values: Any, mode: str | None) -> Tensor:
        return _updated(name, ScatterMultiply, ones_like(self._x), self._key, values, mode)

    def apply(self, f: Callable[[Tensor], Any], *, mode: str | None = None) -> Tensor:
        """`x` with `f` applied there, once to each element however often it is named."""
        found = get(self._x, self._key, "clip" if mode in ("drop", "fill") else mode)
        return _updated("apply", ScatterSet, self._x, self._key, f(found), mode)

    sub = subtract
    mul = multiply
    div = divide


def _updated(
    name: str, kind: type[Scatter], x: Tensor, key: Any, values: Any, mode: str | None
) -> Tensor:
    name = f"x.at[...].{name}"
    return updated(name, kind, x, key, values_for(name, x, values), mode)


def updated(
    name: str, kind: type[Scatter], x: Tensor, key: Any, given: Tensor, mode: str | None = "error"
) -> Tensor:
    """`x` with `given`, of the dtype of `x`, put where the key says, in the way of `kind`."""
    found = read_key(name, x, key, mode)
    chosen = _masked(found, x, given)
    if chosen is not None:
        mask, spread = chosen
        return elementwise.where(mask, kind.met(x, spread), x)
    layout = layout_of(name, x, looked_at(name, x, found), integers_are_places=True)
    part = layout.read(x)
    filled = _filled(name, x, given, layout.shape)
    if not layout.sizes:
        part = kind.met(part, filled)
    else:
        drop = found.mode in ("drop", "fill")
        unique = no_place_twice(layout.places, layout.sizes)
        op = kind(len(layout.after), len(layout.index_shape), drop, unique)
        part = emit(op, part, filled, *layout.indices)
    return layout.write(x, part)


def values_for(name: str, x: Tensor, values: Any) -> Tensor:
    """The values in the dtype of `x`."""
    if is_number(values):
        kind = {bool: "bool", int: "int", float: "float"}.get(type(values), "complex")
        fits, described = KIND_ORDER[kind] <= KIND_ORDER[x.dtype.kind], type(values).__name__
        if fits:
            return constant_like(values, x.type.with_shape(()))
    else:
        given = asarray(values)
        fits, described = KIND_ORDER[given.dtype.kind] <= KIND_ORDER[x.dtype.kind], given.type
        if fits:
            return cast(given, x.dtype)
    raise DTypeError(
        f"{name}: the tensor does not hold such values",
        [f"tensor: {x.type}", f"values: {described}"],
        f"cast the values, as in values.astype(lm.{x.dtype.long_name}), or the tensor first",
    )


def _filled(name: str, x: Tensor, given: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The values spread over the places; leading axes of size 1 that are too many go."""
    surplus = max(0, given.ndim - len(shape))
    sizes = given.shape[surplus:]
    fits = all(n == 1 for n in given.shape[:surplus]) and all(
        n in (1, m) for n, m in zip(reversed(sizes), reversed(shape))
    )
    if not fits:
        raise ShapeError(
            f"{name}: the values do not fill the places",
            [f"tensor: {x.type}", f"places: {shape}", f"values: {given.type}"],
            "give values whose shape broadcasts to that of the places",
        )
    return broadcast_to(reshape(given, sizes), shape)


def _masked(key: Key, x: Tensor, given: Tensor) -> tuple[Tensor, Tensor] | None:
    """Mask and values of the shape of `x`, where the key is one mask and all places get the same.

    What the mask is need not be known then.
    """
    masks = [p for p in key.parts if isinstance(p, Mask)]
    if len(masks) != 1 or any(isinstance(p, Places | Integer | New) for p in key.parts):
        return None
    if not all(p.is_whole(x.shape[p.axis]) for p in key.parts if isinstance(p, Range)):
        return None
    (part,) = masks
    span = part.mask.ndim
    before, after = x.shape[: part.axis], x.shape[part.axis + span :]
    sizes = (1,) * (1 + len(before) + len(after) - given.ndim) + given.shape
    sizes = sizes[len(sizes) - 1 - len(before) - len(after) :]
    wanted = (*before, 1, *after)
    one = all(n in (1, m) for n, m in zip(sizes, wanted, strict=True))
    if not one or any(n != 1 for n in given.shape[: max(0, given.ndim - len(wanted))]):
        return None
    place = len(before)
    spread = reshape(given, (*sizes[:place], *[1] * span, *sizes[place + 1 :]))
    mask = reshape(part.mask, (*[1] * place, *part.mask.shape, *[1] * len(after)))
    return broadcast_to(mask, x.shape), broadcast_to(spread, x.shape)


# ------------------------------------------------------------------ assignment


def assign(x: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`: from now on `x` is the tensor `x.at[key].set(value)`.

    Other tensors do not change with it, not even those made of `x` by slicing or reshaping.

    Raises:
        ImmutableError: `x` was frozen, or made outside the `jit` or `vmap` that this runs in.
    """
    name = "x[...] = value"
    require_assignable(x)
    given = values_for(name, x, value)
    made = updated(name, ScatterSet, x, key, given)
    if made is not x:
        rebind(x, emit(Identity(), made) if made is given else made)


def at(x: Tensor) -> At:
    """`x.at[key]`: new tensors with other elements at the places a key names; see `Located`."""
    return At(x)
