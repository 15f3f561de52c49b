"""Conversions between dtypes with NumPy's meaning, and never poison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..lanes import bits_of

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


def cast(s: Lanes, x: Lane, dtype: str) -> Lane:
    """`astype`: integers wrap, floats round to even, float -> integer truncates and saturates.

    NaN becomes the integer 0. Beyond the largest number, e4m3fn has NaN and e5m2 an infinity.
    """
    if x.dtype == dtype:
        return x
    if x.dtype in _WIDEN:
        return cast(s, _WIDEN[x.dtype](s, x), dtype)
    if dtype == "bool":
        return s.not_equal(x, s.constant_like(x, 0))
    if dtype in _NARROW:
        return _NARROW[dtype](s, _as_single(s, x))
    if x.is_float:
        return _from_float(s, x, dtype)
    if dtype in ("f32", "f64"):
        if x.dtype == "bool":
            return s.select(x, s.constant(1.0, dtype), s.constant(0.0, dtype))
        return s.convert("sitofp" if x.is_signed else "uitofp", x, dtype)
    have, want = bits_of(x.dtype), bits_of(dtype)
    if have == want:
        return s.bitcast(x, dtype)
    if have > want:
        return s.convert("trunc", x, dtype)
    return s.convert("sext" if x.is_signed else "zext", x, dtype)


def _from_float(s: Lanes, x: Lane, dtype: str) -> Lane:
    if dtype in ("f32", "f64"):
        return s.convert("fpext" if dtype == "f64" else "fptrunc", x, dtype)
    kind = "fptosi" if dtype.startswith("i") else "fptoui"
    spread = "" if x.width == 1 else f"v{x.width}"
    name = f"llvm.{kind}.sat.{spread}i{bits_of(dtype)}.{spread}{x.dtype}"
    return s.intrinsic(name, [x], dtype)


def _as_single(s: Lanes, x: Lane) -> Lane:
    """x as f32, from which a smaller float is rounded: what f32 does not hold leaves a trace."""
    if not x.is_float and bits_of(x.dtype) > 16:
        x = cast(s, x, "f64")
    return _round_to_odd(s, x) if x.dtype == "f64" else cast(s, x, "f32")


def _round_to_odd(s: Lanes, x: Lane) -> Lane:
    """f64 -> f32 keeping the lost bits sticky in the last one, so rounding again is exact.

    Source: Boldo & Melquiond, "When double rounding is odd" (2004).
    """
    near = s.convert("fptrunc", x, "f32")
    back = s.convert("fpext", near, "f64")
    bits = s.to_bits(near)
    too_big = s.greater(s.abs(back), s.abs(x))
    toward_zero = s.subtract(bits, s.convert("zext", too_big, "i32"))
    odd = s.or_(toward_zero, s.constant_like(bits, 1))
    inexact = s.compare("fcmp one", back, x)
    return s.bitcast(s.select(inexact, odd, bits), "f32")


def _widen_bf16(s: Lanes, x: Lane) -> Lane:
    return s.bitcast(s.shl(s.convert("zext", s.to_bits(x), "i32"), 16), "f32")


def _narrow_bf16(s: Lanes, x: Lane) -> Lane:
    """Round to nearest even on the bits: the hardware instruction flushes subnormals."""
    bits = s.to_bits(x)
    lowest = s.and_(s.lshr(bits, 16), s.constant_like(bits, 1))
    rounded = s.add(s.add(bits, s.constant_like(bits, 0x7FFF)), lowest)
    quiet = s.or_(bits, s.constant_like(bits, 0x400000))
    high = s.lshr(s.select(s.is_nan(x), quiet, rounded), 16)
    return s.bitcast(s.convert("trunc", high, "i16"), "bf16")


def _widen_f16(s: Lanes, x: Lane) -> Lane:
    if s.has("f16c") or s.has("avx512f"):
        return s.widen_half(x)
    bits = s.convert("zext", s.to_bits(x), "i32")
    magnitude = s.shl(s.and_(bits, s.constant_like(bits, 0x7FFF)), 13)
    # The product moves the exponent bias from 15 to 127 and normalises subnormals.
    scaled = s.multiply(s.bitcast(magnitude, "f32"), s.constant(2.0**112, "f32", x.width))
    special = s.or_(magnitude, s.constant_like(bits, 0x7F800000))
    is_special = s.greater_equal(magnitude, s.constant_like(bits, 0x7C00 << 13))
    value = s.select(is_special, special, s.to_bits(scaled))
    sign = s.shl(s.and_(bits, s.constant_like(bits, 0x8000)), 16)
    return s.bitcast(s.or_(value, sign), "f32")


def _narrow_f16(s: Lanes, x: Lane) -> Lane:
    if s.has("f16c") or s.has("avx512f"):
        return s.narrow_half(x)
    bits = s.to_bits(x)
    magnitude = s.to_bits(s.abs(x))
    # Normal results: rebias, then round to even on the 13 bits that leave.
    lowest = s.and_(s.lshr(magnitude, 13), s.constant_like(bits, 1))
    rebias = s.constant_like(bits, (15 - 127 << 23) + 0xFFF)
    normal = s.lshr(s.add(s.add(magnitude, rebias), lowest), 13)
    # Subnormal results: adding 0.5 lets the adder round at 2**-24, the last place of f16.
    half = s.constant(0.5, "f32", x.width)
    small = s.subtract(s.to_bits(s.add(s.abs(x), half)), s.to_bits(half))
    result = s.select(s.less(magnitude, s.constant_like(bits, 113 << 23)), small, normal)
    big = s.greater_equal(magnitude, s.constant_like(bits, 0x477FF000))
    result = s.select(big, s.constant_like(bits, 0x7C00), result)
    payload = s.lshr(s.and_(magnitude, s.constant_like(bits, 0x7FFFFF)), 13)
    nan = s.or_(payload, s.constant_like(bits, 0x7E00))
    result = s.select(s.is_nan(x), nan, result)
    sign = s.and_(s.lshr(bits, 16), s.constant_like(bits, 0x8000))
    return s.bitcast(s.convert("trunc", s.or_(result, sign), "i16"), "f16")


@dataclass(frozen=True)
class Quarter:
    """How a float of 8 bits lies in its byte: a sign, an exponent, and `digits` bits of fraction.

    Attributes:
        bias: of the exponent.
        limit: the least f32 that rounds beyond the largest number.
        beyond: the byte of what is beyond.
        nan: the least byte that is NaN; every greater one is NaN too.
        quiet: the byte that NaN becomes.
    """

    name: str
    digits: int
    bias: int
    limit: float
    beyond: int
    nan: int
    quiet: int

    @property
    def shift(self) -> int:
        """How far the fraction of an f32 is longer."""
        return 23 - self.digits


E4M3FN = Quarter("f8e4m3fn", 3, 7, 464.0 + 2.0**-15, 0x7F, 0x7F, 0x7F)
E5M2 = Quarter("f8e5m2", 2, 15, 61440.0, 0x7C, 0x7D, 0x7E)


def _widen_quarter(s: Lanes, x: Lane, kind: Quarter) -> Lane:
    bits = s.convert("zext", s.to_bits(x), "i32")
    magnitude = s.and_(bits, s.constant_like(bits, 0x7F))
    # As for f16, the product moves the exponent bias and normalises subnormals.
    scale = s.constant(2.0 ** (127 - kind.bias), "f32", x.width)
    value = s.to_bits(s.multiply(s.bitcast(s.shl(magnitude, kind.shift), "f32"), scale))
    if kind.beyond < kind.nan:
        infinite = s.equal(magnitude, s.constant_like(bits, kind.beyond))
        value = s.select(infinite, s.constant_like(bits, 0x7F800000), value)
    is_nan = s.greater_equal(magnitude, s.constant_like(bits, kind.nan))
    value = s.select(is_nan, s.constant_like(bits, 0x7FC00000), value)
    sign = s.shl(s.and_(bits, s.constant_like(bits, 0x80)), 24)
    return s.bitcast(s.or_(value, sign), "f32")


def _narrow_quarter(s: Lanes, x: Lane, kind: Quarter) -> Lane:
    bits = s.to_bits(x)
    magnitude = s.to_bits(s.abs(x))
    # As for f16: normal results round to even on the bits that leave, subnormal ones in the adder.
    lowest = s.and_(s.lshr(magnitude, kind.shift), s.constant_like(bits, 1))
    rebias = s.constant_like(bits, (kind.bias - 127 << 23) + (1 << kind.shift - 1) - 1)
    normal = s.lshr(s.add(s.add(magnitude, rebias), lowest), kind.shift)
    last = s.constant(2.0 ** (24 - kind.bias - kind.digits), "f32", x.width)
    small = s.subtract(s.to_bits(s.add(s.abs(x), last)), s.to_bits(last))
    is_small = s.less(magnitude, s.constant_like(bits, 128 - kind.bias << 23))
    result = s.select(is_small, small, normal)
    limit = s.to_bits(s.constant(kind.limit, "f32", x.width))
    result = s.select(s.less(magnitude, limit), result, s.constant_like(bits, kind.beyond))
    result = s.select(s.is_nan(x), s.constant_like(bits, kind.quiet), result)
    sign = s.and_(s.lshr(bits, 24), s.constant_like(bits, 0x80))
    return s.bitcast(s.convert("trunc", s.or_(result, sign), "i8"), kind.name)


_WIDEN: dict[str, Callable[[Lanes, Lane], Lane]] = {
    "f16": _widen_f16,
    "bf16": _widen_bf16,
    E4M3FN.name: partial(_widen_quarter, kind=E4M3FN),
    E5M2.name: partial(_widen_quarter, kind=E5M2),
}
_NARROW: dict[str, Callable[[Lanes, Lane], Lane]] = {
    "f16": _narrow_f16,
    "bf16": _narrow_bf16,
    E4M3FN.name: partial(_narrow_quarter, kind=E4M3FN),
    E5M2.name: partial(_narrow_quarter, kind=E5M2),
}
