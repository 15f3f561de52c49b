"""Blocks whose place is data: DynamicSlice reads one, DynamicUpdateSlice puts one in its place.

Both take one start for each of their axes, as integer operands of the shape of the leading axes. A
start is moved to where the whole block lies inside: no place is out of range. Source: XLA's
operators of the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit, same_dtype
from lamina.graph.ops.constant import constant, zeros_like
from lamina.graph.ops.shape import Pad, Slice, check_axes, pad, slice_


def _check_starts(op: Op, axes: Sequence[int], x: TensorType, starts: Sequence[TensorType]) -> None:
    """One integer start for each axis, all of the shape of the same leading axes of x."""
    check_axes(op, axes, x)
    facts = [f"x: {x}", f"axes: {tuple(axes)}", f"starts: {', '.join(map(str, starts)) or 'none'}"]
    if len(starts) != len(axes):
        raise ShapeError(
            f"{op.name}: as many starts as axes", facts, "give one start for each axis"
        )
    if not all(t.dtype.is_integer for t in starts):
        raise DTypeError(f"{op.name}: starts are integers", facts, "cast the starts to int64")
    lead = starts[0].shape if starts else ()
    if any(t.shape != lead for t in starts) or x.shape[: len(lead)] != lead:
        raise ShapeError(
            f"{op.name}: the starts have the leading axes of x", facts, "give numbers of rank 0"
        )
    if axes and axes[0] + x.rank < len(lead):
        raise ShapeError(f"{op.name}: a named axis is a leading one", facts, "name later axes")


def _clamped(start: np.ndarray, size: int, whole: int) -> np.ndarray:
    """Where a block of `size` begins so that it lies in 0..whole."""
    return np.clip(start.astype(np.int64), 0, whole - size)


def _clamp(s: Any, start: Any, size: int, whole: int) -> Any:
    """The same in the arithmetic of lanes."""
    if start.dtype != "i64":
        start = s.cast(start, "i64")
    last = s.constant(whole - size, "i64")
    return s.minimum(s.maximum(start, s.constant(0, "i64")), last)


def _blocks(
    x: np.ndarray, axes: Sequence[int], sizes: Sequence[int], starts: Sequence[np.ndarray]
) -> list[tuple[Any, ...]]:
    """For each leading index, the index of x that stands for its block."""
    lead = starts[0].shape if starts else ()
    found: list[tuple[Any, ...]] = []
    for place in np.ndindex(*lead):
        index: list[Any] = [*place, *[slice(None)] * (x.ndim - len(lead))]
        for axis, size, start in zip(axes, sizes, starts):
            first = int(_clamped(np.asarray(start[place]), size, x.shape[axis]))
            index[x.ndim + axis] = slice(first, first + size)
        found.append(tuple(index))
    return found


@frozen
class DynamicSlice(Op):
    """The block of x of `sizes` along `axes` that begins at the starts, one operand an axis.

    x: [*lead, ...], starts: [*lead] each -> x with `sizes` at `axes` (negative, ascending). A start
    is clamped to where the block fits.  Inputs: any, and integers.  Source: XLA's DynamicSlice.
    Mirror of DynamicUpdateSlice.
    """

    part_by_part = True
    arity = None
    axes: tuple[int, ...]
    sizes: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        x, *starts = types
        _check_starts(self, self.axes, x, starts)
        whole = tuple(x.shape[a] for a in self.axes)
        if len(self.sizes) != len(whole) or any(not 0 <= m <= n for m, n in zip(self.sizes, whole)):
            raise ShapeError(
                "dynamic_slice: the block does not fit into x",
                [f"x: {x}", f"axes: {self.axes} of sizes {whole}", f"block: {self.sizes}"],
                "give a size from 0 to that of the axis for each axis",
            )
        shape = list(x.shape)
        for axis, size in zip(self.axes, self.sizes):
            shape[axis] = size
        return x.with_shape(shape)

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0,)

    def reference(self, *arrays: Any) -> np.ndarray:
        x, *starts = (np.asarray(a) for a in arrays)
        lead = starts[0].shape if starts else ()
        parts = [x[index] for index in _blocks(x, self.axes, self.sizes, starts)]
        shape = list(x.shape)
        for axis, size in zip(self.axes, self.sizes):
            shape[axis] = size
        return np.array(parts, x.dtype).reshape((*lead, *shape[len(lead) :]))

    def transpose(self, i: int, bar: Any, x: Any, *starts: Any) -> Any:
        return dynamic_update_slice(zeros_like(x), bar, self.axes, starts)

    def view(self, s: Any, index: tuple[Any, ...], x: Any, *starts: Any) -> Any:
        read = list(index)
        for axis, size, start in zip(self.axes, self.sizes, starts):
            first = start(index[: start.type.rank])
            read[axis] = s.add(_clamp(s, first, size, x.type.shape[axis]), index[axis])
        return x(tuple(read))


def dynamic_slice(x: Any, axes: Sequence[int], sizes: Sequence[int], starts: Sequence[Any]) -> Any:
    """The block of x of `sizes` along `axes` (negative, ascending) that begins at `starts`."""
    return emit(DynamicSlice(tuple(axes), tuple(sizes)), x, *starts)


@frozen
class DynamicUpdateSlice(Op):
    """x with the block at the starts replaced by y, which has another size only along `axes`.

    x: [*lead, ...], y: [*lead, ...], starts: [*lead] each -> as x. A start is clamped to where the
    block fits.  Inputs: two of one dtype, and integers.  Source: XLA's DynamicUpdateSlice.
    Mirror of DynamicSlice; linear in x and y together.
    """

    part_by_part = True
    arity = None
    jointly = True
    axes: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        if len(types) < 2:
            raise UsageError(
                f"dynamic_update_slice: takes x, y and starts, got {len(types)} operands"
            )
        x, y, *starts = types
        same_dtype(self, (x, y))
        _check_starts(self, self.axes, x, starts)
        named = {a + x.rank for a in self.axes}
        fits = y.rank == x.rank and all(
            m <= n if i in named else m == n for i, (m, n) in enumerate(zip(y.shape, x.shape))
        )
        if not fits:
            raise ShapeError(
                "dynamic_update_slice: the block does not fit into x",
                [f"x: {x}", f"y: {y}", f"axes: {self.axes}"],
                "y has the sizes of x, and smaller ones at most along the axes",
            )
        return x

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0, 1)

    def _sizes(self, y: Any) -> tuple[int, ...]:
        return tuple(y.shape[a] for a in self.axes)

    def reference(self, *arrays: Any) -> np.ndarray:
        x, y, *starts = (np.asarray(a) for a in arrays)
        out = np.array(x)
        lead = starts[0].shape if starts else ()
        indices = _blocks(x, self.axes, self._sizes(y), starts)
        for place, index in zip(np.ndindex(*lead), indices, strict=True):
            out[index] = y[place]
        return out

    def transpose(self, i: int, bar: Any, x: Any, y: Any, *starts: Any) -> Any:
        if i == 1:
            return dynamic_slice(bar, self.axes, self._sizes(y), starts)
        return dynamic_update_slice(bar, zeros_like(y), self.axes, starts)

    def view(self, s: Any, index: tuple[Any, ...], x: Any, y: Any, *starts: Any) -> Any:
        read, inside = list(index), []
        for axis, size, start in zip(self.axes, self._sizes(y.type), starts):
            if size == x.type.shape[axis]:
                continue
            first = _clamp(s, start(index[: start.type.rank]), size, x.type.shape[axis])
            read[axis] = s.subtract(index[axis], first)
            inside.append(s.less_equal(first, index[axis]))
            inside.append(s.less(index[axis], s.add(first, s.constant(size, "i64"))))
        if not y.type.size:
            return x(index)
        if not inside:
            return y(tuple(read))
        met = inside[0]
        for condition in inside[1:]:
            met = s.and_(met, condition)
        return s.when(met, lambda: y(tuple(read)), x(index))


def dynamic_update_slice(x: Any, y: Any, axes: Sequence[int], starts: Sequence[Any]) -> Any:
    """x with the block that begins at `starts` along `axes` (negative, ascending) replaced by y."""
    return emit(DynamicUpdateSlice(tuple(axes)), x, y, *starts)


# ---------------------------------------------------------------- known places as data


def moves(op: Slice | Pad, result: TensorType, x: TensorType) -> tuple[Any, tuple[int, ...]]:
    """What `op` does wherever its block lies, and where it lies: hashable, and its starts."""
    if type(op) is Slice:
        sizes = tuple([b - a for a, b in zip(op.starts, op.stops)])
        axes = _shorter(sizes, x.shape)
        return ("slice", sizes, op.steps), tuple([op.starts[a] for a in axes])
    assert type(op) is Pad
    sizes = tuple([op.reach(k, n) - op.low[k] for k, n in enumerate(_last(x.shape, op.low))])
    axes = _shorter(sizes, result.shape)
    return ("pad", result.shape, op.interior), tuple([op.low[a] for a in axes])


def moved(op: Slice | Pad, x: Any, result: TensorType, starts: Sequence[Any]) -> Any:
    """`op` on `x`, its block at `starts`: data in place of the numbers that `moves` gives."""
    if type(op) is Slice:
        sizes = tuple([b - a for a, b in zip(op.starts, op.stops)])
        axes = _shorter(sizes, x.shape)
        y = dynamic_slice(x, axes, [sizes[a] for a in axes], starts) if axes else x
        return y if set(op.steps) <= {1} else slice_(y, [0] * len(sizes), sizes, op.steps)
    assert type(op) is Pad
    none = [0] * len(op.low)
    y = pad(x, none, none, op.interior)
    axes = _shorter(_last(y.shape, op.low), result.shape)
    whole = constant(False if result.dtype.kind == "bool" else 0, result.dtype, result.shape)
    return dynamic_update_slice(whole, y, axes, starts) if axes else y


def _last(shape: Sequence[int], like: Sequence[int]) -> tuple[int, ...]:
    return tuple(shape[len(shape) - len(like) :])


def _shorter(sizes: Sequence[int], whole: Sequence[int]) -> tuple[int, ...]:
    """The axes (negative) along which a block of `sizes` is not the whole."""
    k = len(sizes)
    return tuple([a - k for a, n in enumerate(_last(whole, sizes)) if sizes[a] != n])
