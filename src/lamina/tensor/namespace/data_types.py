"""What there is to know about dtypes: limits, kinds, and which casts keep the meaning.

Source for all: Python array API 2024.12, "Data type functions".
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError
from lamina.base.records import frozen
from lamina.tensor.tensor import Tensor

_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "numeric": ("int", "uint", "float", "complex"),
}


@frozen
class FloatInfo:
    """Limits of a floating dtype; of a complex one, those of its parts.

    Attributes:
        bits: bits of one number.
        eps: the distance from 1.0 to the next greater number.
        max: the largest number.
        min: the smallest number, that is -max.
        smallest_normal: the smallest positive number with all its digits.
        dtype: the real floating dtype.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@frozen
class IntegerInfo:
    """Limits of an integer dtype.

    Attributes:
        bits: bits of one number.
        max: the largest number.
        min: the smallest number.
        dtype: the integer dtype.
    """

    bits: int
    max: int
    min: int
    dtype: DType


def _dtype_of(given: Any) -> DType:
    return given.dtype if isinstance(given, Tensor | np.ndarray) else dtypes.dtype(given)


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a floating or complex dtype, or of that of a tensor.

    Raises:
        DTypeError: the dtype is not floating.

    Example:
        >>> finfo(dtypes.float32).bits, finfo(dtypes.complex128).dtype
        (32, lamina.float64)
    """
    kind = dtypes.dtype(_dtype_of(type)).part
    if not kind.is_float and kind.kind != "storage":
        raise DTypeError(
            f"finfo: {kind.long_name} is not floating", (), "lamina.iinfo tells about integers"
        )
    info = ml_dtypes.finfo(kind.numpy)
    return FloatInfo(
        kind.bits,
        float(info.eps),
        float(info.max),
        float(info.min),
        float(info.smallest_normal),
        kind,
    )


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer dtype, or of that of a tensor.

    Raises:
        DTypeError: the dtype is not an integer.

    Example:
        >>> iinfo(dtypes.int8).max
        127
    """
    kind = dtypes.dtype(_dtype_of(type))
    if not kind.is_integer:
        raise DTypeError(
            f"iinfo: {kind.long_name} is no integer", (), "lamina.finfo tells about floats"
        )
    info = np.iinfo(kind.numpy)
    return IntegerInfo(kind.bits, int(info.max), int(info.min), kind)


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether a dtype is the given one, or of the given kind.

    Args:
        dtype: a dtype.
        kind: a dtype; "bool", "signed integer", "unsigned integer", "integral", "real floating",
            "complex floating" or "numeric"; or a tuple of these, of which one must fit.

    Raises:
        DTypeError: there is no such kind.

    Example:
        >>> isdtype(dtypes.float32, ("integral", "real floating"))
        True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str) and kind not in _KINDS:
        raise DTypeError(f"isdtype: no kind {kind!r}", [f"there are: {', '.join(_KINDS)}"])
    if isinstance(kind, str):
        return dtypes.dtype(dtype).kind in _KINDS[kind]
    return dtypes.dtype(dtype) == dtypes.dtype(kind)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether promotion leads from one dtype to the other: `to` is where both meet.

    Args:
        from_: a dtype or a tensor.
        to: a dtype.

    Example:
        >>> can_cast(dtypes.int8, dtypes.int16), can_cast(dtypes.float64, dtypes.float32)
        (True, False)
    """
    source, target = dtypes.dtype(_dtype_of(from_)), dtypes.dtype(to)
    try:
        return dtypes.promote(source, target) == target
    except DTypeError:
        return False
