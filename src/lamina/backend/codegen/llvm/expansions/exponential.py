"""exp family and the logistic function.

exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln(2)/2, ln 2 split in two parts (Cody &
Waite, "Software Manual for the Elementary Functions", 1980, ch. 6; Muller, "Elementary Functions",
ch. 11).  n is never converted: adding a large "shifter" leaves it in the low bits of a float.
Measured on all targets: at most 2.0 ulp.
Polynomials are minimax fits of ours (Remez with sequentially rounded coefficients).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


@dataclass(frozen=True)
class Format:
    """What the reductions need to know of a float format."""

    mantissa: int  # stored bits
    bias: int
    shifter: float  # 1.5 * 2**mantissa: x + shifter holds round(x) in its low bits
    log2e: float
    ln2: float
    ln2_high: float  # few enough bits that n * ln2_high is exact
    ln2_low: float
    exp_overflow: float  # exp is infinite from here up
    exp_underflow: float  # and zero from here down
    tanh_saturation: float  # tanh(x) rounds to 1 once 2 x reaches this
    exp_tail: tuple[float, ...]  # (exp(r) - 1 - r) / r^2, error relative to exp(r)
    expm1_tail: tuple[float, ...]  # the same, error relative to exp(r) - 1


F32 = Format(
    mantissa=23,
    bias=127,
    shifter=1.5 * 2**23,
    log2e=1.4426950408889634,
    ln2=0.6931471805599453,
    ln2_high=0.693145751953125,
    ln2_low=1.428606820309417e-06,
    exp_overflow=89.0,
    exp_underflow=-104.0,
    tanh_saturation=20.0,
    exp_tail=(
        0.4999999403953552,
        0.16666516661643982,
        0.0416681207716465,
        0.008369185030460358,
        0.0013836889993399382,
    ),
    expm1_tail=(
        0.4999999701976776,
        0.16666539013385773,
        0.04166775196790695,
        0.008367132395505905,
        0.00138360436540097,
    ),
)
F64 = Format(
    mantissa=52,
    bias=1023,
    shifter=1.5 * 2**52,
    log2e=1.4426950408889634,
    ln2=0.6931471805599453,
    ln2_high=float.fromhex("0x1.62e42fee00000p-1"),
    ln2_low=float.fromhex("0x1.a39ef35793c76p-33"),
    exp_overflow=710.0,
    exp_underflow=-746.0,
    tanh_saturation=40.0,
    exp_tail=(
        0.5000000000000011,
        0.166666666666663,
        0.041666666666524015,
        0.008333333333572427,
        0.0013888888945651945,
        0.00019841269327834396,
        2.4801490672751743e-05,
        2.755775362061867e-06,
        2.7631211092063396e-07,
        2.4945024500102305e-08,
    ),
    expm1_tail=(
        0.5,
        0.16666666666666677,
        0.041666666666666685,
        0.008333333333321789,
        0.001388888888889134,
        0.000198412698853466,
        2.480158728453983e-05,
        2.755724516540396e-06,
        2.7557324633662333e-07,
        2.510867726128175e-08,
        2.089539519920288e-09,
    ),
)
FORMATS = {"f32": F32, "f64": F64}


def clamp(s: Lanes, x: Lane, low: float, high: float) -> Lane:
    """x limited to [low, high]; NaN passes (each select is one min or max instruction)."""
    bottom, top = s.constant_like(x, low), s.constant_like(x, high)
    x = s.select(s.less(top, x), top, x)
    return s.select(s.greater(bottom, x), bottom, x)


def reduce_exp(s: Lanes, x: Lane, lift: int) -> tuple[Lane, Lane, Lane]:
    """x = n ln 2 + r: returns (shifted, n, r); the low bits of `shifted` hold n + lift."""
    k = FORMATS[x.dtype]
    shifter = s.constant_like(x, k.shifter + lift)
    shifted = s.fma(x, s.constant_like(x, k.log2e), shifter)
    n = s.subtract(shifted, shifter)
    return shifted, n, subtract_ln2(s, x, n)


def subtract_ln2(s: Lanes, x: Lane, n: Lane) -> Lane:
    """x - n ln 2."""
    k = FORMATS[x.dtype]
    r = s.fma(n, s.constant_like(x, -k.ln2_high), x)
    return s.fma(n, s.constant_like(x, -k.ln2_low), r)


def exp_small(s: Lanes, r: Lane) -> Lane:
    """exp(r) for |r| <= ln(2)/2."""
    tail = s.polynomial(r, FORMATS[r.dtype].exp_tail)
    one = s.constant_like(r, 1.0)
    return s.fma(s.fma(tail, r, one), r, one)


def scale(s: Lanes, p: Lane, shifted: Lane, n: Lane) -> Lane:
    """p * 2^n for p near 1, right also where the result is subnormal or overflows.

    The low bits of `shifted` hold n + 2 * bias.
    """
    k = FORMATS[p.dtype]
    if s.has_avx512(p):
        return s.avx512("scalef", [p, n], p)
    bits = s.to_bits(shifted)
    first = s.shl(s.lshr(bits, 1), k.mantissa)  # 2^floor(n/2)
    second = s.subtract(s.shl(bits, k.mantissa), first)  # 2^(n - floor(n/2)), the other bias
    return s.multiply(s.multiply(p, s.bitcast(second, p.dtype)), s.bitcast(first, p.dtype))


def bound(s: Lanes, x: Lane, low: float, high: float) -> tuple[Lane, Lane]:
    """x limited to `high`, and where it is not below `low`; NaN passes.

    What is below becomes 0 by `vanish`. Were it limited to `low`, the multiplication that makes it
    0 would underflow, for which processors stop: an exponential of -inf took 30 times as long.
    """
    there, top = s.not_(s.less(x, s.constant_like(x, low))), s.constant_like(x, high)
    x = s.select(s.less(top, x), top, x)
    if not s.has_avx512(x):  # whose masked instructions leave the other lanes alone
        x = s.select(there, x, s.constant_like(x, 0.0))
    return x, there


def vanish(s: Lanes, there: Lane, result: Lane) -> Lane:
    """`result`, and 0 elsewhere."""
    return s.select(there, result, s.constant_like(result, 0.0))


def exp(s: Lanes, x: Lane) -> Lane:
    """e^x."""
    k = FORMATS[x.dtype]
    x, there = bound(s, x, k.exp_underflow, k.exp_overflow)
    shifted, n, r = reduce_exp(s, x, 2 * k.bias)
    return vanish(s, there, scale(s, exp_small(s, r), shifted, n))


def exp2(s: Lanes, x: Lane) -> Lane:
    """2^x, exact for integers."""
    k = FORMATS[x.dtype]
    x, there = bound(s, x, -2.0 * k.bias, k.bias + 2.0)
    shifter = s.constant_like(x, k.shifter + 2 * k.bias)
    shifted = s.add(x, shifter)
    n = s.subtract(shifted, shifter)
    r = s.multiply(s.subtract(x, n), s.constant_like(x, k.ln2))
    return vanish(s, there, scale(s, exp_small(s, r), shifted, n))


def expm1_pieces(s: Lanes, x: Lane, lift: int) -> tuple[Lane, Lane]:
    """(q, p) with e^x = p (1 + q), p = 2^(n + lift - bias), and q accurate relative to itself."""
    k = FORMATS[x.dtype]
    shifted, _, r = reduce_exp(s, x, lift)
    tail = s.polynomial(r, k.expm1_tail)
    q = s.fma(tail, s.multiply(r, r), r)
    return q, s.bitcast(s.shl(s.to_bits(shifted), k.mantissa), x.dtype)


def expm1(s: Lanes, x: Lane) -> Lane:
    """e^x - 1, accurate near 0."""
    k = FORMATS[x.dtype]
    bounded = clamp(s, x, -(k.mantissa + 2.0), k.exp_overflow)
    q, half_power = expm1_pieces(s, bounded, k.bias - 1)  # half of 2^n, which alone may overflow
    half = s.fma(half_power, q, s.subtract(half_power, s.constant_like(x, 0.5)))
    result = s.add(half, half)
    tiny = s.less(s.abs(x), s.constant_like(x, 2.0 ** -(k.mantissa + 2)))
    return s.select(tiny, x, result)


def sigmoid(s: Lanes, x: Lane) -> Lane:
    """1 / (1 + e^-x): y = 1 / (1 + e^|x|) for negative x and 1 - y for the others.

    Both sides of y are scaled by a power of two that keeps 1 + e^|x| finite.
    """
    k = FORMATS[x.dtype]
    down = (k.bias + 1) // 2
    size, top = s.abs(x), s.constant_like(x, -k.exp_underflow)
    q, power = expm1_pieces(s, s.select(s.less(top, size), top, size), k.bias - down)
    scaled_one = s.constant_like(x, 2.0**-down)
    low = s.divide(scaled_one, s.add(power, s.fma(power, q, scaled_one)))
    high = s.subtract(s.constant_like(x, 1.0), low)
    return s.select(s.less(x, s.constant_like(x, 0.0)), low, high)
