"""Functions that look at the bits of floating numbers: signs, and the next number.

Source for all: IEEE 754-2019, 3.4, and Python array API 2024.12, "Element-wise functions".
"""

from __future__ import annotations

from typing import Any

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.graph.ir import emit
from lamina.graph.ops import Bitcast
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.elementwise import abs, equal, isnan, less, not_equal, where
from lamina.tensor.promotion import meet
from lamina.tensor.tensor import Tensor


def _whole(dtype: DType) -> DType:
    """The signed integers as wide as the floats of `dtype`."""
    return dtypes.dtype(f"int{dtype.bits}")


def _bits(x: Tensor) -> Tensor:
    return emit(Bitcast(_whole(x.dtype)), x)


def signbit(x: Any, /) -> Tensor:
    """Whether the sign bit is set: for negative numbers, -0.0, and a NaN with a sign.

    Example:
        >>> signbit(asarray([1.0, -0.0]))
        Tensor([False,  True], shape=(2,), dtype=bool)
    """
    given = asarray(x)
    if given.dtype.kind in ("bool", "uint"):
        return not_equal(given, given)
    return less(_bits(given) if given.dtype.is_float else given, 0)


def copysign(x: Any, y: Any, /) -> Tensor:
    """|x| with the sign of y, element by element; integers become float32.

    Example:
        >>> copysign(asarray([1.0, -2.0]), -0.0)
        Tensor([-1., -2.], shape=(2,), dtype=float32)
    """
    a, b = meet("copysign", x, y, floating=True)
    size = abs(a)
    return where(signbit(b), -size, size)


def nextafter(x: Any, y: Any, /) -> Tensor:
    """The number next to x on the way to y, element by element; y itself where they are equal.

    Neighbours of one sign have neighbouring bits, read as integers; zero has the smallest
    subnormals beside it.
    """
    a, b = meet("nextafter", x, y, floating=True)
    bits = _bits(a)
    away = equal(less(a, b), less(0.0, a))
    lowest = -(1 << (a.dtype.bits - 1))  # the bits of -0.0
    beside_zero = where(signbit(b), lowest + 1, 1)
    stepped = where(equal(a, 0.0), beside_zero, bits + where(away, 1, -1))
    found = emit(Bitcast(a.dtype), cast(stepped, bits.dtype))
    return where(isnan(a) | isnan(b), a + b, where(equal(a, b), b, found))
