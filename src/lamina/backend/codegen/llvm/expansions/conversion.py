"""Conversions between dtypes with NumPy's meaning, and never poison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lanes import bits_of

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


def cast(s: Lanes, x: Lane, dtype: str) -> Lane:
    """`astype`: integers wrap, floats round to even, float -> integer truncates and saturates.

    NaN becomes the integer 0.
    """
    if x.dtype == dtype:
        return x
    if x.dtype in ("f16", "bf16"):
        return cast(s, (_widen_f16 if x.dtype == "f16" else _widen_bf16)(s, x), dtype)
    if dtype == "bool":
        return s.not_equal(x, s.constant_like(x, 0))
    if dtype in ("f16", "bf16"):
        return _to_half(s, x, dtype)
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


def _to_half(s: Lanes, x: Lane, dtype: str) -> Lane:
    if x.dtype == "f64":
        x = _round_to_odd(s, x)
    elif x.dtype != "f32":
        x = cast(s, x, "f32")
    return (_narrow_f16 if dtype == "f16" else _narrow_bf16)(s, x)


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
