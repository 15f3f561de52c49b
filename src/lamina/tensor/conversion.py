"""Python and NumPy data to Tensors."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from operator import index
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError, ShapeError
from lamina.graph.ir import TensorType, emit
from lamina.graph.ops import Cast, Constant, Identity
from lamina.tensor.tensor import Tensor, checked, from_numpy

Scalar = bool | int | float | complex


def sizes_of(shape: Any, low: int = 0) -> tuple[int, ...]:
    """A shape as integers; one integer is the shape of one axis.

    Args:
        shape: integers, or integer tensors of rank 0.
        low: the smallest size that is allowed.

    Raises:
        ShapeError: something in it is no integer, or less than `low`.
        TraceError: a size is not known yet inside `jit` or `vmap`.
    """
    one = not hasattr(shape, "__iter__") or getattr(shape, "shape", None) == ()
    try:
        found = tuple([index(n) for n in ((shape,) if one else shape)])
    except TypeError:
        raise ShapeError(f"no tensor has the shape {shape}", ["sizes are integers"]) from None
    if min(found, default=low) < low:
        raise ShapeError(f"no tensor has the shape {found}", ["a size is negative"])
    return found


def asarray(
    obj: Any, /, *, dtype: Any = None, device: str | None = None, copy: bool | None = None
) -> Tensor:
    """The Tensor of `obj`: a Tensor, a Python number, nested sequences, or anything NumPy reads.

    Python floats become float32, complex numbers complex64 and ints int64; NumPy arrays keep their
    dtype. The memory of a C-contiguous NumPy array is shared unless `copy`; do not write to it
    afterwards.

    Args:
        obj: the data.
        dtype: the element type; that of the data when not given.
        device: None or "cpu".
        copy: True copies the data, None and False share it where possible.

    Example:
        >>> asarray([1.0, 2.0])
        Tensor([1., 2.], shape=(2,), dtype=float32)

    Source: Python array API 2024.12, `asarray`.
    """
    wanted = None if dtype is None else dtypes.dtype(dtype)
    if isinstance(obj, Tensor):
        return _of_number(obj, wanted) if obj.weak else cast(obj, wanted or obj.dtype)
    if isinstance(obj, Scalar) and not isinstance(obj, np.generic):
        return full_of(obj, wanted or scalar_dtype(obj), ())
    if isinstance(obj, list | tuple) and _holds_tensor(obj):
        return cast(_stacked(obj), wanted or _stacked(obj).dtype)
    array = np.from_dlpack(obj) if _only_dlpack(obj) else _read(obj)  # type: ignore[arg-type]
    if not dtypes.is_known(array.dtype):
        raise DTypeError(
            f"asarray: no element type for {array.dtype}", [f"given: {type(obj).__name__}"]
        )
    if wanted is None and not hasattr(obj, "dtype"):
        wanted = _default(array.dtype)
    if wanted is not None:
        array = _as_dtype(array, wanted)
    return from_numpy(np.array(array) if copy else array)


def _as_dtype(array: np.ndarray, wanted: DType) -> np.ndarray:
    """`array` in another dtype; a complex array does not become real."""
    if array.dtype.kind == "c" and not wanted.is_complex:
        Cast(wanted).infer(TensorType(dtypes.dtype(array.dtype), array.shape))  # raises
    return array.astype(wanted.numpy, copy=False)


def _read(obj: Any) -> np.ndarray:
    try:
        return np.asarray(obj)
    except ValueError as refused:  # rows of different lengths
        raise ShapeError(
            "asarray: this is no array",
            [f"given: {type(obj).__name__}", f"NumPy: {refused}"],
            "make all rows equally long, or pad them",
        ) from None


def _of_number(x: Tensor, wanted: DType | None) -> Tensor:
    """The tensor that a Python number would make, from the weak one that stands for it in `jit`."""
    chosen = wanted or _DEFAULTS.get(x.dtype.kind, x.dtype)
    return emit(Identity(), x) if x.dtype is chosen else emit(Cast(chosen), x)


def _only_dlpack(obj: Any) -> bool:
    return hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__")


def _default(numpy_dtype: np.dtype) -> DType | None:
    return _DEFAULTS.get(dtypes.dtype(numpy_dtype).kind)


def _holds_tensor(obj: Any) -> bool:
    return any(
        isinstance(x, Tensor) or (isinstance(x, list | tuple) and _holds_tensor(x)) for x in obj
    )


def _stacked(obj: Any) -> Tensor:
    from lamina.tensor.namespace.manipulation import stack

    return stack([asarray(x) for x in obj])


_DEFAULTS = {"float": dtypes.float32, "complex": dtypes.complex64}
"""What Python numbers become; other kinds keep their dtype."""


def scalar_dtype(value: Scalar) -> DType:
    """The dtype of a Python number that meets no tensor."""
    if isinstance(value, bool):
        return dtypes.bool_
    if isinstance(value, complex):
        return dtypes.complex64
    return dtypes.int64 if isinstance(value, int) else dtypes.float32


def full_of(value: Scalar, dtype: DType, shape: tuple[int, ...]) -> Tensor:
    """One number repeated, as a constant of the program."""
    return constant_like(value, TensorType(dtype, shape))


def constant_like(value: Scalar, type: TensorType) -> Tensor:
    """One number repeated, as a constant of a type."""
    return checked(_constant(value, str(value), type), type)


@lru_cache(maxsize=4096, typed=True)
def _constant(value: Scalar, text: str, type: TensorType) -> Constant:
    """Made and checked once; the text tells 0.0 from -0.0, which are equal keys."""
    op = Constant(_as_kind(value, type.dtype), type.dtype, type.shape)
    op.check()
    return op


def _as_kind(value: Scalar, dtype: DType) -> Scalar:
    if dtype.kind == "bool":
        return bool(value)
    if dtype.is_complex:
        return complex(value)
    if isinstance(value, complex):
        raise DTypeError(
            f"{dtype.long_name} holds no complex number",
            [f"value: {value}"],
            "take its real part, or a complex dtype",
        )
    if dtype.is_float or dtype.kind == "storage":
        return float(value)
    limits = np.iinfo(dtype.numpy)
    if isfinite(value) and limits.min <= int(value) <= limits.max:
        return int(value)
    raise DTypeError(
        f"{dtype.long_name} does not hold {value}", [f"range: {limits.min} to {limits.max}"]
    )


def cast(x: Tensor, dtype: DType) -> Tensor:
    """`x` with another element type; `x` itself when it has it."""
    return x if x.type.dtype is dtype else emit(Cast(dtype), x)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Tensor:
    """`x` with the element type `dtype`.

    Floats to integers truncate towards zero and saturate. Complex numbers become complex or
    boolean only: take `real` or `abs` first.

    Args:
        x: a tensor, or what makes one.
        dtype: the element type.
        copy: of no effect: a tensor does not change, so it may be its own copy.
        device: None or "cpu".

    Raises:
        DTypeError: `x` is complex and `dtype` is real.

    Source: Python array API 2024.12, `astype`.
    """
    given = asarray(x).to_device(device or "cpu")
    return cast(given, dtypes.dtype(dtype))
