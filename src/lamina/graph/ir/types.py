"""Types of values: an element type and a shape, or a tuple of those."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.base.dims import Dim, as_size, surely_negative
from lamina.base.dtypes import DType
from lamina.base.errors import ShapeError
from lamina.base.records import frozen

Shape = tuple[int, ...]  # a Dim may stand in the place of each integer
LIMIT_BYTES = 2**62  # sizes and offsets are 64-bit integers everywhere below


class TensorType:
    """`f32[8,784]`. Equal types are one object, so `is` compares them and identity is a key.

    Attributes:
        dtype: the element type.
        shape: the sizes of the axes.
        size: the number of elements.
        symbolic: whether a size is a Dim, as in `f32[B,784]`.
    """

    __slots__ = ("__weakref__", "dtype", "shape", "size", "symbolic")
    _interned: dict[tuple[DType, Shape], TensorType] = {}
    dtype: DType
    shape: Shape
    size: int
    symbolic: bool

    def __new__(cls, dtype: DType, shape: Sequence[int] = ()) -> TensorType:
        key = (dtype, tuple([n if type(n) is int else as_size(n) for n in shape]))
        found = cls._interned.get(key)
        if found is None:
            _check(*key)
            found = object.__new__(cls)
            object.__setattr__(found, "dtype", dtype)
            object.__setattr__(found, "shape", key[1])
            object.__setattr__(found, "size", math.prod(key[1]))
            object.__setattr__(found, "symbolic", Dim in map(type, key[1]))
            found = cls._interned.setdefault(key, found)  # another thread may have been faster
        return found

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a TensorType does not change")

    def __reduce__(self) -> tuple:
        return TensorType, (self.dtype, self.shape)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.size * self.dtype.size_bytes

    def with_shape(self, shape: Sequence[int]) -> TensorType:
        return TensorType(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

    __repr__ = __str__


def _check(dtype: DType, shape: Shape) -> None:
    if any(surely_negative(n) for n in shape):
        raise ShapeError(f"no tensor has the shape {shape}", ["a size is negative"])
    known = math.prod(n for n in shape if type(n) is int)
    if known * dtype.size_bytes > LIMIT_BYTES:
        raise ShapeError(
            f"no tensor has the shape {shape}",
            [f"it would take {known * dtype.size_bytes:.1e} bytes"],
            "check the sizes",
        )


@frozen
class TupleType:
    """The type of a value with several parts: `(f32[8], i64[])`."""

    items: tuple[TensorType, ...]

    @property
    def symbolic(self) -> bool:
        """Whether a size of a part is a Dim."""
        return any(t.symbolic for t in self.items)

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


Type = TensorType | TupleType
