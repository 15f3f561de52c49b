"""Functions of each element that NumPy has and the array API standard has not."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import DTypeError
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.data_types import finfo
from lamina.tensor.namespace.elementwise import (
    abs,
    equal,
    floor_divide,
    isnan,
    less,
    maximum,
    minimum,
    multiply,
    pow,
    remainder,
    sign,
    sin,
    square,
    where,
)
from lamina.tensor.namespace.float_bits import copysign
from lamina.tensor.promotion import meet
from lamina.tensor.tensor import Tensor, apart


def fmax(x: Any, y: Any, /) -> Tensor:
    """The larger of x and y; a number wins over NaN. Source: NumPy, `fmax`.

    Example:
        >>> fmax(asarray([1.0, float("nan")]), 0.5)
        Tensor([1. , 0.5], shape=(2,), dtype=float32)
    """
    a, b = meet("fmax", x, y)
    return where(isnan(a), b, where(isnan(b), a, maximum(a, b)))


def fmin(x: Any, y: Any, /) -> Tensor:
    """The smaller of x and y; a number wins over NaN. Source: NumPy, `fmin`."""
    a, b = meet("fmin", x, y)
    return where(isnan(a), b, where(isnan(b), a, minimum(a, b)))


def fmod(x: Any, y: Any, /) -> Tensor:
    """x - trunc(x / y) * y, with the sign of x; an integer modulo 0 gives 0. Source: NumPy, `fmod`.

    Example:
        >>> fmod(asarray([-3, 3]), 2)
        Tensor([-1,  1], shape=(2,), dtype=int64)
    """
    a, b = meet("fmod", x, y)
    if a.dtype.is_float:
        rest = remainder(abs(a), abs(b))
        return copysign(rest, a)
    rest = remainder(a, b)  # with the sign of y, so one y too far where the signs differ
    return where((rest != 0) & (less(a, 0) ^ less(b, 0)), rest - b, rest)


def float_power(x: Any, y: Any, /) -> Tensor:
    """x ** y in floating numbers; integers become float32. Source: NumPy, `float_power`."""
    return pow(*meet("float_power", x, y, floating=True))


def cbrt(x: Any, /) -> Tensor:
    """The real cube root of each element; integers become float32.

    One step of Newton's method mends the last digits of |x| ** (1/3).

    Source: NumPy, `cbrt`.
    """
    (given,) = meet("cbrt", asarray(x), floating=True)
    size = abs(given)
    plain = equal(size, 0.0) | equal(size, math.inf) | isnan(size)
    safe = where(plain, 1.0, size)
    root = pow(safe, 1.0 / 3.0)
    better = root - (root - safe / (root * root)) / 3.0
    return copysign(where(plain, size, better), given)


def sinc(x: Any, /) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0; integers become float32. Source: NumPy, `sinc`."""
    (given,) = meet("sinc", asarray(x), floating=True)
    angle = multiply(given, math.pi)
    near = less(abs(angle), 0.5)
    squared = square(where(near, angle, 0.0))
    series: Any = 1.0  # its derivatives of all orders are right where the quotient would be 0 / 0
    for n in range(16, 0, -2):
        series = 1.0 - squared * series / (n * (n + 1))
    return where(near, series, sin(angle) / where(near, 1.0, angle))


def heaviside(x: Any, y: Any, /) -> Tensor:
    """0 where x < 0, y where x = 0, 1 where x > 0; NaN stays. Source: NumPy, `heaviside`."""
    a, b = meet("heaviside", x, y, floating=True)
    return where(equal(a, 0.0), b, where(isnan(a), a, maximum(sign(a), 0.0)))


def deg2rad(x: Any, /) -> Tensor:
    """Degrees in radians, x * pi / 180. Source: NumPy, `deg2rad`."""
    (given,) = meet("deg2rad", asarray(x), floating=True)
    return multiply(given, math.pi / 180.0)


def rad2deg(x: Any, /) -> Tensor:
    """Radians in degrees, x * 180 / pi. Source: NumPy, `rad2deg`."""
    (given,) = meet("rad2deg", asarray(x), floating=True)
    return multiply(given, 180.0 / math.pi)


def nan_to_num(
    x: Any, /, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """`x` with numbers for NaN and the infinities; by default the ends of the dtype's range.

    Source: NumPy, `nan_to_num`.
    """
    given = asarray(x)
    if not given.dtype.is_float:
        return apart(given, x)
    limits = finfo(given.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    bounded = where(equal(given, math.inf), high, where(equal(given, -math.inf), low, given))
    return where(isnan(given), nan, bounded)


def divmod(x: Any, y: Any, /) -> tuple[Tensor, Tensor]:
    """`floor_divide(x, y)` and `remainder(x, y)`. Source: NumPy, `divmod`."""
    a, b = meet("divmod", x, y)
    return floor_divide(a, b), remainder(a, b)


def gcd(x: Any, y: Any, /) -> Tensor:
    """The greatest common divisor of |x| and |y|, by Euclid's algorithm. Source: NumPy, `gcd`.

    Example:
        >>> gcd(asarray([12, 18]), 8)
        Tensor([4, 2], shape=(2,), dtype=int64)
    """
    a, b = _naturals("gcd", x, y)
    for _ in range(_EUCLID_STEPS[a.dtype.bits]):
        ended = equal(b, 0)
        a, b = where(ended, a, b), where(ended, b, remainder(a, b))
    return a


def _naturals(name: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    a, b = meet(name, x, y)
    if not a.dtype.is_integer:
        raise DTypeError(f"{name}: only integers have divisors", [f"x: {a.type}", f"y: {b.type}"])
    return abs(a), abs(b)


_EUCLID_STEPS = {8: 12, 16: 24, 32: 47, 64: 93}
"""The most steps for operands of so many bits: neighbours among Fibonacci's numbers need them."""


def lcm(x: Any, y: Any, /) -> Tensor:
    """The least common multiple of |x| and |y|, 0 if one of them is 0. Source: NumPy, `lcm`."""
    a, b = _naturals("lcm", x, y)
    common = gcd(a, b)
    return floor_divide(a, where(equal(common, 0), 1, common)) * b
