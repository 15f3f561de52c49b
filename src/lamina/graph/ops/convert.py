"""From one element type to another: by value (Cast) or by bits (Bitcast)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError
from lamina.base.records import frozen
from lamina.graph.ir import TensorType, emit
from lamina.graph.ops.complex import real
from lamina.graph.ops.constant import zeros_like
from lamina.graph.ops.elementwise import ANY, HALVES, Elementwise
from lamina.graph.ops.logic import or_
from lamina.graph.ops.pairs import Parts


@frozen
class Cast(Elementwise):
    """The nearest value of another dtype.  Inputs: any.  Source: IEEE 754-2019, 5.4 and 5.8.

    Floats round to even; float to integer cuts towards zero and saturates, NaN gives 0; integers
    wrap; anything but zero is True. A complex number has no nearest real one: take `real` or `abs`.
    float8 is rounded to even; beyond its largest number, e4m3fn gives NaN and e5m2 an infinity.
    Linear between floats and complex numbers; from or to other dtypes nothing varies.
    """

    kinds = ANY
    dtype: DType

    def infer(self, *types: TensorType) -> TensorType:
        if types[0].dtype.is_complex and not (self.dtype.is_complex or self.dtype.kind == "bool"):
            raise DTypeError(
                f"cast: {self.dtype.long_name} holds no complex number",
                [f"x: {types[0]}", f"to: {self.dtype.long_name}"],
                "take lamina.real(x) or lamina.abs(x) first",
            )
        return types[0].with_dtype(self.dtype)

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.asarray(arrays[0])
        wanted = self.dtype.numpy
        with np.errstate(all="ignore"):
            if self.dtype.kind == "bool":
                return np.asarray(x != 0)
            if self.dtype.is_integer and x.dtype.kind not in "biu":
                return _saturate(x.astype(np.float64), wanted)
            if self.dtype.kind == "storage" or wanted in HALVES:
                return _rounded_once(x, wanted)
            return x.astype(wanted)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return cast(bar if x.dtype.is_complex else real(bar), x.dtype)

    def lane(self, s: Any, x: Any) -> Any:
        return s.cast(x, self.dtype.name)

    def split(self, x: Any) -> Any:
        if not isinstance(x, Parts):
            part = cast(x, self.dtype.part)
            return Parts(part, zeros_like(part))
        if self.dtype.is_complex:
            return Parts(cast(x.re, self.dtype.part), cast(x.im, self.dtype.part))
        return or_(cast(x.re, self.dtype), cast(x.im, self.dtype))


def _rounded_once(x: np.ndarray, wanted: np.dtype) -> np.ndarray:
    """The nearest of few digits: by way of float32, whose last digit says what got lost.

    Source: Boldo & Melquiond, "When double rounding is odd" (2004).
    """
    if x.dtype in (np.dtype(np.float32), *HALVES) or x.dtype.itemsize == 1:
        return x.astype(np.float32).astype(wanted)
    exact = np.asarray(x, np.float64)
    near = exact.astype(np.float32)
    too_big = np.abs(near.astype(np.float64)) > np.abs(exact)
    bits = near.view(np.uint32)
    odd = (bits - too_big.astype(np.uint32)) | np.uint32(1)
    inexact = (near != exact) & ~np.isnan(exact)
    return np.where(inexact, odd, bits).view(np.float32).astype(wanted)


def _saturate(x: np.ndarray, wanted: np.dtype) -> np.ndarray:
    """Floats cut to the integers of a dtype, out of range to the nearest end, NaN to 0."""
    info = np.iinfo(wanted)
    high, low = x >= float(info.max), x <= float(info.min)
    safe = np.where(high | low | np.isnan(x), 0.0, x).astype(wanted)
    return np.where(high, wanted.type(info.max), np.where(low, wanted.type(info.min), safe))


def cast(x: Any, dtype: DType) -> Any:
    """x in another dtype; x itself if it has it."""
    return x if getattr(x, "dtype", None) == dtype else emit(Cast(dtype), x)


@frozen
class Bitcast(Elementwise):
    """The same bits read as another dtype of the same width.  Inputs: numbers.  Source: ours."""

    kinds = "int uint float storage"
    constant = True
    dtype: DType

    def infer(self, *types: TensorType) -> TensorType:
        self.require(self.kinds, *types)
        if types[0].dtype.bits != self.dtype.bits or self.dtype.kind in ("bool", "complex"):
            raise DTypeError(
                "bitcast: the dtypes differ in width",
                [f"x: {types[0]}", f"to: {self.dtype.long_name}"],
                f"take one of {types[0].dtype.bits} bits",
            )
        return types[0].with_dtype(self.dtype)

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.asarray(arrays[0]).view(self.dtype.numpy)

    def lane(self, s: Any, x: Any) -> Any:
        return s.bitcast(x, self.dtype.name)


def bitcast(x: Any, dtype: DType) -> Any:
    """The bits of x, read as `dtype`."""
    return emit(Bitcast(dtype), x)
