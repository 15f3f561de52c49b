"""Parts of a tensor: basic indexing, and indexing by integer tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import BoundsError, DTypeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Flip, Gather, Slice
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.elementwise import where
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis, permute_dims, reshape
from lamina.tensor.promotion import broadcast_shapes, broadcast_to
from lamina.tensor.tensor import Tensor


def index(x: Tensor, key: Any) -> Tensor:
    """`x[key]`: integers, slices with any step, None, Ellipsis and integer tensors.

    Raises:
        BoundsError: an integer is outside its axis.
        UsageError: a boolean mask, or too many indices.
    """
    parts = _expanded(x, key if isinstance(key, tuple) else (key,))
    plan = _plan(x, parts)
    result = _sliced(x, plan)
    result = reshape(result, [n for n in plan.shape if n is not None])
    return _gathered(result, plan.tensors) if plan.tensors else result


@dataclass
class _Plan:
    """Basic indexing as one slice, one flip and one reshape; integer tensors come after it."""

    starts: list[int]
    stops: list[int]
    steps: list[int]
    flipped: list[int]
    shape: list[int | None]
    tensors: list[tuple[int, Tensor]]  # axis of the reshaped tensor, indices


def _expanded(x: Tensor, parts: tuple[Any, ...]) -> list[Any]:
    """The key with slices in place of the ellipsis and of what is not named."""
    taken = sum(p is not None and p is not Ellipsis for p in parts)
    if taken > x.ndim:
        raise BoundsError(f"index: {taken} indices for {x.ndim} axes", [f"tensor: {x.type}"])
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise UsageError("index: more than one ellipsis", [f"tensor: {x.type}"])
    place = dots[0] if dots else len(parts)
    filler = [slice(None)] * (x.ndim - taken)
    return [*parts[:place], *filler, *parts[place + 1 :]]


def _plan(x: Tensor, parts: list[Any]) -> _Plan:
    plan = _Plan([], [], [], [], [], [])
    for part in parts:
        axis = len(plan.starts)
        if part is None:
            plan.shape.append(1)
        elif isinstance(part, slice):
            _plan_slice(plan, axis, part, x.shape[axis])
        elif _is_integer(part):
            at = static_index(int(part), axis, x.shape[axis])
            _append(plan, at, at + 1, 1)
        else:
            plan.tensors.append((len(plan.shape), _indices(part, axis, x)))
            plan.shape.append(x.shape[axis])
            _append(plan, 0, x.shape[axis], 1)
    return plan


def _append(plan: _Plan, start: int, stop: int, step: int) -> None:
    plan.starts.append(start)
    plan.stops.append(stop)
    plan.steps.append(step)


def _plan_slice(plan: _Plan, axis: int, part: slice, size: int) -> None:
    found = range(*part.indices(size))
    count = len(found)
    plan.shape.append(count)
    if count == 0:
        _append(plan, 0, 0, 1)
    elif found.step > 0:
        _append(plan, found.start, found[-1] + 1, found.step)
    else:  # flip the axis, then step forwards
        plan.flipped.append(axis)
        start = size - 1 - found.start
        _append(plan, start, size - found[-1], -found.step)


def _is_integer(part: Any) -> bool:
    if isinstance(part, bool | np.bool_):
        return False
    return isinstance(part, int | np.integer)


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
    return at % size


def _indices(part: Any, axis: int, x: Tensor) -> Tensor:
    """`part` as a tensor of integers counted from the front; known data is checked at once."""
    if isinstance(part, list | np.ndarray):
        return _checked(np.asarray(part), axis, x)
    if not isinstance(part, Tensor):
        raise UsageError(
            f"index: {type(part).__name__} is not an index",
            [f"tensor: {x.type}"],
            "use integers, slices, None, ... or a tensor of integers",
        )
    _require_integers(part.dtype, x)
    if part.dtype.kind == "uint":
        return cast(part, dtypes.int64)
    if x.shape[axis] > np.iinfo(part.dtype.numpy).max:
        part = cast(part, dtypes.int64)
    return where(part < 0, part + x.shape[axis], part)


def _checked(known: np.ndarray, axis: int, x: Tensor) -> Tensor:
    if known.size == 0:
        known = known.astype(np.int64)
    _require_integers(dtypes.dtype(known.dtype), x)
    size = x.shape[axis]
    outside = known[(known < -size) | (known >= size)]
    if outside.size:
        static_index(int(outside.flat[0]), axis, size)
    known = known.astype(np.int64)
    return asarray(np.where(known < 0, known + size, known))


def _require_integers(dtype: dtypes.DType, x: Tensor) -> None:
    if dtype is dtypes.bool_:
        raise UsageError(
            "index: the shape under a boolean mask is not known while tracing",
            [f"tensor: {x.type}"],
            "keep the shape with lm.where(mask, x, value), or select in NumPy",
        )
    if not dtype.is_integer:
        raise DTypeError(f"index: {dtype.long_name} is not an integer type", [f"tensor: {x.type}"])


def _sliced(x: Tensor, plan: _Plan) -> Tensor:
    if plan.flipped:
        x = emit(Flip(tuple(a - x.ndim for a in plan.flipped)), x)
    whole = all(s == 0 for s in plan.starts) and all(s == 1 for s in plan.steps)
    if whole and plan.stops == list(x.shape):
        return x
    return emit(Slice(tuple(plan.starts), tuple(plan.stops), tuple(plan.steps)), x)


def _gathered(x: Tensor, tensors: list[tuple[int, Tensor]]) -> Tensor:
    axes = [axis for axis, _ in tensors]
    first = axes[0]
    if axes != list(range(first, first + len(axes))):
        raise UsageError(
            "index: integer tensors on axes that are not next to each other",
            [f"tensor: {x.type}", f"axes: {axes}"],
            "permute the axes first",
        )
    if len(axes) == 1:
        return _take(x, tensors[0][1], first)
    sizes = [x.shape[a] for a in axes]
    joined = (*x.shape[:first], math.prod(sizes), *x.shape[first + len(axes) :])
    linear, reach = cast(tensors[0][1], dtypes.int64), sizes[0]
    for size, (_, following) in zip(sizes[1:], tensors[1:], strict=True):
        reach *= size
        inside = (following >= 0) & (following < size)  # else it would be read in another row
        linear = where(inside, linear * size + following, reach)
    return _take(reshape(x, joined), linear, first)


def _take(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Gather along `axis`; the axes of the indices stand where it was."""
    front = moveaxis(x, axis, 0) if axis else x
    found = emit(Gather(front.ndim - 1, indices.ndim), front, indices)
    before = range(indices.ndim, indices.ndim + axis)
    after = range(indices.ndim + axis, found.ndim)
    return permute_dims(found, [*before, *range(indices.ndim), *after])


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """The slices of `x` at `indices` along `axis`; that of a flattened tensor when None.

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
    return _take(x, _indices(known, place, x), place)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """The elements of `x` at `indices` along `axis`, place by place.

    Shapes: `x: [*A, N, *C], indices: [*A, K, *C] -> [*A, K, *C]`

    Source: Python array API 2024.12, `take_along_axis`.
    """
    x = asarray(x)
    place = normal_axis("take_along_axis", axis, x.ndim)
    known = indices if isinstance(indices, Tensor) else np.asarray(indices)
    found = _indices(known, place, x)
    x, found = moveaxis(x, place, -1), moveaxis(found, place, -1)
    lead = broadcast_shapes("take_along_axis", [x.shape[:-1], found.shape[:-1]])
    x = broadcast_to(x, (*lead, x.shape[-1]))
    found = broadcast_to(found, (*lead, found.shape[-1]))
    return moveaxis(emit(Gather(0, 1), x, found), -1, place)


def one_hot(indices: Any, classes: int, *, dtype: Any = None) -> Tensor:
    """1 at the index and 0 elsewhere, along a new last axis; an index outside gives zeros.

    Shapes: `indices: [*I] -> [*I, classes]`

    Source: PyTorch, `nn.functional.one_hot`.
    """
    places = asarray(indices)
    if places.dtype.is_integer and places.dtype.bits < 32:  # classes beyond its range would wrap
        places = cast(places, dtypes.int32)
    counted = asarray(np.arange(classes, dtype=places.dtype.numpy))
    same: Any = counted == reshape(places, (*places.shape, 1))
    return cast(same, dtypes.float32 if dtype is None else dtypes.dtype(dtype))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate tensors of a grid. Source: Python array API 2024.12, `meshgrid`."""
    given = [asarray(a) for a in arrays]
    shapes: Sequence[int] = [a.size for a in given]
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[0], order[1] = 1, 0
    grid = tuple(shapes[i] for i in order)
    found = []
    for i, a in enumerate(given):
        sizes = [1] * len(given)
        sizes[order.index(i)] = a.size
        found.append(broadcast_to(reshape(a, sizes), grid))
    return found
