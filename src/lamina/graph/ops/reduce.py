"""Reductions: many elements into one, and where the extreme one stands; Expand, the mirror of Sum.

Sum, Max and the others inherit their one field, so they need no decorator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lamina.base.dims import surely_negative
from lamina.base.dtypes import DType, int64
from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit
from lamina.graph.ops import shape
from lamina.graph.ops.arithmetic import Multiply
from lamina.graph.ops.comparison import equal, not_equal, select
from lamina.graph.ops.constant import lift, zeros_like
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import NUMBERS, REALS, in_single
from lamina.graph.ops.iota import iota
from lamina.graph.ops.logic import or_
from lamina.graph.ops.pairs import Parts


@frozen
class Reduction(Op, abstract=True):
    """Combines all elements along `axes` (negative, ascending), which the result has no more.

    `combiner` is the lane operation that combines two, `identity(dtype)` what an empty axis gives.
    Floats are combined in any order; f16 and bf16 in f32.
    """

    combiner: ClassVar[str]
    kinds: ClassVar[str] = REALS
    axes: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        self.require(self.kinds, *types)
        x = types[0]
        shape.check_axes(self, self.axes, x)
        return x.with_shape([n for i, n in enumerate(x.shape) if i - x.rank not in self.axes])

    def identity(self, dtype: DType) -> int | float:
        """The element that changes nothing when combined."""
        raise NotImplementedError


def lowest(dtype: DType) -> int | float:
    """What every number of a dtype is at least."""
    return -math.inf if dtype.is_float else int(np.iinfo(dtype.numpy).min)


def highest(dtype: DType) -> int | float:
    """What every number of a dtype is at most."""
    return math.inf if dtype.is_float else int(np.iinfo(dtype.numpy).max)


def _ordered(axes: int | Sequence[int]) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else tuple(sorted(axes))


def _along(op: Reduction, value: Any, like: Any) -> Any:
    """A result of the reduction `op`, repeated to the type of its operand `like`."""
    return expand(value, op.axes, tuple(like.shape[a] for a in op.axes))


class Sum(Reduction):
    """The sum along axes, 0 for an empty one.  Inputs: a number; the dtype stays, integers wrap.

    Source: ours.  Mirror of Expand.
    """

    part_by_part = True
    combiner = "add"
    kinds = NUMBERS

    def identity(self, dtype: DType) -> int | float:
        return 0.0 if dtype.is_inexact else 0

    def reference(self, *arrays: Any) -> np.ndarray:
        return in_single(lambda x: np.sum(x, self.axes, dtype=x.dtype), *arrays)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return _along(self, bar, x)


def sum(x: Any, axes: int | Sequence[int]) -> Any:
    """The sum along `axes` (negative)."""
    axes = _ordered(axes)
    return emit(Sum(axes), x) if axes else x


@frozen
class Expand(Op):
    """x repeated along new axes: `sizes` at the positions `axes` of the result.

    `axes` are negative and ascending.  Inputs: any.  Source: ours.  Mirror of Sum.
    """

    part_by_part = True
    cost = 0
    axes: tuple[int, ...]
    sizes: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        rank = x.rank + len(self.axes)
        shape.check_axes(self, self.axes, x, rank)
        if len(self.sizes) != len(self.axes) or any(surely_negative(n) for n in self.sizes):
            raise ShapeError(
                "expand: as many sizes as axes",
                [f"axes: {self.axes}", f"sizes: {self.sizes}"],
                "give one size, at least 0, for each new axis",
            )
        return x.with_shape(self._merge(x.shape))

    def _merge(self, kept: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes of the result from those of x."""
        rest, new = iter(kept), dict(zip(self.axes, self.sizes, strict=True))
        rank = len(kept) + len(new)
        return tuple(new[a] if a in new else next(rest) for a in range(-rank, 0))

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.asarray(arrays[0])
        full = self._merge(x.shape)
        return np.broadcast_to(np.expand_dims(x, self.axes), full).copy()

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return sum(bar, self.axes)

    def view(self, s: Any, index: tuple[Any, ...], x: Any) -> Any:
        rank = len(index)
        return x(tuple(i for a, i in enumerate(index) if a - rank not in self.axes))


def expand(x: Any, axes: Sequence[int], sizes: Sequence[int]) -> Any:
    """x repeated along new axes at these positions of the result (negative, ascending)."""
    axes, sizes = tuple(axes), tuple(sizes)
    return emit(Expand(axes, sizes), x) if axes else x


class Product(Reduction):
    """The product along axes, 1 for an empty one.  Inputs: a number; the dtype stays.

    Source: ours.  The derivative multiplies in pairs, so it is exact where factors are 0.
    """

    combiner = "multiply"
    kinds = NUMBERS

    def identity(self, dtype: DType) -> int | float:
        return 1.0 if dtype.is_inexact else 1

    def reference(self, *arrays: Any) -> np.ndarray:
        return in_single(lambda x: np.prod(x, self.axes, dtype=x.dtype), *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        x, dot = (_axes_last(v, self.axes) for v in (operands[0], dots[0]))
        rest: list[tuple[Any, Any]] = []
        while x.shape[-1] > 1:
            half, odd = divmod(x.shape[-1], 2)
            if odd:
                rest.append((shape.part(x, -1, 2 * half, 2 * half + 1),
                             shape.part(dot, -1, 2 * half, 2 * half + 1)))  # fmt: skip
            left, right = shape.part(x, -1, 0, half), shape.part(x, -1, half, 2 * half)
            dot = shape.part(dot, -1, 0, half) * right + left * shape.part(dot, -1, half, 2 * half)
            x = left * right
        for factor, factor_dot in rest:
            dot = dot * factor + x * factor_dot
            x = x * factor
        return sum(dot, -1)

    def split(self, x: Parts) -> Parts:
        """The product of halves, until one element is left."""
        re, im = _axes_last(x.re, self.axes), _axes_last(x.im, self.axes)
        if not re.shape[-1]:
            return Parts(product(re, -1), sum(im, -1))
        odd: list[Parts] = []
        while (n := re.shape[-1]) > 1:
            odd += [_run(re, im, n - 1, n)] * (n % 2)
            re, im = _times(_run(re, im, 0, n // 2), _run(re, im, n // 2, n // 2 * 2))
        for other in odd:
            re, im = _times(Parts(re, im), other)
        return Parts(sum(re, -1), sum(im, -1))


def _run(re: Any, im: Any, start: int, stop: int) -> Parts:
    """Elements `start` to `stop` of the last axis."""
    return Parts(shape.part(re, -1, start, stop), shape.part(im, -1, start, stop))


def _times(x: Parts, y: Parts) -> tuple[Any, Any]:
    both = Multiply().split(x, y)
    return both.re, both.im


def _axes_last(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` with `axes` moved behind the others and merged into one."""
    span = -axes[0]
    kept = tuple(a for a in range(-span, 0) if a not in axes)
    moved = shape.permute(x, kept + axes)
    sizes = moved.shape[moved.rank - len(axes) :]
    return shape.reshape(moved, sizes, (math.prod(sizes),))


def product(x: Any, axes: int | Sequence[int]) -> Any:
    """The product along `axes` (negative)."""
    axes = _ordered(axes)
    return emit(Product(axes), x) if axes else x


class Extreme(Reduction, abstract=True):
    """Max and Min: the derivative is shared evenly among ties."""

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        x, dot = operands[0], dots[0]
        if not x.type.size:
            return zeros_like(out)
        hit = equal(x, _along(self, out, x))
        count = sum(cast(hit, x.dtype), self.axes)
        return sum(select(hit, dot, zeros_like(dot)), self.axes) / count


class Max(Extreme):
    """The maximum along axes, the lowest number for an empty one; NaN wins.  Inputs: a number.

    Source: ours.  Ties share the derivative evenly.
    """

    combiner = "maximum"

    def identity(self, dtype: DType) -> int | float:
        return lowest(dtype)

    def reference(self, *arrays: Any) -> np.ndarray:
        return _extreme(np.max, self.axes, lowest, arrays[0])


def max(x: Any, axes: int | Sequence[int]) -> Any:
    """The maximum along `axes` (negative)."""
    axes = _ordered(axes)
    return emit(Max(axes), x) if axes else x


class Min(Extreme):
    """The minimum along axes, the highest number for an empty one; NaN wins.  Inputs: a number.

    Source: ours.  Ties share the derivative evenly.
    """

    combiner = "minimum"

    def identity(self, dtype: DType) -> int | float:
        return highest(dtype)

    def reference(self, *arrays: Any) -> np.ndarray:
        return _extreme(np.min, self.axes, highest, arrays[0])


def min(x: Any, axes: int | Sequence[int]) -> Any:
    """The minimum along `axes` (negative)."""
    axes = _ordered(axes)
    return emit(Min(axes), x) if axes else x


def _extreme(reduce: Any, axes: tuple[int, ...], identity: Any, array: Any) -> np.ndarray:
    """np.max or np.min with a start, so that empty axes are allowed."""

    def formula(x: np.ndarray) -> Any:
        start = (np.inf if identity is highest else -np.inf) if x.dtype.kind == "f" else None
        if start is None:
            info = np.iinfo(x.dtype)
            start = info.max if identity is highest else info.min
        return reduce(x, axis=axes, initial=start)

    return in_single(formula, array)


@frozen
class ArgExtreme(Op, abstract=True):
    """Where the extreme element stands along `axis`: the first one, or the first NaN."""

    constant = True
    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        self.require(REALS, *types)
        x = types[0]
        shape.check_axes(self, (self.axis,), x)
        if x.shape[self.axis] == 0:
            raise ShapeError(
                f"{self.name}: nothing to choose from",
                [f"x: {x}", f"axis {self.axis} has no elements"],
                "check that the axis is not empty first",
            )
        kept = [n for i, n in enumerate(x.shape) if i - x.rank != self.axis]
        return TensorType(int64, kept)


def _first_position(x: Any, extreme: Any, axis: int) -> Any:
    """The first position along `axis` where x equals the `extreme`, or is NaN."""
    size = x.shape[axis]
    hit = equal(x, expand(extreme, (axis,), (size,)))
    if x.dtype.is_float:
        hit = or_(hit, not_equal(x, x))
    others = tuple(a for a in range(-x.rank, 0) if a != axis)
    positions = expand(iota(size, int64), others, tuple(x.shape[a] for a in others))
    return min(select(hit, positions, lift(size, positions)), axis)


class ArgMax(ArgExtreme):
    """The position of the first maximum along an axis, as int64; NaN wins.  Inputs: a number.

    Source: array API 2024.12.
    """

    def reference(self, *arrays: Any) -> np.ndarray:
        return in_single(lambda x: np.argmax(x, self.axis), *arrays).astype(np.int64)

    def compose(self, x: Any) -> Any:
        return _first_position(x, max(x, self.axis), self.axis)


def argmax(x: Any, axis: int) -> Any:
    """The position of the first maximum along `axis` (negative)."""
    return emit(ArgMax(axis), x)


class ArgMin(ArgExtreme):
    """The position of the first minimum along an axis, as int64; NaN wins.  Inputs: a number.

    Source: array API 2024.12.
    """

    def reference(self, *arrays: Any) -> np.ndarray:
        return in_single(lambda x: np.argmin(x, self.axis), *arrays).astype(np.int64)

    def compose(self, x: Any) -> Any:
        return _first_position(x, min(x, self.axis), self.axis)


def argmin(x: Any, axis: int) -> Any:
    """The position of the first minimum along `axis` (negative)."""
    return emit(ArgMin(axis), x)
