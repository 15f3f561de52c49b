"""Python and NumPy data to Tensors."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np

from lamina.base import dims, dtypes
from lamina.base.dims import Dim, as_size, surely_negative
from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.graph.ir import TensorType, emit
from lamina.graph.ops import Cast, Constant, Identity
from lamina.tensor.interchange import imported
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
        found = tuple([as_size(n) for n in ((shape,) if one else shape)])
    except TypeError:
        raise ShapeError(f"no tensor has the shape {shape}", ["sizes are integers"]) from None
    if any(surely_negative(n - low) for n in found):
        raise ShapeError(f"no tensor has the shape {found}", ["a size is negative"])
    return found


def on_device(name: str, device: Any) -> None:
    """Nothing, if tensors can live on `device`: None or "cpu".

    Raises:
        UsageError: there is no such device.
    """
    if device not in (None, "cpu"):
        raise UsageError(f"{name}: no device {device!r}", ["devices: cpu"])


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
        copy: True copies the data, None shares it where possible, False always.

    Raises:
        UsageError: `copy` is False and the data cannot be shared.

    Example:
        >>> asarray([1.0, 2.0])
        Tensor([1., 2.], shape=(2,), dtype=float32)

    Source: Python array API 2024.12, `asarray`.
    """
    if device is not None:
        on_device("asarray", device)
    wanted = None if dtype is None else dtypes.dtype(dtype)
    if copy is False:
        _must_share(obj, wanted)
    if isinstance(obj, Tensor):
        if obj.weak:
            return _of_number(obj, wanted)
        return emit(Identity(), obj) if copy and wanted in (None, obj.dtype) else _cast(obj, wanted)
    if type(obj) is Dim:
        return full_of(obj, wanted or scalar_dtype(obj), ())  # pyright: ignore[reportArgumentType]
    if isinstance(obj, Scalar) and not isinstance(obj, np.generic):
        return full_of(obj, wanted or scalar_dtype(obj), ())
    if isinstance(obj, list | tuple) and _holds_tensor(obj):
        return _cast(_stacked(obj), wanted)
    array = imported(obj) if _only_dlpack(obj) else _read(obj)
    if not dtypes.is_known(array.dtype):
        raise DTypeError(
            f"asarray: no element type for {array.dtype}", [f"given: {type(obj).__name__}"]
        )
    if wanted is None and not hasattr(obj, "dtype"):
        wanted = _default(array.dtype)
    if wanted is not None:
        array = _as_dtype(array, wanted)
    return from_numpy(np.array(array), own=True) if copy else from_numpy(array, _is_ours(obj))


def _is_ours(obj: Any) -> bool:
    """Whether an array that was made of `obj` has memory of its own."""
    return isinstance(obj, list | tuple)


def _as_dtype(array: np.ndarray, wanted: DType) -> np.ndarray:
    """`array` in another dtype; a complex array does not become real."""
    if array.dtype.kind == "c" and not wanted.is_complex:
        Cast(wanted).infer(TensorType(dtypes.dtype(array.dtype), array.shape))  # raises
    return array.astype(wanted.numpy, copy=False)


def _cast(x: Tensor, wanted: DType | None) -> Tensor:
    return x if wanted is None else cast(x, wanted)


def _must_share(obj: Any, wanted: DType | None) -> None:
    """Nothing, if a tensor of dtype `wanted` can stand on the memory of `obj`."""
    known = hasattr(obj, "__array__") or hasattr(obj, "__dlpack__") or _is_buffer(obj)
    if not known:
        raise UsageError("asarray: this has no memory to share", [f"given: {type(obj).__name__}"])
    held = obj.dtype if isinstance(obj, Tensor) else None
    if held is None:
        array = imported(obj) if _only_dlpack(obj) else np.asarray(obj)
        held = None if not array.flags.c_contiguous else dtypes.dtype(array.dtype)
    if held is None or wanted not in (None, held):
        raise UsageError(
            "asarray: the data cannot be shared",
            [f"given: {type(obj).__name__}", f"wanted: {wanted or 'row-major order'}"],
            "leave out copy=False",
        )


def _is_buffer(obj: Any) -> bool:
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True


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


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """The Tensor over the memory of an array of another library; do not write to it afterwards.

    Args:
        x: an object with `__dlpack__` and `__dlpack_device__`, such as a PyTorch tensor.
        device: None or "cpu".
        copy: True copies the elements, None where they are not in row-major order, False never.

    Raises:
        UsageError: the memory cannot be read, or needs a copy.

    Example:
        >>> from_dlpack(np.asarray([1, 2]))
        Tensor([1, 2], shape=(2,), dtype=int64)

    Source: Python array API 2024.12, `from_dlpack`.
    """
    on_device("from_dlpack", device)
    return from_numpy(imported(x, copy))


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
    return dtypes.int64 if isinstance(value, int | Dim) else dtypes.float32


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
    if type(value) is Dim:
        return value
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


def _weak(size: Dim) -> Tensor:
    """The tensor that stands for a symbolic size, as one stands for a Python number in `jit`."""
    made = full_of(size, dtypes.int64, ())  # pyright: ignore[reportArgumentType]
    made.weak = True
    return made


dims.to_tensor.append(_weak)


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
        copy: whether the result is a tensor of its own also where it has the dtype already.
        device: None or "cpu".

    Raises:
        DTypeError: `x` is complex and `dtype` is real.

    Source: Python array API 2024.12, `astype`.
    """
    if device is not None:
        on_device("astype", device)
    given, wanted = asarray(x), dtypes.dtype(dtype)
    return emit(Identity(), given) if copy and given.dtype is wanted else cast(given, wanted)
