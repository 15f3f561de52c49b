"""Arithmetic: what a calculator without a scientific mode does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.graph.ir import TensorType, emit
from lamina.graph.ops.comparison import equal, less, select
from lamina.graph.ops.complex import conj, imag, make_complex, real
from lamina.graph.ops.constant import lift
from lamina.graph.ops.elementwise import INEXACT, NUMBERS, REALS, Elementwise
from lamina.graph.ops.logic import and_
from lamina.graph.ops.pairs import Parts


class Add(Elementwise):
    """z = x + y.  Inputs: two of one dtype; integers wrap.  Source: IEEE 754-2019, 5.4.1."""

    part_by_part = True
    arity = 2
    kinds = NUMBERS
    formula = staticmethod(np.add)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return 1.0, 1.0

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.add(x, y)


def add(x: Any, y: Any) -> Any:
    """x + y."""
    return emit(Add(), x, y)


class Subtract(Elementwise):
    """z = x - y.  Inputs: two of one dtype; integers wrap.  Source: IEEE 754-2019, 5.4.1."""

    part_by_part = True
    arity = 2
    kinds = NUMBERS
    formula = staticmethod(np.subtract)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return 1.0, -1.0

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.subtract(x, y)


def subtract(x: Any, y: Any) -> Any:
    """x - y."""
    return emit(Subtract(), x, y)


class Multiply(Elementwise):
    """z = x y.  Inputs: two of one dtype; integers wrap.  Source: IEEE 754-2019, 5.4.1."""

    arity = 2
    kinds = NUMBERS
    formula = staticmethod(np.multiply)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return y, x

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.multiply(x, y)

    def split(self, x: Parts, y: Parts) -> Parts:
        return Parts(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)


def multiply(x: Any, y: Any) -> Any:
    """x y."""
    return emit(Multiply(), x, y)


class Divide(Elementwise):
    """z = x / y.  Inputs: two floating or complex of one dtype.  Source: IEEE 754-2019, 5.4.1."""

    arity = 2
    kinds = INEXACT
    cost = 4
    formula = staticmethod(np.divide)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return 1.0 / y, -(out / y)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.divide(x, y)

    def split(self, x: Parts, y: Parts) -> Parts:
        """The greater part of y divides: no square that could overflow.

        Source: Smith 1962, "Algorithm 116: complex division".
        """
        size_re, size_im = abs(y.re), abs(y.im)
        turned = less(size_re, size_im)
        ratio = select(turned, y.re, y.im) / select(turned, y.im, y.re)
        scale = 1.0 / (select(turned, y.im, y.re) + select(turned, y.re, y.im) * ratio)
        first, second = select(turned, x.im, x.re), select(turned, x.re, x.im)  # of x likewise
        re = (first + second * ratio) * scale
        im = select(turned, first * ratio - second, second - first * ratio) * scale
        zero = lift(0.0, size_re)
        nothing = and_(equal(size_re, zero), equal(size_im, zero))
        return Parts(select(nothing, x.re / size_re, re), select(nothing, x.im / size_re, im))


def divide(x: Any, y: Any) -> Any:
    """x / y."""
    return emit(Divide(), x, y)


def floor_quotient(x: Any, y: Any) -> Any:
    """floor(x / y) as the array API has it: infinity over a number is infinity, not NaN."""
    whole = np.floor_divide(x, y)
    if whole.dtype.kind in "iu":
        return whole
    return np.where(np.isinf(x), np.divide(x, y), whole).astype(whole.dtype)


class FloorDivide(Elementwise):
    """z = floor(x / y).  Inputs: two of one dtype; an integer over 0 gives 0.  Source: array API
    2024.12.  Steps have no slope: constant to derivatives."""

    arity = 2
    kinds = REALS
    constant = True
    cost = 10
    formula = staticmethod(floor_quotient)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.floor_divide(x, y)


def floor_divide(x: Any, y: Any) -> Any:
    """The quotient x / y, rounded down."""
    return emit(FloorDivide(), x, y)


class Remainder(Elementwise):
    """z = x - floor(x / y) y, with the sign of y.  Inputs: two of one dtype; an integer modulo 0
    gives 0.  Source: array API 2024.12.  At the steps the derivative is that of the right side."""

    arity = 2
    kinds = REALS
    cost = 10
    formula = staticmethod(np.remainder)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return 1.0, -floor_divide(x, y)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.remainder(x, y)


def remainder(x: Any, y: Any) -> Any:
    """The rest of x / y, with the sign of y."""
    return emit(Remainder(), x, y)


class Maximum(Elementwise):
    """z = max(x, y); NaN wins.  Inputs: two of one dtype.  Source: IEEE 754-2019, 9.6 (maximum).

    Where x = y each operand gets half of the derivative.
    """

    arity = 2
    kinds = REALS
    formula = staticmethod(np.maximum)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return _share(y, x), _share(x, y)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.maximum(x, y)


def _share(x: Any, y: Any) -> Any:
    """1 where x < y, 1/2 where they are equal, 0 elsewhere."""
    zero, half, one = lift(0.0, x), lift(0.5, x), lift(1.0, x)
    return select(less(x, y), one, select(equal(x, y), half, zero))


def maximum(x: Any, y: Any) -> Any:
    """The greater of x and y; NaN if one is."""
    return emit(Maximum(), x, y)


class Minimum(Elementwise):
    """z = min(x, y); NaN wins.  Inputs: two of one dtype.  Source: IEEE 754-2019, 9.6 (minimum).

    Where x = y each operand gets half of the derivative.
    """

    arity = 2
    kinds = REALS
    formula = staticmethod(np.minimum)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return _share(x, y), _share(y, x)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.minimum(x, y)


def minimum(x: Any, y: Any) -> Any:
    """The lesser of x and y; NaN if one is."""
    return emit(Minimum(), x, y)


class Negative(Elementwise):
    """y = -x.  Inputs: a number; integers wrap.  Source: IEEE 754-2019, 5.5.1."""

    part_by_part = True
    kinds = NUMBERS
    formula = staticmethod(np.negative)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-1.0,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.negative(x)


def negative(x: Any) -> Any:
    """-x."""
    return emit(Negative(), x)


class Abs(Elementwise):
    """y = |x|.  Inputs: a number; of a complex one the real length.  Source: IEEE 754-2019, 5.5.1.

    The derivative at 0 is 0.
    """

    kinds = NUMBERS
    formula = staticmethod(np.abs)

    def infer(self, *types: TensorType) -> TensorType:
        self.require(self.kinds, *types)
        return types[0].with_dtype(types[0].dtype.part)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        return real(conj(sign(operands[0])) * dots[0])

    def lane(self, s: Any, x: Any) -> Any:
        return s.abs(x)

    def split(self, x: Parts) -> Any:
        return hypot(x.re, x.im)


def abs(x: Any) -> Any:
    """|x|."""
    return emit(Abs(), x)


class Hypot(Elementwise):
    """z = (x^2 + y^2)^(1/2), without overflow.  Inputs: two floating of one dtype.

    Source: IEEE 754-2019, 9.2 (hypot): infinite where one operand is, even beside a NaN.
    The derivative at the origin is 0.
    """

    arity = 2
    cost = 12
    formula = staticmethod(np.hypot)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        zero, one = lift(0.0, out), lift(1.0, out)
        divisor = select(equal(out, zero), one, out)
        return x / divisor, y / divisor

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        given = x.dtype
        if given in ("f16", "bf16"):  # rounded once, at the end
            x, y = s.cast(x, "f32"), s.cast(y, "f32")
        number = lambda value: s.constant(value, x.dtype)
        x, y = s.abs(x), s.abs(y)
        large, small = s.maximum(x, y), s.minimum(x, y)
        ratio = s.select(s.equal(large, small), number(1.0), s.divide(small, large))
        found = s.multiply(large, s.sqrt(s.add(number(1.0), s.multiply(ratio, ratio))))
        found = s.select(s.equal(large, number(0.0)), large, found)
        infinite = s.or_(s.equal(x, number(math.inf)), s.equal(y, number(math.inf)))
        found = s.select(infinite, number(math.inf), found)
        return found if x.dtype == given else s.cast(found, given)


def hypot(x: Any, y: Any) -> Any:
    """The length of the vector (x, y)."""
    return emit(Hypot(), x, y)


class Step(Elementwise, abstract=True):
    """A function with flat pieces: its derivative is zero."""

    constant = True


class Sign(Step):
    """y = -1, 0 or 1 by the sign of x; NaN stays.  Inputs: a number.  Source: array API 2024.12."""

    kinds = REALS
    formula = staticmethod(np.sign)

    def lane(self, s: Any, x: Any) -> Any:
        return s.sign(x)


def sign(x: Any) -> Any:
    """-1, 0 or 1 by the sign of x; of a complex number x / |x|, and 0 at 0."""
    if not x.dtype.is_complex:
        return emit(Sign(), x)
    length = abs(x)
    nothing = equal(length, lift(0.0, length))
    divisor = select(nothing, lift(1.0, length), length)
    return make_complex(real(x) / divisor, imag(x) / divisor)


class Floor(Step):
    """The greatest integer not above x.  Inputs: floating.  Source: IEEE 754-2019, 5.9."""

    formula = staticmethod(np.floor)

    def lane(self, s: Any, x: Any) -> Any:
        return s.floor(x)


def floor(x: Any) -> Any:
    """x rounded down."""
    return emit(Floor(), x)


class Ceil(Step):
    """The least integer not below x.  Inputs: floating.  Source: IEEE 754-2019, 5.9."""

    formula = staticmethod(np.ceil)

    def lane(self, s: Any, x: Any) -> Any:
        return s.ceil(x)


def ceil(x: Any) -> Any:
    """x rounded up."""
    return emit(Ceil(), x)


class Round(Step):
    """The nearest integer, halves to even.  Inputs: floating.  Source: IEEE 754-2019, 5.9."""

    formula = staticmethod(np.rint)

    def lane(self, s: Any, x: Any) -> Any:
        return s.round(x)


def round(x: Any) -> Any:
    """x rounded to the nearest integer, halves to even."""
    return emit(Round(), x)


class Trunc(Step):
    """The integer part.  Inputs: floating.  Source: IEEE 754-2019, 5.9."""

    formula = staticmethod(np.trunc)

    def lane(self, s: Any, x: Any) -> Any:
        return s.trunc(x)


def trunc(x: Any) -> Any:
    """x rounded towards zero."""
    return emit(Trunc(), x)
