"""The C interface `lamina/kernel.h` in Python: its structures, filled for one kernel.

The numbers and fields are those of the header, which says what they mean.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.dtypes import ALL
from lamina.graph.ir import TensorType
from lamina.runtime.call import FAILED, keep_error

ABI_VERSION = 1
CPU = 1
INTEGERS, REALS, TEXT = 1, 2, 3
DTYPES = {d.long_name: i + 1 for i, d in enumerate(ALL)}
MESSAGE_BYTES = 512


class Tensor(ctypes.Structure):
    """LaminaTensor."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("row_bytes", ctypes.c_int64),
        ("rank", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
    ]


class Attribute(ctypes.Structure):
    """LaminaAttribute."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("kind", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class Call(ctypes.Structure):
    """LaminaCall."""

    _fields_ = [
        ("version", ctypes.c_int32),
        ("device", ctypes.c_int32),
        ("inputs", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
        ("input_count", ctypes.c_int32),
        ("output_count", ctypes.c_int32),
        ("rows", ctypes.c_int64),
        ("workspace", ctypes.c_void_p),
        ("workspace_bytes", ctypes.c_int64),
        ("attributes", ctypes.c_void_p),
        ("attribute_count", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("stream", ctypes.c_void_p),
        ("message", ctypes.c_void_p),
        ("message_bytes", ctypes.c_int64),
    ]


KERNEL = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(Call))


class KernelFailure(Exception):
    """A kernel returned something other than 0.

    Attributes:
        code: what it returned.
        message: what it wrote.
    """

    def __init__(self, code: int, message: str):
        super().__init__(f"returned {code}: {message}" if message else f"returned {code}")
        self.code = code
        self.message = message


class Prepared:
    """A LaminaCall with everything that is known before memory is.

    Args:
        inputs, outputs: types for one example.
        rows: for each of both, whether it has examples.
        attributes: by name; numbers, texts, and tuples of numbers.
        workspace_bytes: of one call.
        threads: that the kernel may use.

    Attributes:
        call: the structure.
        tensors: those of operands and results, in order.
    """

    def __init__(
        self,
        inputs: Sequence[TensorType],
        outputs: Sequence[TensorType],
        rows: Sequence[bool],
        attributes: Sequence[tuple[str, Any]],
        workspace_bytes: int,
        threads: int,
    ):
        self._kept: list[Any] = []
        types = [*inputs, *outputs]
        self.tensors = (Tensor * len(types))(*map(self._tensor, types, rows))
        found = [self._attribute(n, v) for n, v in attributes if v is not None]
        held = (Attribute * len(found))(*found)
        self._kept.append(held)
        self.call = Call(
            version=ABI_VERSION,
            device=CPU,
            input_count=len(inputs),
            output_count=len(outputs),
            rows=1,
            workspace_bytes=workspace_bytes,
            attributes=ctypes.addressof(held),
            attribute_count=len(found),
            threads=threads,
            message_bytes=MESSAGE_BYTES,
        )

    def _tensor(self, type: TensorType, has_rows: bool) -> Tensor:
        shape = np.array(type.shape, np.int64)
        strides = np.ones(type.rank, np.int64)
        if type.rank > 1:
            strides[:-1] = np.cumprod(shape[:0:-1])[::-1]
        self._kept += [shape, strides]
        size = type.size_bytes
        return Tensor(
            None, shape.ctypes.data, strides.ctypes.data, size, size if has_rows else 0,
            type.rank, DTYPES[type.dtype.long_name],
        )  # fmt: skip

    def _attribute(self, name: str, value: Any) -> Attribute:
        if isinstance(value, str):
            held: Any = np.frombuffer(value.encode() + b"\0", np.uint8)
            kind, count = TEXT, len(held) - 1
        else:
            real = any(isinstance(v, float) for v in np.ravel(np.array(value, object)))
            held = np.atleast_1d(np.array(value, np.float64 if real else np.int64))
            kind, count = REALS if real else INTEGERS, held.size
        self._kept.append(held)
        return Attribute(name.encode(), held.ctypes.data, count, kind, 0)


def _failed(call: int, code: int, status: int) -> None:
    """Called by a kernel's caller: the error is kept, and the status says where."""
    words = ctypes.cast(status, ctypes.POINTER(ctypes.c_int64))
    if words[0] == 0:  # the first of several that fail at once
        words[1] = keep_error(_failure(Call.from_address(call), code))
        words[0] = FAILED


def _failure(call: Call, code: int) -> KernelFailure:
    text = ctypes.string_at(call.message) if call.message else b""
    return KernelFailure(code, text.decode("utf-8", "replace"))


_REPORT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(_failed)
REPORT = ctypes.cast(_REPORT, ctypes.c_void_p).value or 0
"""Where a kernel's caller says that it failed: (call, code, status)."""


def run(address: int, prepared: Prepared, arrays: Sequence[np.ndarray]) -> None:
    """Call a kernel once, on arrays for operands and results.

    Raises:
        KernelFailure: it returned something other than 0.
    """
    call = prepared.call
    for tensor, array in zip(prepared.tensors, arrays, strict=True):
        tensor.data = array.ctypes.data
    call.inputs = ctypes.addressof(prepared.tensors)
    call.outputs = call.inputs + call.input_count * ctypes.sizeof(Tensor)
    message = ctypes.create_string_buffer(MESSAGE_BYTES)
    call.message = ctypes.addressof(message)
    space = np.empty(call.workspace_bytes + 64, np.uint8)
    if call.workspace_bytes:
        call.workspace = (space.ctypes.data + 63) // 64 * 64
    code = KERNEL(address)(ctypes.byref(call))
    if code:
        raise _failure(call, code)
