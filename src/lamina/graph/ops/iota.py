"""Counting: the one source of positions that a program makes itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.dims import surely_negative
from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit
from lamina.graph.ops.elementwise import REALS


@frozen
class Iota(Op):
    """0, 1, ..., size - 1.  Inputs: none.  Source: Iverson, A Programming Language, 1962."""

    arity = 0
    constant = True
    cost = 0
    size: int
    dtype: DType

    def infer(self) -> TensorType:
        if self.dtype.kind not in REALS.split() or surely_negative(self.size):
            raise DTypeError(
                "iota: counts in numbers, up from 0",
                [f"size: {self.size}", f"dtype: {self.dtype.long_name}"],
                "take a size of at least 0 and an integer or floating dtype",
            )
        return TensorType(self.dtype, (self.size,))

    def reference(self) -> np.ndarray:
        return np.arange(self.size).astype(self.dtype.numpy)

    def view(self, s: Any, index: tuple[Any, ...]) -> Any:
        return index[0] if self.dtype.name == "i64" else s.cast(index[0], self.dtype.name)


def iota(size: int, dtype: DType) -> Any:
    """The numbers 0, 1, ..., size - 1."""
    return emit(Iota(size, dtype))
