"""Moving elements about without changing them. Each op's derivative is the op that moves them back:
Permute and its inverse, Reshape and its inverse, Slice and Pad, Concatenate and Slice. (Expand and
its mirror Sum are in `reduce`.)

An op here acts on trailing axes and gives `view`: which element of an operand stands at an index.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.base.dims import surely_negative, surely_zero
from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit, same_dtype

Index = tuple[Any, ...]
Reader = Callable[[Index], Any]


def check_axes(op: Op, axes: Sequence[int], x: TensorType, rank: int | None = None) -> None:
    """ShapeError unless `axes` are negative, ascending and within `rank` (that of x)."""
    rank = x.rank if rank is None else rank
    if any(not -rank <= a < 0 for a in axes) or list(axes) != sorted(set(axes)):
        raise ShapeError(
            f"{op.name}: axes {tuple(axes)} do not fit",
            [f"x: {x}", f"axes: {tuple(axes)} of rank {rank}"],
            f"give different axes from -{rank} to -1, in ascending order"
            if rank
            else "x has no axes",
        )


def trailing(op: Op, count: int, x: TensorType) -> tuple[int, ...]:
    """The sizes of the last `count` axes of x, or ShapeError if there are not so many."""
    if count > x.rank:
        raise ShapeError(
            f"{op.name}: parameters for {count} axes",
            [f"x: {x}", f"parameters: {count} axes, x has {x.rank}"],
            "give parameters for at most the axes of x",
        )
    return x.shape[x.rank - count :]


def _misfit(op: Op, x: TensorType, fact: str, help: str) -> ShapeError:
    return ShapeError(f"{op.name}: the parameters do not fit the axes", [f"x: {x}", fact], help)


@frozen
class Permute(Op):
    """Axis i of the result is axis order[i] of x, over the last len(order) axes.  Inputs: any.

    Source: ours.  Mirror of the inverse Permute.
    """

    part_by_part = True
    cost = 0
    order: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        sizes = trailing(self, len(self.order), x)
        if sorted(self.order) != list(range(-len(sizes), 0)):
            raise _misfit(
                self, x, f"order: {self.order}", f"name each axis from -{len(sizes)} to -1 once"
            )
        return x.with_shape(x.shape[: x.rank - len(sizes)] + tuple(sizes[a] for a in self.order))

    @property
    def inverse(self) -> tuple[int, ...]:
        """The order that undoes this one."""
        k = len(self.order)
        return tuple(self.order.index(a) - k for a in range(-k, 0))

    def reference(self, *arrays: Any) -> np.ndarray:
        x = arrays[0]
        lead = np.ndim(x) - len(self.order)
        return np.transpose(x, (*range(lead), *(a + np.ndim(x) for a in self.order)))

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return permute(bar, self.inverse)

    def view(self, s: Any, index: Index, x: Any) -> Any:
        lead = len(index) - len(self.order)
        return x(index[:lead] + tuple(index[len(index) + a] for a in self.inverse))


def permute(x: Any, order: Sequence[int]) -> Any:
    """The last axes of x in another order (negative positions); x itself if nothing moves."""
    order = tuple(order)
    return x if order == tuple(range(-len(order), 0)) else emit(Permute(order), x)


@frozen
class Reshape(Op):
    """The last axes, of sizes `source`, read in row-major order as axes of sizes `target`.

    Inputs: any.  Source: ours.  Mirror of the inverse Reshape.
    """

    part_by_part = True
    cost = 0
    source: tuple[int, ...]
    target: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        if trailing(self, len(self.source), x) != self.source:
            raise _misfit(self, x, f"source: {self.source}", "the source is the last axes of x")
        have, want = math.prod(self.source), math.prod(self.target)
        if have != want:
            raise ShapeError(
                "reshape: another number of elements",
                [f"from: {self.source} = {have}", f"to:   {self.target} = {want}"],
                "choose sizes with the same product",
            )
        return x.with_shape(x.shape[: x.rank - len(self.source)] + self.target)

    def reference(self, *arrays: Any) -> np.ndarray:
        x = arrays[0]
        return np.reshape(x, np.shape(x)[: np.ndim(x) - len(self.source)] + self.target)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return reshape(bar, self.target, self.source)

    def view(self, s: Any, index: Index, x: Any) -> Any:
        lead = len(index) - len(self.target)
        inner = index[lead:]
        read: list[Any] = []
        for source, target in _groups(self.source, self.target):
            read += _unravel(s, _ravel(s, inner[target], self.target[target]), self.source[source])
        return x(index[:lead] + tuple(read))


def _groups(source: tuple[int, ...], target: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """The shortest runs of axes, left to right, with equal products in source and target."""
    if 0 in source:
        return [(slice(0, len(source)), slice(0, len(target)))]
    groups, i, j = [], 0, 0
    while i < len(source) or j < len(target):
        a, b = i, j
        left = right = 1
        while i == a or j == b or left != right:
            if (
                i < len(source)
                and (left <= right or j == len(target))
                and not (i > a and left == right)
            ):
                left *= source[i]
                i += 1
            elif j < len(target):
                right *= target[j]
                j += 1
            else:
                break
        groups.append((slice(a, i), slice(b, j)))
    return groups


def _ravel(s: Any, index: Index, sizes: tuple[int, ...]) -> Any:
    """The row-major position of `index` among axes of `sizes`."""
    position = None
    for i, size in zip(index, sizes, strict=True):
        if size == 1:
            continue
        if position is None:
            position = i
        else:
            position = s.add(s.multiply(position, s.constant(size, "i64")), i)
    return s.constant(0, "i64") if position is None else position


def _unravel(s: Any, position: Any, sizes: tuple[int, ...]) -> list[Any]:
    """The index among axes of `sizes` whose row-major position is `position`."""
    index: list[Any] = []
    larger = [k for k, size in enumerate(sizes) if size != 1]
    for k in range(len(sizes) - 1, -1, -1):
        if sizes[k] == 1:
            index.append(s.constant(0, "i64"))
        elif k == larger[0]:
            index.append(position)
        else:
            size = s.constant(sizes[k], "i64")
            index.append(s.remainder(position, size))
            position = s.floor_divide(position, size)
    return index[::-1]


def reshape(x: Any, source: Sequence[int], target: Sequence[int]) -> Any:
    """The last axes of x, of sizes `source`, as axes of sizes `target`; x itself if they agree."""
    source, target = tuple(source), tuple(target)
    return x if source == target else emit(Reshape(source, target), x)


@frozen
class Slice(Op):
    """x[..., start:stop:step] over the last axes, steps >= 1.  Inputs: any.  Source: ours.

    Mirror of Pad.
    """

    part_by_part = True
    cost = 0
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        sizes = trailing(self, len(self.starts), x)
        bounds = list(zip(sizes, self.starts, self.stops, self.steps))
        if len(self.stops) != len(sizes) or len(self.steps) != len(sizes):
            raise _misfit(
                self, x, f"slice: {self}", "give a start, a stop and a step for each axis"
            )
        if any(not (0 <= a <= b <= n and c >= 1) for n, a, b, c in bounds):
            raise _misfit(
                self,
                x,
                f"slice: {list(zip(self.starts, self.stops, self.steps))} of sizes {sizes}",
                "start <= stop <= size must hold, and step >= 1",
            )
        shape = tuple((b - a + c - 1) // c for _, a, b, c in bounds)
        return x.with_shape(x.shape[: x.rank - len(sizes)] + shape)

    def reference(self, *arrays: Any) -> np.ndarray:
        parts = [slice(a, b, c) for a, b, c in zip(self.starts, self.stops, self.steps)]
        return np.asarray(arrays[0])[(..., *parts)].copy()

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        k = len(self.starts)
        low, high = [], []
        for n, a, m, c in zip(
            x.shape[x.rank - k :], self.starts, bar.shape[bar.rank - k :], self.steps
        ):
            some = c == 1 or bool(m)  # then what follows holds; for steps of 1 also without any
            low.append(a if some else 0)
            high.append(n - (a + (m - 1) * c + 1) if some else n)
        return pad(bar, low, high, [c - 1 for c in self.steps])

    def view(self, s: Any, index: Index, x: Any) -> Any:
        lead = len(index) - len(self.starts)
        inner = [_affine(s, i, c, a) for i, c, a in zip(index[lead:], self.steps, self.starts)]
        return x(index[:lead] + tuple(inner))


def _affine(s: Any, i: Any, scale: int, offset: int) -> Any:
    """scale * i + offset."""
    if scale != 1:
        i = s.multiply(i, s.constant(scale, "i64"))
    return s.add(i, s.constant(offset, "i64")) if offset else i


def slice_(
    x: Any, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int] | None = None
) -> Any:
    """x[..., start:stop:step] over the last axes."""
    steps = tuple(steps) if steps is not None else (1,) * len(starts)
    return emit(Slice(tuple(starts), tuple(stops), steps), x)


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """x from `start` to `stop` along one axis (negative), all of it along the others."""
    sizes = x.shape[x.rank + axis :]
    rest = sizes[1:]
    return slice_(x, (start, *(0 for _ in rest)), (stop, *rest))


@frozen
class Pad(Op):
    """x with zeros before, after and between its elements, over the last axes.  Inputs: any.

    `low` and `high` zeros at the ends, `interior` between neighbours. Source: XLA's Pad.
    Mirror of Slice.
    """

    part_by_part = True
    low: tuple[int, ...]
    high: tuple[int, ...]
    interior: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        sizes = trailing(self, len(self.low), x)
        if not len(self.low) == len(self.high) == len(self.interior) or any(
            surely_negative(n) for n in (*self.low, *self.high, *self.interior)
        ):
            raise _misfit(self, x, f"pad: {self}", "give low, high and interior >= 0 for each axis")
        shape = tuple(self.reach(k, n) + self.high[k] for k, n in enumerate(sizes))
        return x.with_shape(x.shape[: x.rank - len(sizes)] + shape)

    def reach(self, k: int, n: int) -> int:
        """Where the last of `n` elements of axis `k` ends in the result."""
        between = self.interior[k]
        return self.low[k] + (n + (n - 1) * between if between and n else n)

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.asarray(arrays[0])
        lead = x.ndim - len(self.low)
        sizes = [self.reach(k, n) + self.high[k] for k, n in enumerate(x.shape[lead:])]
        out = np.zeros((*x.shape[:lead], *sizes), x.dtype)
        parts = [
            slice(self.low[k], self.reach(k, n), self.interior[k] + 1)
            for k, n in enumerate(x.shape[lead:])
        ]
        out[(..., *parts)] = x
        return out

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        sizes = x.shape[x.rank - len(self.low) :]
        stops = [self.reach(k, n) for k, n in enumerate(sizes)]
        return slice_(bar, self.low, stops, [g + 1 for g in self.interior])

    def view(self, s: Any, index: Index, x: Any) -> Any:
        lead = len(index) - len(self.low)
        sizes = x.type.shape[lead:]
        read, inside = [], []
        for k, (i, n) in enumerate(zip(index[lead:], sizes)):
            low, high, step = self.low[k], self.high[k], self.interior[k] + 1
            if low:
                i = s.subtract(i, s.constant(low, "i64"))
                inside.append(s.less_equal(s.constant(0, "i64"), i))
            if high or not n:
                inside.append(s.less(i, s.constant((n - 1) * step + 1 if n else 0, "i64")))
            if step > 1:
                stride = s.constant(step, "i64")
                inside.append(s.equal(s.remainder(i, stride), s.constant(0, "i64")))
                i = s.floor_divide(i, stride)
            read.append(i)
        return when_all(s, inside, lambda: x(index[:lead] + tuple(read)), x.type)


def when_all(s: Any, conditions: list[Any], thunk: Callable[[], Any], type: TensorType) -> Any:
    """`thunk()` where all conditions hold, else zero of the element type."""
    if not conditions:
        return thunk()
    met = conditions[0]
    for condition in conditions[1:]:
        met = s.and_(met, condition)
    zero = {"bool": False, "float": 0.0, "storage": 0.0}.get(type.dtype.kind, 0)
    return s.when(met, thunk, s.constant(zero, type.dtype.name))


def pad(
    x: Any, low: Sequence[int], high: Sequence[int], interior: Sequence[int] | None = None
) -> Any:
    """x with zeros at the ends of its last axes and, if asked, between elements."""
    between = tuple(interior) if interior is not None else (0,) * len(low)
    op = Pad(tuple(low), tuple(high), between)
    nothing = all(map(surely_zero, (*op.low, *op.high, *op.interior)))
    return x if nothing else emit(op, x)


@frozen
class Flip(Op):
    """x backwards along `axes` (negative, ascending).  Inputs: any.  Source: ours.

    Its own mirror.
    """

    part_by_part = True
    cost = 0
    axes: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        check_axes(self, self.axes, types[0])
        return types[0]

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.flip(arrays[0], self.axes).copy()

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return flip(bar, self.axes)

    def view(self, s: Any, index: Index, x: Any) -> Any:
        rank = len(index)
        read = list(index)
        for a in self.axes:
            last = s.constant(x.type.shape[a] - 1, "i64")
            read[rank + a] = s.subtract(last, index[rank + a])
        return x(tuple(read))


def flip(x: Any, axes: Sequence[int]) -> Any:
    """x backwards along `axes` (negative)."""
    return emit(Flip(tuple(sorted(axes))), x) if axes else x


@frozen
class Concatenate(Op):
    """The operands one after the other along `axis` (negative).  Inputs: any, of one dtype.

    Source: ours.  Mirror of as many Slices.
    """

    part_by_part = True
    arity = None
    jointly = True
    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        dtype = same_dtype(self, types)
        first = types[0]
        check_axes(self, (self.axis,), first)
        at = first.rank + self.axis
        for i, t in enumerate(types):
            if t.rank != first.rank or any(
                n != m for a, (n, m) in enumerate(zip(t.shape, first.shape)) if a != at
            ):
                raise ShapeError(
                    f"concatenate: operands differ beside axis {self.axis}",
                    [f"operand 0: {first}", f"operand {i}: {t}"],
                    "only the axis they are joined along may differ",
                )
        joined = sum(t.shape[at] for t in types)
        return TensorType(dtype, (*first.shape[:at], joined, *first.shape[at + 1 :]))

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.concatenate(arrays, self.axis)

    def transpose(self, i: int, bar: Any, *operands: Any) -> Any:
        start = sum(x.shape[self.axis] for x in operands[:i])
        return part(bar, self.axis, start, start + operands[i].shape[self.axis])

    def view(self, s: Any, index: Index, *operands: Any) -> Any:
        at = len(index) + self.axis
        offset = sum(x.type.shape[at] for x in operands)
        result = None
        for x in reversed(operands):
            end, offset = offset, offset - x.type.shape[at]
            local = _affine(s, index[at], 1, -offset)
            read = lambda x=x, i=local: x((*index[:at], i, *index[at + 1 :]))
            if result is None:
                later = s.less_equal(s.constant(offset, "i64"), index[at])
                result = when_all(s, [later] if offset else [], read, x.type)
            else:
                inside = s.less(index[at], s.constant(end, "i64"))
                if offset:
                    inside = s.and_(inside, s.less_equal(s.constant(offset, "i64"), index[at]))
                result = s.when(inside, read, result)
        return result


def concatenate(operands: Sequence[Any], axis: int) -> Any:
    """The operands one after the other along `axis` (negative)."""
    return emit(Concatenate(axis), *operands) if len(operands) > 1 else operands[0]
