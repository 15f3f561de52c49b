"""Arithmetic: what a calculator without a scientific mode does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.graph.ir import TensorType, emit
from lamina.graph.ops.comparison import equal, less, select
from lamina.graph.ops.complex import conj, imag, make_complex, real
from lamina.graph.ops.constant import lift
from lamina.graph.ops.elementwise import INEXACT, NUMBERS, REALS, Elementwise


class Add(Elementwise):
    """z = x + y.  Inputs: two of one dtype; integers wrap.  Source: IEEE 754-2019, 5.4.1."""

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


def abs(x: Any) -> Any:
    """|x|."""
    return emit(Abs(), x)


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
