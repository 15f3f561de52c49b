"""Circular and hyperbolic functions and their inverses; sin and cos stand beside exp, their kin.

Derivatives at the edge of a domain are the limits, infinite for asin at 1, as in JAX and PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.graph.ir import emit
from lamina.graph.ops.arithmetic import abs, hypot, maximum
from lamina.graph.ops.comparison import less, select
from lamina.graph.ops.constant import lift
from lamina.graph.ops.logic import and_, not_, or_
from lamina.graph.ops.pairs import Parts
from lamina.graph.ops.signs import copysign, is_finite, is_infinite, is_nan, is_zero
from lamina.graph.ops.transcendental import (
    Sqrt,
    Transcendental,
    atan2,
    cos,
    cosh_of_parts,
    exp,
    hyperbolic,
    log,
    log1p,
    rsqrt,
    sin,
    sinh_of_parts,
    sqrt,
)

LN_2 = math.log(2.0)
HALF_PI = 0.5 * math.pi


class Tan(Transcendental):
    """y = tan x.  Inputs: floating or complex.  Source: DLMF 4.14."""

    formula = staticmethod(np.tan)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 + out * out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.tan(x)

    def split(self, x: Parts) -> Parts:
        im, re = _tanh(x.im, x.re)  # tan z = -i tanh(i z)
        return Parts(re, im)


def tan(x: Any) -> Any:
    """The tangent of x radians."""
    return emit(Tan(), x)


class Asin(Transcendental):
    """y = arcsin x.  Inputs: floating or complex.  Source: DLMF 4.23."""

    formula = staticmethod(np.arcsin)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (rsqrt(1.0 - x * x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.asin(x)

    def split(self, x: Parts) -> Parts:
        """Source: Kahan 1987, "Branch cuts for complex elementary functions", CASIN."""
        low, high = _roots(x)
        re = atan2(x.re, low.re * high.re - low.im * high.im)
        im = _asinh(low.re * high.im - low.im * high.re)
        steep = select(is_infinite(x.im), lift(0.5 * HALF_PI, x.re), lift(HALF_PI, x.re))
        level = and_(is_infinite(x.im), is_finite(x.re))
        steep = copysign(select(level, lift(0.0, x.re), steep), x.re)
        far = or_(is_infinite(x.re), is_infinite(x.im))
        lost = or_(is_nan(x.re), is_nan(x.im))
        re = select(far, select(lost, x.re + x.im, steep), re)
        re = select(is_zero(x.re), x.re, re)  # beside a NaN too
        return Parts(re, select(far, copysign(math.inf, x.im), im))


def asin(x: Any) -> Any:
    """The angle in [-pi/2, pi/2] whose sine is x."""
    return emit(Asin(), x)


class Acos(Transcendental):
    """y = arccos x.  Inputs: floating or complex.  Source: DLMF 4.23."""

    formula = staticmethod(np.arccos)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-rsqrt(1.0 - x * x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.acos(x)

    def split(self, x: Parts) -> Parts:
        """Source: Kahan 1987, "Branch cuts for complex elementary functions", CACOS."""
        low, high = _roots(x)
        re = 2.0 * atan2(low.re, high.re)
        im = _asinh(high.re * low.im - high.im * low.re)
        unit, zero = lift(1.0, x.re), lift(0.0, x.re)
        along = lambda part: select(is_infinite(part), copysign(unit, part), zero)
        lost = or_(is_nan(x.re), is_nan(x.im))
        far = or_(is_infinite(x.re), is_infinite(x.im))
        angle = select(lost, x.re + x.im, atan2(abs(along(x.im)), along(x.re)))
        upright = and_(is_zero(x.re), is_nan(x.im))
        re = select(upright, lift(HALF_PI, x.re), select(far, angle, re))
        return Parts(re, select(far, copysign(math.inf, -x.im), im))


def _roots(x: Parts) -> tuple[Parts, Parts]:
    """The roots of 1 - x and 1 + x."""
    root = Sqrt().split
    return root(Parts(1.0 - x.re, -x.im)), root(Parts(1.0 + x.re, x.im))


def _asinh(x: Any) -> Any:
    """ln(x + (x^2 + 1)^(1/2)) of a real number, exact near 0."""
    size = abs(x)
    large = less(lift(2.0**30, x), size)
    near = select(large, lift(1.0, x), size)
    square = near * near
    found = log1p(near + square / (1.0 + sqrt(1.0 + square)))
    return copysign(select(large, log(size) + LN_2, found), x)


def acos(x: Any) -> Any:
    """The angle in [0, pi] whose cosine is x."""
    return emit(Acos(), x)


class Atan(Transcendental):
    """y = arctan x.  Inputs: floating or complex.  Source: DLMF 4.23."""

    formula = staticmethod(np.arctan)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 / (1.0 + x * x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.atan(x)

    def split(self, x: Parts) -> Parts:
        """From the angle and the ratio of the distances to i and -i; of large x from 1 / x."""
        size = maximum(abs(x.re), abs(x.im))
        far = less(lift(2.0**27, size), size)
        re, im = (select(far, lift(0.0, part), part) for part in (x.re, x.im))
        up = abs(im)
        angle = 0.5 * atan2(2.0 * re, (1.0 - re) * (1.0 + re) - im * im)
        rise = 0.25 * log1p(4.0 * up / (re * re + (1.0 - up) * (1.0 - up)))
        gap = hypot(re, 1.0 - up)
        rise = select(less(gap, lift(2.0**-60, gap)), 0.5 * (LN_2 - log(gap)), rise)
        inverse = _inverse(x, size)
        angle = select(far, copysign(HALF_PI, x.re) - inverse.re, angle)
        rise = select(far, abs(inverse.im), rise)
        infinite = or_(is_infinite(x.re), is_infinite(x.im))
        right = select(is_nan(x.re), x.re, copysign(HALF_PI, x.re))
        zero = or_(infinite, is_zero(x.im))
        rise = copysign(select(zero, lift(0.0, rise), rise), x.im)
        return Parts(select(infinite, right, angle), rise)


def _inverse(x: Parts, size: Any) -> Parts:
    """The parts of x over |x|^2, where `size` is the greater of them."""
    re, im = x.re / size, x.im / size
    square = re * re + im * im
    return Parts(re / square / size, im / square / size)


def atan(x: Any) -> Any:
    """The angle in (-pi/2, pi/2) whose tangent is x."""
    return emit(Atan(), x)


class Sinh(Transcendental):
    """y = (e^x - e^-x) / 2.  Inputs: floating or complex.  Source: DLMF 4.28."""

    formula = staticmethod(np.sinh)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (cosh(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.sinh(x)

    def split(self, x: Parts) -> Parts:
        return sinh_of_parts(x.re, x.im)


def sinh(x: Any) -> Any:
    """The hyperbolic sine of x."""
    return emit(Sinh(), x)


class Cosh(Transcendental):
    """y = (e^x + e^-x) / 2.  Inputs: floating or complex.  Source: DLMF 4.28."""

    formula = staticmethod(np.cosh)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (sinh(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.cosh(x)

    def split(self, x: Parts) -> Parts:
        return cosh_of_parts(x.re, x.im)


def cosh(x: Any) -> Any:
    """The hyperbolic cosine of x."""
    return emit(Cosh(), x)


class Tanh(Transcendental):
    """y = tanh x.  Inputs: floating or complex.  Source: DLMF 4.28."""

    formula = staticmethod(np.tanh)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 - out * out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.tanh(x)

    def split(self, x: Parts) -> Parts:
        return Parts(*_tanh(x.re, x.im))


def _tanh(x: Any, y: Any) -> tuple[Any, Any]:
    """The parts of tanh(x + i y): sinh x cosh x and sin y cos y over sinh^2 x + cos^2 y."""
    cosh_x, sinh_x, _ = hyperbolic(x)
    cosine, sine = cos(y), sin(y)
    divisor = sinh_x * sinh_x + cosine * cosine
    far = less(lift(22.0, x), abs(x))
    re = select(far, copysign(1.0, x), sinh_x * cosh_x / divisor)
    tail = 4.0 * sine * cosine * exp(-2.0 * abs(x))
    im = select(far, tail, sine * cosine / divisor)
    lost = and_(is_infinite(x), not_(is_finite(y)))
    im = select(is_zero(y), y, select(lost, copysign(0.0, y), im))
    re = select(or_(is_infinite(x), is_finite(y)), re, y - y)
    return select(is_zero(x), x, re), im


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of x."""
    return emit(Tanh(), x)
