"""Numbers written into the graph: one number everywhere, or an array."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lamina.base.dims import Dim
from lamina.base.dtypes import DType, dtype
from lamina.base.errors import DTypeError, ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Expression, Op, TensorType, emit

Scalar = bool | int | float | complex
"""What a splat is; a Dim, where it is a number that is known with the sizes."""


@frozen
class Literal:
    """An array that does not change: its bytes, so that it is hashed and compared exactly."""

    bytes: bytes
    shape: tuple[int, ...]
    dtype: DType

    @staticmethod
    def of(array: Any, like: DType | None = None) -> Literal:
        """The literal of an array, cast to the dtype `like` if given."""
        array = np.asarray(array)
        kind = like if like is not None else dtype(array.dtype)
        array = array.astype(kind.numpy, copy=False)
        return Literal(array.tobytes(), array.shape, kind)

    @cached_property
    def array(self) -> np.ndarray:
        """The numbers, read-only."""
        return np.frombuffer(self.bytes, self.dtype.numpy).reshape(self.shape)

    def __repr__(self) -> str:
        return f"Literal({self.dtype}[{','.join(map(str, self.shape))}])"


@frozen
class Constant(Op):
    """The same number everywhere, or the numbers of a Literal.  Inputs: none.  Source: ours.

    Two constants are equal when their types and bits are: 0.0 is not -0.0, True is not 1, NaN
    equals NaN. Lowering writes a splat into the code and makes a Literal an input of the program.
    """

    arity = 0
    constant = True
    cost = 0
    value: Scalar | Literal
    dtype: DType
    shape: tuple[int, ...] = ()
    literal: ClassVar[type[Literal]] = Literal  # what the parser makes of an array

    @property
    def splat(self) -> Scalar | None:
        """The number that is everywhere, or None; patterns match scalars by it."""
        if not isinstance(self.value, Literal):
            return self.value
        if len(self.value.bytes) == self.dtype.size_bytes:
            return to_scalar(self.value.array.reshape(())[()], self.dtype)
        return None

    @cached_property
    def _key(self) -> tuple:
        value = self.value
        bits: Any = value
        if isinstance(value, float | complex):
            bits = struct.pack("<dd", value.real, value.imag)
        return type(value), bits, self.dtype, self.shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def settle(self) -> Constant:
        return Constant(to_scalar(self.value, self.dtype), self.dtype, self.shape)

    def infer(self) -> TensorType:
        value = self.value
        if isinstance(value, Literal):
            if (value.dtype, value.shape) != (self.dtype, self.shape):
                raise ShapeError(
                    "constant: the literal is of another type",
                    [f"literal: {value!r}", f"constant: {TensorType(self.dtype, self.shape)}"],
                    "give the literal's own dtype and shape",
                )
        elif not _fits(value, self.dtype):
            raise DTypeError(
                f"constant: {self.dtype.long_name} does not hold {value!r}",
                [f"value: {value!r}", f"dtype: {self.dtype.long_name}"],
                "give a value of that dtype, or another dtype",
            )
        return TensorType(self.dtype, self.shape)

    def reference(self) -> np.ndarray:
        if isinstance(self.value, Literal):
            return self.value.array
        with np.errstate(all="ignore"):
            return np.full(self.shape, self.value).astype(self.dtype.numpy)


def _fits(value: Scalar, kind: DType) -> bool:
    """Whether the Python type of a splat is that of the dtype, and an integer is in range."""
    if isinstance(value, Dim):
        return kind.kind != "bool"
    if kind.kind == "bool":
        return isinstance(value, bool)
    if kind.is_complex:
        return isinstance(value, complex)
    if kind.is_float or kind.kind == "storage":
        return isinstance(value, float)
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    info = np.iinfo(kind.numpy)
    return int(info.min) <= value <= int(info.max)


def constant(value: Any, dtype: DType, shape: tuple[int, ...] = ()) -> Any:
    """A constant: `value` is a Python or NumPy scalar, put everywhere in `shape`, or an array.

    Example:
        >>> from lamina.base.dtypes import float32
        >>> constant(0.5, float32, (8,)).type
        f32[8]
    """
    if isinstance(value, np.ndarray):
        value = Literal.of(value, dtype)
    if isinstance(value, Literal):
        return emit(Constant(value, dtype, value.shape))
    return emit(Constant(to_scalar(value, dtype), dtype, tuple(shape)))


def to_scalar(value: Any, kind: DType) -> Scalar:
    """A number as the Python type that a splat of dtype `kind` holds; never a lossy change."""
    if isinstance(value, np.generic):
        value = value.item() if value.dtype.kind in "biufc" else float(value)
    if kind.kind == "bool" and isinstance(value, bool):
        return value
    if isinstance(value, Dim) and kind.kind != "bool":
        return value  # type: ignore[return-value]  # its number comes with the sizes
    if kind.is_complex:
        return complex(value)
    real = isinstance(value, bool | int | float)
    if real and (kind.is_float or kind.kind == "storage"):
        return float(value)
    if real and kind.is_integer and (isinstance(value, int) or value.is_integer()):
        return int(value)
    raise DTypeError(
        f"constant: {kind.long_name} does not hold {value!r}",
        [f"value: {value!r}", f"dtype: {kind.long_name}"],
        "cast the other operand first, as in x.astype(lamina.float32)",
    )


def lift(x: Any, like: Any) -> Any:
    """`x` as an Expression: itself, or a number as a constant of the type of `like`.

    An Expression without a type (a pattern) lifts numbers in its own way, by `__lift__`.
    """
    if isinstance(x, Expression):
        return x
    own = getattr(like, "__lift__", None)
    if own is not None:
        return own(x)
    return constant(x, like.dtype, like.shape)


def zeros_like(x: Any) -> Any:
    """Zeros of the type of `x`."""
    return constant(0, x.dtype, x.shape) if x.dtype.kind != "bool" else lift(False, x)


def splat_value(v: Any) -> Scalar | None:
    """The number that a constant has everywhere, or None."""
    return getattr(getattr(v, "op", None), "splat", None)
