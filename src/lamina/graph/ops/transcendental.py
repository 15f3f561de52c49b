"""Powers, roots, exponentials and logarithms.

Derivatives at the edge of a domain are the limits (infinite, as in JAX and PyTorch): sqrt at 0,
log at 0. Outside the domain they are NaN like the function.

On complex numbers, special values are those of C99, annex G, which the array API repeats.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from lamina.graph.ir import emit
from lamina.graph.ops.arithmetic import Divide, Multiply, abs, hypot, maximum, minimum
from lamina.graph.ops.comparison import equal, greater_equal, less, not_equal, select
from lamina.graph.ops.complex import real
from lamina.graph.ops.constant import lift, splat_value
from lamina.graph.ops.elementwise import INEXACT, NUMBERS, Elementwise
from lamina.graph.ops.logic import and_, not_, or_
from lamina.graph.ops.pairs import Parts
from lamina.graph.ops.signs import copysign, is_finite, is_infinite, is_zero

TRANSCENDENTAL_COST = 15
MOST_FACTORS = 64  # of a complex number to a whole power, before that is an exponential


class Transcendental(Elementwise, abstract=True):
    """Takes floating or complex numbers and costs about as much as fifteen multiplications."""

    kinds = INEXACT
    cost = TRANSCENDENTAL_COST


class Power(Transcendental):
    """z = x^y.  Inputs: two of one dtype.  Source: IEEE 754-2019, 9.2 (pow).

    Integers wrap; a negative exponent gives 0 except for x = 1 and -1. In x the derivative is
    y x^(y-1), 0 where x = y = 0. In y it is z log x, 0 where x = 0 and y >= 0, NaN where x < 0.
    """

    arity = 2
    kinds = NUMBERS

    @staticmethod
    def formula(x: Any, y: Any) -> Any:
        return np.power(x, y) if x.dtype.kind in "fc" else _integer_power(x, y)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return _power_in_base(x, y), _power_in_exponent(x, y, out)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.power(x, y)

    def split(self, x: Parts, y: Parts) -> Parts:
        exponent = splat_value(y.re) if splat_value(y.im) == 0.0 else None
        if exponent is not None and exponent in range(-MOST_FACTORS, MOST_FACTORS + 1):
            return _whole_power(x, int(exponent.real))
        log_x = Log().split(x)
        found = Exp().split(Multiply().split(log_x, y))
        zero, one, nan = (lift(value, x.re) for value in (0.0, 1.0, math.nan))
        of_zero = and_(is_zero(x.re), is_zero(x.im))
        vanishes = and_(less(zero, y.re), is_zero(y.im))
        re = select(of_zero, select(vanishes, zero, nan), found.re)
        im = select(of_zero, select(vanishes, zero, nan), found.im)
        flat = and_(is_zero(y.re), is_zero(y.im))
        return Parts(select(flat, one, re), select(flat, zero, im))


def _whole_power(x: Parts, exponent: int) -> Parts:
    """x to the power of a Python integer, by squaring."""
    one = Parts(lift(1.0, x.re), lift(0.0, x.re))
    found, square, left = None, x, builtins.abs(exponent)
    while left:
        if left % 2:
            found = square if found is None else Multiply().split(found, square)
        left //= 2
        square = Multiply().split(square, square) if left else square
    if found is None:
        return one
    return Divide().split(one, found) if exponent < 0 else found


def _integer_power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    negative = y < 0
    alternating = np.where(y % 2 == 0, 1, -1)
    signed = x.dtype.kind == "i"
    inverse = np.where(x == 1, 1, np.where(signed & (x == x.dtype.type(0) - 1), alternating, 0))
    plain = np.power(x, np.where(negative, 0, y).astype(y.dtype))
    return np.where(negative, inverse.astype(x.dtype), plain)


def _power_in_base(x: Any, y: Any) -> Any:
    exponent = splat_value(y)
    if exponent == 0.0:
        return None
    if exponent == 1.0:
        return 1.0
    if exponent is not None:
        return exponent * (x if exponent == 2.0 else power(x, lift(exponent - 1.0, x)))
    zero, one = lift(0.0, y), lift(1.0, y)
    odd = or_(equal(x, zero), not_equal(x, x))  # elsewhere y x^(y-1) is 0, and varies with y
    flat = and_(equal(y, zero), odd)
    return select(flat, zero, y * power(x, select(flat, one, y - one)))


def _power_in_exponent(x: Any, y: Any, out: Any) -> Any:
    zero, one = lift(0.0, x), lift(1.0, x)
    flat = and_(equal(x, zero), greater_equal(real(y), real(zero)))
    return select(flat, zero, out * log(select(flat, one, x)))


def power(x: Any, y: Any) -> Any:
    """x to the power of y."""
    return emit(Power(), x, y)


class Atan2(Transcendental):
    """z = the angle of the point (y, x), in (-pi, pi].  Inputs: two floating, y first.

    Source: IEEE 754-2019, 9.2 (atan2).  The derivative at the origin is NaN.
    """

    arity = 2
    kinds = "float"
    formula = staticmethod(np.arctan2)

    def partials(self, y: Any, x: Any, *, out: Any) -> tuple:
        square = x * x + y * y
        return x / square, -(y / square)

    def lane(self, s: Any, y: Any, x: Any) -> Any:
        return s.atan2(y, x)


def atan2(y: Any, x: Any) -> Any:
    """The angle of the point (x, y) from the positive x axis."""
    return emit(Atan2(), y, x)


class Sqrt(Transcendental):
    """y = x^(1/2).  Inputs: floating or complex.  Source: IEEE 754-2019, 5.4.1."""

    cost = 6
    formula = staticmethod(np.sqrt)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (0.5 / out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.sqrt(x)

    def split(self, x: Parts) -> Parts:
        """The root of the greater part from (|re| + |x|) / 2, scaled so that it is in range.

        Source: Kahan 1987, "Branch cuts for complex elementary functions", CSQRT.
        """
        scale, back = _into_range(maximum(abs(x.re), abs(x.im)))
        re, im = abs(x.re) * scale, x.im * scale
        root = sqrt((re + hypot(re, im)) * 0.5)
        other = abs(im) / (2.0 * select(is_zero(root), lift(1.0, root), root))
        rightwards = greater_equal(x.re, lift(0.0, x.re))
        infinite = is_infinite(x.im)
        re = select(rightwards, root, other) * back
        im = copysign(select(rightwards, other, root) * back, x.im)
        return Parts(select(infinite, abs(x.im), re), select(infinite, x.im, im))


def _into_range(size: Any) -> tuple[Any, Any]:
    """A power of four that brings `size` near 1 without overflow, and its inverse square root."""
    up = 2.0**48 if size.dtype.bits == 32 else 2.0**108
    large, small = less(lift(1.0, size), size), less(size, lift(2.0**-60, size))
    pick = lambda down, up: select(
        large, lift(down, size), select(small, lift(up, size), lift(1.0, size))
    )
    return pick(2.0**-4, up), pick(4.0, up**-0.5)


def sqrt(x: Any) -> Any:
    """The square root of x."""
    return emit(Sqrt(), x)


def _rsqrt(x: np.ndarray) -> np.ndarray:
    return 1 / np.sqrt(x)


class Rsqrt(Transcendental):
    """y = x^(-1/2).  Inputs: floating or complex.  Source: IEEE 754-2019, 9.2."""

    cost = 6
    formula = staticmethod(_rsqrt)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-0.5 * (out / x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.rsqrt(x)

    def split(self, x: Parts) -> Parts:
        one = Parts(lift(1.0, x.re), lift(0.0, x.re))
        return Divide().split(one, Sqrt().split(x))


def rsqrt(x: Any) -> Any:
    """One over the square root of x."""
    return emit(Rsqrt(), x)


class Exp(Transcendental):
    """y = e^x.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(np.exp)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.exp(x)

    def split(self, x: Parts) -> Parts:
        cosine, sine = direction(x.re, x.im)
        large = less(lift(80.0, x.re), x.re)  # e^re alone could overflow
        half = exp(select(large, x.re * 0.5, x.re))
        rest = select(large, half, lift(1.0, half))
        im = half * sine * rest
        return Parts(half * cosine * rest, select(is_zero(x.im), x.im, im))


def direction(re: Any, angle: Any) -> tuple[Any, Any]:
    """cos and sin of `angle`, as factors of a number that grows or vanishes with `re`.

    Where `re` is infinite and the angle no number, the quadrant is not known, but the size is.
    """
    lost = and_(is_infinite(re), not_(is_finite(angle)))
    vanishes = and_(lost, less(re, lift(0.0, re)))
    one = lift(1.0, angle)
    return select(lost, one, cos(angle)), select(vanishes, copysign(one, angle), sin(angle))


def exp(x: Any) -> Any:
    """e to the power of x."""
    return emit(Exp(), x)


def _expm1(x: Any) -> np.ndarray:
    """NumPy's, where 0 times an infinity does not get into the imaginary part."""
    y: Any = np.asarray(np.expm1(x))
    if y.dtype.kind == "c":
        y.imag = np.where(x.imag == 0, x.imag, y.imag)
    return y


class Expm1(Transcendental):
    """y = e^x - 1, exact near 0.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(_expm1)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (out + 1.0,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.expm1(x)

    def split(self, x: Parts) -> Parts:
        half = sin(x.im * 0.5)
        re = expm1(x.re) * cos(x.im) - 2.0 * half * half
        return Parts(re, select(is_zero(x.im), x.im, exp(x.re) * sin(x.im)))


def expm1(x: Any) -> Any:
    """e^x - 1, exact near 0."""
    return emit(Expm1(), x)


class Log(Transcendental):
    """y = ln x.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(np.log)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 / x,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.log(x)

    def split(self, x: Parts) -> Parts:
        return Parts(log_of_length(x.re, x.im), atan2(x.im, x.re))


def log_of_length(x: Any, y: Any) -> Any:
    """ln |x + i y|, exact where the length is near 1."""
    large, small = maximum(abs(x), abs(y)), minimum(abs(x), abs(y))
    near = and_(less(lift(0.5, large), large), less(large, lift(2.0, large)))
    close = 0.5 * log1p((large - 1.0) * (large + 1.0) + small * small)
    ratio = select(equal(large, small), lift(1.0, large), small / large)
    far = log(large) + 0.5 * log1p(ratio * ratio)
    infinite = or_(is_infinite(x), is_infinite(y))
    return select(infinite, lift(math.inf, large), select(near, close, far))


def log(x: Any) -> Any:
    """The natural logarithm of x."""
    return emit(Log(), x)


class Log1p(Transcendental):
    """y = ln(1 + x), exact near 0.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(np.log1p)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 / (1.0 + x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.log1p(x)

    def split(self, x: Parts) -> Parts:
        moved = 1.0 + x.re
        half = lift(0.5, x.re)
        near = and_(less(abs(x.re), half), less(abs(x.im), half))
        close = 0.5 * log1p(x.re * (2.0 + x.re) + x.im * x.im)
        return Parts(select(near, close, log_of_length(moved, x.im)), atan2(x.im, moved))


def log1p(x: Any) -> Any:
    """ln(1 + x), exact near 0."""
    return emit(Log1p(), x)


class Sin(Transcendental):
    """y = sin x.  Inputs: floating or complex.  Source: DLMF 4.14."""

    formula = staticmethod(np.sin)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (cos(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.sin(x)

    def split(self, x: Parts) -> Parts:
        turned = sinh_of_parts(x.im, x.re)  # sin z = -i sinh(i z)
        return Parts(turned.im, turned.re)


def sin(x: Any) -> Any:
    """The sine of x radians."""
    return emit(Sin(), x)


class Cos(Transcendental):
    """y = cos x.  Inputs: floating or complex.  Source: DLMF 4.14."""

    formula = staticmethod(np.cos)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-sin(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.cos(x)

    def split(self, x: Parts) -> Parts:
        turned = cosh_of_parts(x.im, x.re)  # cos z = cosh(i z)
        return Parts(turned.re, -turned.im)


def cos(x: Any) -> Any:
    """The cosine of x radians."""
    return emit(Cos(), x)


def hyperbolic(x: Any) -> tuple[Any, Any, Any]:
    """cosh x and sinh x, both to be multiplied by a third number where x is large.

    e^|x| could overflow where the product with a sine does not: there it is taken in halves.
    """
    size = abs(x)
    large = less(lift(22.0, x), size)
    grown = expm1(select(large, size * 0.5, size))
    power = grown + 1.0
    half = power * 0.5
    cosh_x = select(large, half, 1.0 + grown * grown / (2.0 * power))
    sinh_x = select(large, half, 0.5 * (grown + grown / power))
    return cosh_x, copysign(sinh_x, x), select(large, power, lift(1.0, power))


def cosh_of_parts(x: Any, y: Any) -> Parts:
    """cosh(x + i y) = cosh x cos y + i sinh x sin y."""
    cosh_x, sinh_x, growth = hyperbolic(x)
    cosine, sine = direction(abs(x), y)
    axis = or_(is_zero(y), and_(is_zero(x), not_(is_finite(y))))
    nothing = copysign(0.0, x) * copysign(1.0, y)
    return Parts(cosh_x * cosine * growth, select(axis, nothing, sinh_x * sine * growth))


def sinh_of_parts(x: Any, y: Any) -> Parts:
    """sinh(x + i y) = sinh x cos y + i cosh x sin y."""
    cosh_x, sinh_x, growth = hyperbolic(x)
    cosine, sine = direction(abs(x), y)
    re = select(and_(is_zero(x), not_(is_finite(y))), x, sinh_x * cosine * growth)
    return Parts(re, select(is_zero(y), y, cosh_x * sine * growth))
