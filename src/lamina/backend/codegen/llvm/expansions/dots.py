"""Dot products of the bytes that a lane holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes

_BYTES = 4
_VECTORS = {16: "512", 8: "256", 4: "128"}  # lanes of an instruction, and its name


def dot4(s: Lanes, x: Lane, y: Lane, c: Lane) -> Lane:
    """c + the four products of the u8 in x by the i8 in y.  No sum saturates: VPDPBUSD, not -S."""
    size = _VECTORS.get(c.width)
    if size is None or not s.has("avx512vnni") or not (size == "512" or s.has("avx512vl")):
        return _written_out(s, x, y, c)
    return s.intrinsic(f"llvm.x86.avx512.vpdpbusd.{size}", [c, x, y], "i32")


def _written_out(s: Lanes, x: Lane, y: Lane, c: Lane) -> Lane:
    for i in range(_BYTES):
        unsigned = s.and_(s.lshr(x, 8 * i), s.constant_like(x, 255))
        highest = s.binary("shl", y, s.constant_like(y, 24 - 8 * i))
        c = s.add(c, s.multiply(unsigned, s.ashr(highest, 24)))
    return c
