"""What stands between square brackets, read and checked: one part for each thing in it.

NumPy's words are used: slices, integers, None and the ellipsis are *basic*, arrays of integers and
boolean masks *advanced*. A mask becomes the places where it is true, along its axes as one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.dims import Dim, as_size, larger, smaller
from lamina.base.errors import (
    BoundsError,
    DTypeError,
    LaminaError,
    ShapeError,
    TraceError,
    UsageError,
)
from lamina.base.records import frozen
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.elementwise import maximum, minimum, where
from lamina.tensor.namespace.searching import elements
from lamina.tensor.tensor import Tensor

MODES = ("error", "clip", "wrap", "drop", "fill")


@frozen
class Range:
    """A slice of an axis: `count` elements from `start`, `step` apart."""

    axis: int
    start: int
    count: int
    step: int

    def is_whole(self, size: int) -> bool:
        """Whether it is every element of an axis, in order."""
        return (self.start, self.count, self.step) == (0, size, 1)


@frozen
class At:
    """One known place on an axis, which the result has no more."""

    axis: int
    place: int


@frozen
class New:
    """None: a new axis of size 1."""


@frozen
class Dots:
    """An ellipsis; what it stands for follows as ranges."""


@frozen
class Places:
    """Integers, or where a mask is true: places on `span` axes from `axis` on, taken as one.

    Attributes:
        indices: places counted from the front, int64 or smaller.
        known: the same as NumPy data, where that is known while tracing.
        is_array: whether NumPy would call it an array: it is no integer.
        distinct: no place occurs twice, as with a mask.
    """

    axis: int
    span: int
    indices: Tensor
    known: np.ndarray | None
    is_array: bool
    distinct: bool = False


@frozen
class Mask:
    """A boolean array over `mask.ndim` axes from `axis` on, not looked at yet."""

    axis: int
    mask: Tensor


Part = Range | At | New | Dots | Places | Mask


@frozen
class Key:
    """The parts of a key, in order, and what to do with an index outside its axis."""

    parts: tuple[Part, ...]
    mode: str = "error"

    @property
    def is_basic(self) -> bool:
        """Whether there is nothing but slices, integers, None and the ellipsis."""
        return not any(isinstance(p, Places | Mask) for p in self.parts)


def read_key(name: str, x: Tensor, key: Any, mode: str | None = "error") -> Key:
    """The parts of `x[key]`.

    Raises:
        BoundsError: too many indices, or a known one is outside its axis.
        UsageError: something is no index.
        ShapeError: a mask does not have the sizes of the axes under it.
        DTypeError: an index is neither integer nor boolean.
    """
    chosen = mode or "error"
    if chosen not in MODES:
        raise UsageError(
            f"{name}: no mode {mode!r}",
            [f"modes: {', '.join(MODES)}"],
            "say what happens to an index outside its axis",
        )
    given = [_prepared(name, x, p) for p in (key if isinstance(key, tuple) else (key,))]
    parts: list[Part] = []
    axis = 0
    for part in _expanded(name, x, given):
        if part is None:
            parts.append(New())
        elif part is Ellipsis:
            parts.append(Dots())
        elif isinstance(part, slice):
            parts.append(_range(name, x, axis, part))
            axis += 1
        elif isinstance(part, int | Dim):
            parts.append(_integer(x, axis, part, chosen))
            axis += 1
        elif part.dtype == np.bool_ or part.dtype is dtypes.bool_:
            parts.append(_mask(name, x, axis, part))
            axis += part.ndim
        else:
            parts.append(_places(x, axis, part, chosen))
            axis += 1
    return Key(tuple(parts), chosen)


# ------------------------------------------------------------------ one part


def _prepared(name: str, x: Tensor, part: Any) -> Any:
    """None, ..., a slice, an int, or an array or Tensor of integers or booleans."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        return int(part)
    if type(part) is Dim:
        return part
    found = part if isinstance(part, Tensor) else _array(name, x, part)
    if isinstance(found, np.ndarray) and found.size == 0 and not hasattr(part, "dtype"):
        found = found.astype(np.int64)  # an empty list
    kind = found.dtype.kind if isinstance(found, Tensor) else found.dtype.kind.replace("b", "bool")
    if kind not in ("bool", "int", "uint", "i", "u"):
        raise DTypeError(
            f"{name}: {dtypes.dtype(found.dtype).long_name} is not an integer type",
            [f"tensor: {x.type}"],
            "indices are integers, masks are boolean: cast, or compare, as in x > 0",
        )
    return int(found) if isinstance(found, np.ndarray) and _is_integer(found) else found


def _is_integer(array: np.ndarray) -> bool:
    return array.ndim == 0 and array.dtype.kind in "iu"


def _array(name: str, x: Tensor, part: Any) -> Any:
    sequence = isinstance(part, list | tuple | range | bool | np.generic)
    if sequence or hasattr(part, "__array__"):
        try:
            holds = isinstance(part, list | tuple) and any(isinstance(p, Tensor) for p in part)
            found = asarray(part) if holds else np.asarray(part)
            if isinstance(found, Tensor) or found.dtype.kind in "biufc":
                return found
        except (LaminaError, ValueError):
            pass
    elif hasattr(part, "__index__"):
        return np.asarray(operator.index(part))
    raise UsageError(
        f"{name}: {type(part).__name__} is not an index",
        [f"tensor: {x.type}"],
        "use integers, slices, None, ..., or tensors and lists of integers or booleans",
    )


def _expanded(name: str, x: Tensor, parts: Sequence[Any]) -> list[Any]:
    """The parts with slices for what the ellipsis stands for and for what is not named."""
    taken = sum(_axes_taken(p) for p in parts)
    if taken > x.ndim:
        raise BoundsError(f"{name}: {taken} indices for {x.ndim} axes", [f"tensor: {x.type}"])
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise UsageError(f"{name}: more than one ellipsis", [f"tensor: {x.type}"])
    place = dots[0] + 1 if dots else len(parts)
    filler = [slice(None)] * (x.ndim - taken)
    return [*parts[:place], *filler, *parts[place:]]


def _axes_taken(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    is_mask = isinstance(part, Tensor | np.ndarray) and (
        part.dtype is dtypes.bool_ or part.dtype == np.bool_
    )
    return part.ndim if is_mask else 1


def _range(name: str, x: Tensor, axis: int, part: slice) -> Range:
    size = x.shape[axis]
    for bound in (part.start, part.stop, part.step):
        if isinstance(bound, Tensor) and bound.is_traced:
            source = bound._value.data.source
            assert source is not None
            raise TraceError(
                f"{name}: the bounds of a slice are not known inside {source.transform}",
                [f"tensor: {x.type}", f"bound:  {bound.type}"],
                "lm.dynamic_slice takes a start that is a tensor, and sizes that are not",
            )
    if Dim in map(type, (size, part.start, part.stop)):
        return _symbolic_range(name, x, axis, part)
    try:
        found = range(*part.indices(size))
    except (TypeError, ValueError) as refused:
        raise UsageError(
            f"{name}: {part} is no slice", [f"tensor: {x.type}", f"Python: {refused}"]
        ) from None
    return Range(axis, found.start, len(found), found.step) if found else Range(axis, 0, 0, 1)


def _symbolic_range(name: str, x: Tensor, axis: int, part: slice) -> Range:
    """What a slice takes of an axis whose size, or whose bounds, are symbols."""
    size: Any = x.shape[axis]
    step = 1 if part.step is None else operator.index(part.step)
    if step == -1 and part.start is None and part.stop is None:
        return Range(axis, size - 1, size, -1)
    if step < 1:
        raise UsageError(
            f"{name}: {part} is no slice of an axis whose size is a symbol",
            [f"tensor: {x.type}"],
            "take x[::-1] of what a slice with a positive step gives",
        )

    def counted(bound: Any) -> Any:
        bound = as_size(bound)
        return smaller(larger(bound + size, 0) if bound < 0 else bound, size)

    start = 0 if part.start is None else counted(part.start)
    stop = larger(size if part.stop is None else counted(part.stop), start)
    return Range(axis, start, (stop - start + step - 1) // step, step)


def static_index(at: int, axis: int, size: int) -> int:
    """`at` counted from the front.

    Raises:
        BoundsError: it is outside the axis.
    """
    if not -size <= at < size:
        raise BoundsError(
            f"index {at} is out of range for axis {axis} with size {size}",
            help=f"indices run from {-size} to {size - 1}" if size else "the axis is empty",
        )
    return at + size if at < 0 else at


def _integer(x: Tensor, axis: int, at: Any, mode: str) -> Part:
    size = x.shape[axis]
    if mode == "error" or -size <= at < size:
        return At(axis, static_index(at, axis, size))
    return _placed(axis, np.asarray(at), size, mode, False)


def _places(x: Tensor, axis: int, part: Any, mode: str) -> Places:
    size = x.shape[axis]
    if not isinstance(part, Tensor):
        return _placed(axis, part, size, mode, True)
    return Places(axis, 1, located(part, size, mode), None, part.ndim > 0)


def _placed(axis: int, known: np.ndarray, size: int, mode: str, is_array: bool) -> Places:
    if mode == "error":
        outside = known[(known < -size) | (known >= size)]
        if outside.size:
            static_index(int(outside.flat[0]), axis, size)
    known = known.astype(np.int64)
    if mode == "wrap" and size:
        known = known % size
    known = np.asarray(np.where(known < 0, known + size, known))
    if mode == "clip":
        known = np.clip(known, 0, max(size - 1, 0))
    return Places(axis, 1, asarray(known), known, is_array)


def located(part: Tensor, size: int, mode: str) -> Tensor:
    """Integers counted from the front of an axis; those outside treated as the mode says."""
    if part.dtype.kind == "uint" or type(size) is Dim or size > np.iinfo(part.dtype.numpy).max:
        part = cast(part, dtypes.int64)
    if mode == "wrap" and size:
        return part % size  # type: ignore[operator]
    counted = where(part < 0, part + size, part)  # type: ignore[operator]
    if mode == "clip":
        return maximum(minimum(counted, max(size - 1, 0)), 0)
    return counted


# ------------------------------------------------------------------ masks


def _mask(name: str, x: Tensor, axis: int, part: Any) -> Mask:
    under = x.shape[axis : axis + part.ndim]
    if tuple(part.shape) != under:
        raise ShapeError(
            f"{name}: the mask does not have the sizes of the axes under it",
            [f"tensor: {x.type}, axes {axis} to {axis + part.ndim - 1} of sizes {under}",
             f"mask:   bool{list(part.shape)}"],
            "compare the tensor itself, as in x[x > 0], or reduce the mask first",
        )  # fmt: skip
    return Mask(axis, asarray(part))


def looked_at(name: str, x: Tensor, key: Key) -> Key:
    """The key with places for masks.

    Raises:
        TraceError: a mask has no value yet, inside `jit` or `vmap`.
    """

    def places(part: Part) -> Part:
        if not isinstance(part, Mask):
            return part
        way_out = (
            "keep the shape with lm.where(mask, x, value), or give lm.nonzero and lm.compress the "
            "size of the result"
        )
        found = np.flatnonzero(elements(name, part.mask, way_out))
        return Places(part.axis, part.mask.ndim, asarray(found), found, True, True)

    return Key(tuple(places(p) for p in key.parts), key.mode)


def no_place_twice(parts: Sequence[Places], sizes: Sequence[int]) -> bool:
    """Whether it is known that several indices together name no place twice."""
    arrays = [p.known for p in parts]
    if len(parts) == 1 and parts[0].distinct:
        return True
    if any(a is None for a in arrays):
        return False
    together = np.broadcast_arrays(*arrays)  # type: ignore[arg-type]
    if together[0].size > 65536 or any((a < 0).any() or (a >= n).any() for a, n in
                                       zip(together, sizes, strict=True)):  # fmt: skip
        return False
    flat = np.ravel_multi_index(tuple(together), tuple(sizes)) if math.prod(sizes) else together[0]
    return np.unique(flat).size == flat.size
