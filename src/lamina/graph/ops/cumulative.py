"""Running sums, products and extremes, and the recurrence that all their derivatives are made of.

Each goes along `axis` (negative), from its front, or with `reverse` from its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lamina.base.dtypes import DType, bool_
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit
from lamina.graph.ops import shape
from lamina.graph.ops.arithmetic import multiply, subtract
from lamina.graph.ops.comparison import equal, less_equal, not_equal, select
from lamina.graph.ops.constant import constant, lift
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import NUMBERS, REALS, in_single, same_shape
from lamina.graph.ops.logic import and_, or_
from lamina.graph.ops.reduce import highest, lowest
from lamina.graph.ops.transcendental import exp


@frozen
class Cumulative(Op, abstract=True):
    """state[i] = step(state[i - 1], operands[i]), every state of which is an element of the result.

    `start(dtype)` is the state before the first; `step(s, state, *xs)` builds the next in lanes.
    The states of f16 and bf16 are f32, rounded where they are stored.
    """

    kinds: ClassVar[str] = REALS
    cost = 2
    axis: int
    reverse: bool = False

    def infer(self, *types: TensorType) -> TensorType:
        self.require(self.kinds, *types)
        same_shape(self, types)
        shape.check_axes(self, (self.axis,), types[0])
        return types[0]

    def start(self, dtype: DType) -> int | float:
        """The state before the first element."""
        raise NotImplementedError

    def step(self, s: Any, state: Any, *xs: Any) -> Any:
        """The next state."""
        raise NotImplementedError

    def accumulate(self, *arrays: Any) -> np.ndarray:
        """The states along the first axis, by NumPy."""
        raise NotImplementedError

    def reference(self, *arrays: Any) -> np.ndarray:
        turned = [self._turned(np.moveaxis(np.asarray(a), self.axis, 0)) for a in arrays]
        found = in_single(self.accumulate, *turned)
        return np.ascontiguousarray(np.moveaxis(self._turned(found), 0, self.axis))

    def _turned(self, array: np.ndarray) -> np.ndarray:
        return array[::-1] if self.reverse else array


def _before(op: Cumulative, x: Any, first: Any) -> Any:
    """What stands one place earlier on the way of `op`, and `first` where there is nothing."""
    return moved(x, op.axis, first, forwards=not op.reverse)


def _after(op: Cumulative, x: Any, last: Any) -> Any:
    """What stands one place later on the way of `op`."""
    return moved(x, op.axis, last, forwards=op.reverse)


def moved(x: Any, axis: int, edge: Any, forwards: bool) -> Any:
    """`x` moved by one place along `axis`; `edge` is what comes in."""
    n = x.shape[axis]
    if n == 0:
        return x
    sizes = [1 if i - x.type.rank == axis else m for i, m in enumerate(x.shape)]
    new = constant(edge, x.dtype, tuple(sizes))
    rest = shape.part(x, axis, 0, n - 1) if forwards else shape.part(x, axis, 1, n)
    return shape.concatenate([new, rest] if forwards else [rest, new], axis)


class CumulativeSum(Cumulative):
    """The running sum.  Inputs: a number; the dtype stays, integers wrap.  Source: ours.

    The transpose is the running sum the other way round.
    """

    kinds = NUMBERS
    part_by_part = True

    def start(self, dtype: DType) -> int | float:
        return 0.0 if dtype.is_inexact else 0

    def step(self, s: Any, state: Any, *xs: Any) -> Any:
        return s.add(state, xs[0])

    def accumulate(self, *arrays: Any) -> np.ndarray:
        return np.add.accumulate(arrays[0], dtype=arrays[0].dtype)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return cumulative_sum(bar, self.axis, not self.reverse)


def cumulative_sum(x: Any, axis: int, reverse: bool = False) -> Any:
    """The sum of the elements up to each, along `axis` (negative)."""
    return emit(CumulativeSum(axis, reverse), x)


class CumulativeProduct(Cumulative):
    """The running product.  Inputs: a number; the dtype stays, integers wrap.  Source: ours."""

    kinds = NUMBERS

    def start(self, dtype: DType) -> int | float:
        return 1.0 if dtype.is_inexact else 1

    def step(self, s: Any, state: Any, *xs: Any) -> Any:
        return s.multiply(state, xs[0])

    def accumulate(self, *arrays: Any) -> np.ndarray:
        return np.multiply.accumulate(arrays[0], dtype=arrays[0].dtype)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        """y'[i] = x[i] y'[i-1] + y[i-1] x'[i]: no division, so zeros are no trouble."""
        moved = multiply(_before(self, out, 1.0), dots[0])
        return linear_recurrence(operands[0], moved, self.axis, self.reverse)


def cumulative_product(x: Any, axis: int, reverse: bool = False) -> Any:
    """The product of the elements up to each, along `axis` (negative)."""
    return emit(CumulativeProduct(axis, reverse), x)


class CumulativeExtreme(Cumulative, abstract=True):
    """A running extreme; its derivative is that of the first element with its value."""

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        """y'[i] is x'[i] where a new extreme begins, else y'[i-1]."""
        x, dot = operands[0], dots[0]
        old = self._keeps(_before(self, out, self.start(out.dtype)), x)
        has_before = _before(self, constant(True, bool_, x.shape), False)
        keeps = cast(and_(has_before, old), x.dtype)
        begins = subtract(lift(1.0, x), keeps)
        return linear_recurrence(keeps, multiply(begins, dot), self.axis, self.reverse)

    def _keeps(self, before: Any, x: Any) -> Any:
        """Where `x` is no new extreme after `before`; NaN is one, once."""
        raise NotImplementedError


def _is_nan(x: Any) -> Any:
    return not_equal(x, x)


class CumulativeMax(CumulativeExtreme):
    """The largest element so far; NaN wins.  Inputs: a real number.  Source: ours."""

    def start(self, dtype: DType) -> int | float:
        return lowest(dtype)

    def step(self, s: Any, state: Any, *xs: Any) -> Any:
        return s.maximum(state, xs[0])

    def accumulate(self, *arrays: Any) -> np.ndarray:
        return np.maximum.accumulate(arrays[0])

    def _keeps(self, before: Any, x: Any) -> Any:
        return or_(_is_nan(before), less_equal(x, before))


def cumulative_max(x: Any, axis: int, reverse: bool = False) -> Any:
    """The largest element up to each, along `axis` (negative)."""
    return emit(CumulativeMax(axis, reverse), x)


class CumulativeMin(CumulativeExtreme):
    """The smallest element so far; NaN wins.  Inputs: a real number.  Source: ours."""

    def start(self, dtype: DType) -> int | float:
        return highest(dtype)

    def step(self, s: Any, state: Any, *xs: Any) -> Any:
        return s.minimum(state, xs[0])

    def accumulate(self, *arrays: Any) -> np.ndarray:
        return np.minimum.accumulate(arrays[0])

    def _keeps(self, before: Any, x: Any) -> Any:
        return or_(_is_nan(before), less_equal(before, x))


def cumulative_min(x: Any, axis: int, reverse: bool = False) -> Any:
    """The smallest element up to each, along `axis` (negative)."""
    return emit(CumulativeMin(axis, reverse), x)


class CumulativeLogSumExp(Cumulative):
    """log of the running sum of exp(x), without overflow.  Inputs: floating.

    Source: ours, by log(exp a + exp b) = max + log1p(exp(-|a - b|)).
    """

    kinds = "float"
    cost = 30

    def start(self, dtype: DType) -> int | float:
        return -math.inf

    def step(self, s: Any, state: Any, *xs: Any) -> Any:
        x = xs[0]
        gap = s.select(s.equal(state, x), s.constant(0.0, x.dtype), s.abs(s.subtract(state, x)))
        return s.add(s.maximum(state, x), s.log1p(s.exp(s.negative(gap))))

    def accumulate(self, *arrays: Any) -> np.ndarray:
        return np.logaddexp.accumulate(arrays[0])

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        """y'[i] = exp(y[i-1] - y[i]) y'[i-1] + exp(x[i] - y[i]) x'[i]; both factors are <= 1."""
        factor = _ratio(_before(self, out, -math.inf), out)
        moved = multiply(_ratio(operands[0], out), dots[0])
        return linear_recurrence(factor, moved, self.axis, self.reverse)


def _ratio(x: Any, y: Any) -> Any:
    """exp(x - y), 1 where they are equal, infinities among them."""
    return select(equal(x, y), lift(1.0, x), exp(subtract(x, y)))


def cumulative_logsumexp(x: Any, axis: int, reverse: bool = False) -> Any:
    """log of the sum of exp of the elements up to each, along `axis` (negative)."""
    return emit(CumulativeLogSumExp(axis, reverse), x)


class LinearRecurrence(Cumulative):
    """y[i] = a[i] y[i-1] + b[i], with y = 0 before the first.  Inputs: two numbers.

    Source: Blelloch 1990, Prefix Sums and Their Applications, section 1.4.
    """

    arity = 2
    kinds = NUMBERS

    def start(self, dtype: DType) -> int | float:
        return 0.0 if dtype.is_inexact else 0

    def step(self, s: Any, state: Any, *xs: Any) -> Any:
        return s.add(s.multiply(xs[0], state), xs[1])

    def accumulate(self, *arrays: Any) -> np.ndarray:
        a, b = arrays
        found = np.array(b)
        for i in range(1, len(found)):
            found[i] += a[i] * found[i - 1]
        return found

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        moved = multiply(_before(self, out, 0.0), dots[0]) + dots[1]
        return linear_recurrence(operands[0], moved, self.axis, self.reverse)

    def vjp(self, bars: Sequence[Any], operands: Sequence[Any], out: Any) -> tuple[Any, Any]:
        """Backwards it is the same recurrence, with the factors one place later."""
        later = _after(self, operands[0], 0.0)
        b_bar = linear_recurrence(later, bars[0], self.axis, not self.reverse)
        return multiply(b_bar, _before(self, out, 0.0)), b_bar


def linear_recurrence(a: Any, b: Any, axis: int, reverse: bool = False) -> Any:
    """y[i] = a[i] y[i-1] + b[i] along `axis` (negative)."""
    return emit(LinearRecurrence(axis, reverse), a, b)
