"""Division, remainder, powers and signs with NumPy's meaning."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


def sign(s: Lanes, x: Lane) -> Lane:
    """-1, 0 or 1 of the dtype of x; NaN stays NaN, both zeros give +0."""
    if x.dtype == "bool":
        return x
    zero, one = s.constant_like(x, 0), s.constant_like(x, 1)
    above = s.select(s.greater(x, zero), one, zero)
    if not x.is_float and not x.is_signed:
        return above
    result = s.select(s.less(x, zero), s.constant_like(x, -1), above)
    return s.select(s.is_nan(x), x, result) if x.is_float else result


def rsqrt(s: Lanes, x: Lane) -> Lane:
    """1 / sqrt(x), two correctly rounded steps (at most 1.5 ulp)."""
    return s.divide(s.constant_like(x, 1.0), s.sqrt(x))


def reciprocal(s: Lanes, x: Lane) -> Lane:
    """1 / x, correctly rounded."""
    return s.divide(s.constant_like(x, 1.0), x)


def floor_divide(s: Lanes, a: Lane, b: Lane) -> Lane:
    """The quotient rounded down.  Integers: x // 0 is 0, and the most negative // -1 wraps."""
    if a.is_float:
        return _float_floor_divide(s, a, b)
    if a.dtype == "bool":
        return s.and_(a, b)
    quotient, rest, usable = _integer_division(s, a, b)
    if a.is_signed:
        down = s.convert("sext", _signs_differ(s, rest, b), a.dtype)
        quotient = s.add(quotient, down)
    return s.select(usable, quotient, s.constant_like(a, 0))


def remainder(s: Lanes, a: Lane, b: Lane) -> Lane:
    """a - floor_divide(a, b) * b: the sign of the divisor.  Integers: x % 0 is 0."""
    if a.is_float:
        return _float_remainder(s, a, b)
    if a.dtype == "bool":
        return s.and_(a, s.not_(s.or_(a, b)))
    _, rest, usable = _integer_division(s, a, b)
    if a.is_signed:
        zero = s.constant_like(a, 0)
        rest = s.add(rest, s.select(_signs_differ(s, rest, b), b, zero))
    return s.select(usable, rest, s.constant_like(a, 0))


def _integer_division(s: Lanes, a: Lane, b: Lane) -> tuple[Lane, Lane, Lane]:
    """Truncated quotient, its remainder, and where b is not 0; traps nowhere."""
    a, b = s.same_width(a, b)
    usable = s.not_equal(b, s.constant_like(b, 0))
    safe = s.select(usable, b, s.constant_like(b, 1))
    if not a.is_signed:
        quotient = s.binary("udiv", a, safe)
        return quotient, s.subtract(a, s.multiply(quotient, safe)), usable
    bits = int(a.dtype[1:])
    lowest = s.equal(a, s.constant_like(a, -(1 << bits - 1)))
    overflows = s.and_(lowest, s.equal(b, s.constant_like(b, -1)))
    safe = s.select(overflows, s.constant_like(b, 1), safe)
    quotient = s.binary("sdiv", a, safe)
    return quotient, s.subtract(a, s.multiply(quotient, safe)), usable


def _signs_differ(s: Lanes, rest: Lane, b: Lane) -> Lane:
    """Where a nonzero remainder has the other sign than the divisor."""
    zero = s.constant_like(rest, 0)
    return s.and_(s.not_equal(rest, zero), s.less(s.xor(rest, b), zero))


def _float_remainder(s: Lanes, a: Lane, b: Lane) -> Lane:
    a, b = s.same_width(a, b)
    rest = s.binary("frem", a, b)
    zero = s.constant_like(a, 0.0)
    differ = s.xor(s.less(b, zero), s.less(rest, zero))
    moved = s.select(differ, s.add(rest, b), rest)
    # A zero remainder takes the divisor's sign; a NaN (b = 0, a infinite) stays.
    result = s.select(s.equal(rest, zero), s.copysign(zero, b), moved)
    return s.select(s.is_nan(b), b, result)


def _float_floor_divide(s: Lanes, a: Lane, b: Lane) -> Lane:
    a, b = s.same_width(a, b)
    zero, one = s.constant_like(a, 0.0), s.constant_like(a, 1.0)
    plain = s.divide(a, b)
    rest = s.binary("frem", a, b)
    whole = s.divide(s.subtract(a, rest), b)
    differ = s.xor(s.less(b, zero), s.less(rest, zero))
    differ = s.and_(differ, s.not_equal(rest, zero))
    whole = s.select(differ, s.subtract(whole, one), whole)
    down = s.floor(whole)
    # (a - rest) / b is an integer up to rounding; snap to the nearest.
    short = s.greater(s.subtract(whole, down), s.constant_like(a, 0.5))
    down = s.select(short, s.add(down, one), down)
    result = s.select(s.equal(whole, zero), s.copysign(zero, plain), down)
    infinite = s.equal(s.abs(a), s.constant_like(a, math.inf))
    return s.select(s.or_(s.equal(b, zero), infinite), plain, result)


def integer_power(s: Lanes, base: Lane, exponent: Lane) -> Lane:
    """base ** exponent by squaring, wrapping; negative exponents give 0 except for base +-1."""
    base, exponent = s.same_width(base, exponent)
    if base.dtype == "bool":
        return s.or_(base, s.not_(exponent))
    zero, one = s.constant_like(base, 0), s.constant_like(base, 1)
    bits = int(base.dtype[1:])
    result, square = one, base
    for position in range(bits - 1 if base.is_signed else bits):
        bit = s.and_(s.lshr(exponent, position) if position else exponent, one)
        result = s.select(s.not_equal(bit, zero), s.multiply(result, square), result)
        square = s.multiply(square, square)
    if not base.is_signed:
        return result
    odd = s.not_equal(s.and_(exponent, one), zero)
    inverse = s.select(s.equal(base, one), one, zero)
    alternating = s.select(odd, s.constant_like(base, -1), one)
    inverse = s.select(s.equal(base, s.constant_like(base, -1)), alternating, inverse)
    return s.select(s.less(exponent, zero), inverse, result)
