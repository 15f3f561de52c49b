"""Dot products of the bytes or halves that a lane holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes

_BYTES = 4
_VECTORS = {16: "512", 8: "256", 4: "128"}  # lanes of an instruction, and its name
_PAIRS = {  # the same, and the feature that it belongs to
    16: ("avx512.pmaddw.d.512", "avx512bw"),
    8: ("avx2.pmadd.wd", "avx2"),
    4: ("sse2.pmadd.wd", "sse2"),
}


def dot4(s: Lanes, x: Lane, y: Lane, c: Lane) -> Lane:
    """c + the four products of the u8 in x by the i8 in y.  No sum saturates: VPDPBUSD, not -S."""
    size = _VECTORS.get(c.width)
    if size is None or not s.has("avx512vnni") or not (size == "512" or s.has("avx512vl")):
        return _written_out(s, x, y, c)
    return s.intrinsic(f"llvm.x86.avx512.vpdpbusd.{size}", [c, x, y], "i32")


def dot2(s: Lanes, x: Lane, y: Lane, c: Lane) -> Lane:
    """c + the two products of the i16 in x by those in y.  PMADDWD wraps where both are -2^31."""
    name, feature = _PAIRS.get(c.width, ("", ""))
    if not s.has(feature):
        low = s.multiply(*(s.ashr(s.binary("shl", v, s.constant_like(v, 16)), 16) for v in (x, y)))
        return s.add(c, s.add(low, s.multiply(s.ashr(x, 16), s.ashr(y, 16))))
    pairs = [s.reread(v, "i16") for v in (x, y)]
    return s.add(c, s.intrinsic(f"llvm.x86.{name}", pairs, "i32", width=c.width))


def halves(s: Lanes, x: Lane) -> Lane:
    """The bytes of x, two a lane, as two i16 in a lane of i32."""
    bytes = s.reread(x, "i8" if x.is_signed else "u8")
    return s.reread(s.cast(bytes, "i16"), "i32")


def _written_out(s: Lanes, x: Lane, y: Lane, c: Lane) -> Lane:
    for i in range(_BYTES):
        unsigned = s.and_(s.lshr(x, 8 * i), s.constant_like(x, 255))
        highest = s.binary("shl", y, s.constant_like(y, 24 - 8 * i))
        c = s.add(c, s.multiply(unsigned, s.ashr(highest, 24)))
    return c
