"""Element types: their names, their NumPy twins, and how two of them promote."""

from __future__ import annotations

from functools import cached_property

import ml_dtypes
import numpy as np

from lamina.base.errors import DTypeError
from lamina.base.records import frozen


@frozen
class DType:
    """An element type, such as `float32`.

    `name` is the short name that graphs and kernels print ("f32"); `str(dtype)` gives it.
    """

    name: str
    long_name: str
    kind: str  # "bool", "int", "uint", "float", "complex", or "storage": cast to compute with it
    bits: int

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"lamina.{self.long_name}"

    def __reduce__(self) -> tuple:
        return dtype, (self.name,)  # copies are the same object, as `is` expects

    @cached_property
    def numpy(self) -> np.dtype:
        """The NumPy dtype with the same bytes."""
        own = self.name in ("bf16", "f8e4m3fn", "f8e5m2")
        return np.dtype(getattr(ml_dtypes, self.long_name) if own else self.long_name)

    @property
    def size_bytes(self) -> int:
        """Bytes of one element in memory; a boolean takes one."""
        return max(self.bits // 8, 1)

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_complex(self) -> bool:
        return self.kind == "complex"

    @property
    def is_inexact(self) -> bool:
        """Whether it is floating or complex: what has derivatives."""
        return self.kind in ("float", "complex")

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def part(self) -> DType:
        """The dtype of the real and the imaginary part; itself for what is not complex."""
        return _BY_NAME[f"f{self.bits // 2}"] if self.is_complex else self

    @property
    def complex(self) -> DType:
        """The smallest complex dtype that holds it; an integer becomes complex64."""
        return complex128 if self.is_inexact and self.part.bits == 64 else complex64


bool_ = DType("bool", "bool", "bool", 1)
int8 = DType("i8", "int8", "int", 8)
int16 = DType("i16", "int16", "int", 16)
int32 = DType("i32", "int32", "int", 32)
int64 = DType("i64", "int64", "int", 64)
uint8 = DType("u8", "uint8", "uint", 8)
uint16 = DType("u16", "uint16", "uint", 16)
uint32 = DType("u32", "uint32", "uint", 32)
uint64 = DType("u64", "uint64", "uint", 64)
float16 = DType("f16", "float16", "float", 16)
bfloat16 = DType("bf16", "bfloat16", "float", 16)
float32 = DType("f32", "float32", "float", 32)
float64 = DType("f64", "float64", "float", 64)
complex64 = DType("c64", "complex64", "complex", 64)
complex128 = DType("c128", "complex128", "complex", 128)
float8_e4m3fn = DType("f8e4m3fn", "float8_e4m3fn", "storage", 8)
float8_e5m2 = DType("f8e5m2", "float8_e5m2", "storage", 8)

ALL = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128, float8_e4m3fn, float8_e5m2,
)  # fmt: skip
_BY_NAME = {d.name: d for d in ALL} | {d.long_name: d for d in ALL}
_BY_NUMPY = {d.numpy: d for d in ALL}


def dtype(spec: object) -> DType:
    """The DType named by `spec`: a DType, a name ("f32", "float32"), a NumPy or a Python type.

    Raises:
        DTypeError: no such element type.
    """
    if isinstance(spec, DType):
        return spec
    if isinstance(spec, str) and spec in _BY_NAME:
        return _BY_NAME[spec]
    if spec is float:
        return float32
    if spec is int:
        return int64
    if spec is complex:
        return complex64
    try:
        return _BY_NUMPY[np.dtype(spec)]  # type: ignore[call-overload]
    except (TypeError, KeyError):
        known = ", ".join(d.long_name for d in ALL)
        raise DTypeError(f"no element type {spec!r}", [f"there are: {known}"]) from None


def is_known(numpy_dtype: np.dtype) -> bool:
    """Whether a NumPy dtype, of any byte order, has a twin here."""
    return numpy_dtype.newbyteorder("=") in _BY_NUMPY


_RANK = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}


def promote(a: DType, b: DType) -> DType:
    """The smallest dtype that holds both, by the table of the Python array API standard (2024.12).

    A float with a complex number gives the complex dtype whose parts hold the float. Where the
    table is silent: an integer or boolean with a float or complex number gives the latter, float16
    with bfloat16 gives float32. uint64 with a signed integer has no common integer and is an error
    there; here too. What is only stored (float8) meets nothing but itself.
    """
    if a == b:
        return a
    if "storage" in (a.kind, b.kind):
        stored = a if a.kind == "storage" else b
        raise DTypeError(
            f"{stored.long_name} is for storage and meets no other dtype",
            [f"dtypes: {a.long_name}, {b.long_name}"],
            "cast it first, as in x.astype(lamina.float32)",
        )
    if {a.kind, b.kind} == {"float", "complex"}:
        return a.complex if a.complex.bits > b.complex.bits else b.complex
    if _RANK[a.kind] != _RANK[b.kind]:
        return a if _RANK[a.kind] > _RANK[b.kind] else b
    if a.kind == b.kind:
        if a.bits == b.bits:
            return float32
        return a if a.bits > b.bits else b
    signed, unsigned = (a, b) if a.kind == "int" else (b, a)
    if signed.bits > unsigned.bits:
        return signed
    if unsigned.bits == 64:
        raise DTypeError(
            "uint64 and a signed integer have no common integer type", (), "cast one of them"
        )
    return _BY_NAME[f"i{unsigned.bits * 2}"]
