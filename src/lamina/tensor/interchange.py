"""Memory shared with other libraries by DLPack.

NumPy writes and reads the capsules. It has no bfloat16: such elements travel as 16-bit integers,
and the one byte of the capsule that says so is changed on the way.

Source for all: DLPack 1.0, https://dmlc.github.io/dlpack/latest/python_spec.html.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from lamina.base.dtypes import DType, bfloat16
from lamina.base.errors import UsageError

CPU = (1, 0)
"""DLPack's name for the memory of the processor."""

_UNSIGNED, _BFLOAT = 1, 4  # DLDataTypeCode
_CODE_AT = {b"dltensor": 20, b"dltensor_versioned": 52}  # bytes from the start of the struct

_name_of = ctypes.pythonapi.PyCapsule_GetName
_name_of.restype, _name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _code(capsule: Any) -> ctypes.c_uint8:
    """The byte of a capsule that tells integers from floats."""
    name = _name_of(capsule)
    return ctypes.c_uint8.from_address(_pointer_of(capsule, name) + _CODE_AT[name])


def exported(
    array: np.ndarray,
    dtype: DType,
    stream: Any,
    max_version: tuple[int, int] | None,
    dl_device: tuple[int, int] | None,
    copy: bool | None,
) -> Any:
    """The capsule of a read-only array of elements of `dtype`.

    A consumer that does not know version 1 could not see that it must not write, and gets a copy;
    with `copy=False` it gets the memory, and has to know.

    Raises:
        BufferError: another device, or a stream, or memory that is read-only for everybody.
    """
    if dl_device is not None and tuple(dl_device) != CPU:
        raise BufferError(f"__dlpack__: no device {dl_device}, only {CPU}")
    if stream is not None:
        raise BufferError("__dlpack__: the memory of the processor has no streams")
    old = max_version is None or max_version[0] < 1
    plain = array.view(np.uint16) if dtype is bfloat16 else array
    if copy or (old and copy is None):
        plain = plain.copy()
    elif old:
        plain = _writable(plain)
    capsule = plain.__dlpack__(max_version=None if old else max_version)  # type: ignore[call-arg]
    if dtype is bfloat16:
        _code(capsule).value = _BFLOAT
    return capsule


def _writable(array: np.ndarray) -> np.ndarray:
    """A view that does not say that it is read-only."""
    try:
        array.flags.writeable = True
    except ValueError:
        raise BufferError("__dlpack__: the memory is read-only; take a copy") from None
    return array


class _AsIntegers:
    """A producer whose bfloat16 elements are taken for 16-bit integers."""

    def __init__(self, producer: Any):
        self.producer = producer
        self.changed = False

    def __dlpack_device__(self) -> Any:
        return self.producer.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        try:
            capsule = self.producer.__dlpack__(**options)
        except TypeError:  # a producer from before version 1
            capsule = self.producer.__dlpack__()
        code = _code(capsule)
        if code.value == _BFLOAT:
            code.value, self.changed = _UNSIGNED, True
        return capsule


def imported(producer: Any, copy: bool | None = None) -> np.ndarray:
    """The array over the memory of a producer, row-major; a copy where that needs one.

    Raises:
        UsageError: no DLPack, no memory of the processor, or a copy is needed and not allowed.
    """
    if not hasattr(producer, "__dlpack__"):
        raise UsageError(
            "from_dlpack: the object does not speak DLPack", [f"given: {type(producer).__name__}"]
        )
    taken = _AsIntegers(producer)
    try:
        array = np.from_dlpack(taken)  # type: ignore[arg-type]
    except (BufferError, RuntimeError) as refused:
        raise UsageError(
            "from_dlpack: the memory cannot be read",
            [f"given: {type(producer).__name__}", f"NumPy: {refused}"],
        ) from None
    if taken.changed:
        array = array.view(bfloat16.numpy)
    if copy is False and not array.flags.c_contiguous:
        raise UsageError(
            "from_dlpack: the elements are not in row-major order",
            [f"strides in bytes: {array.strides}", f"shape: {array.shape}"],
            "leave out copy=False",
        )
    return np.array(array, order="C") if copy else array
