"""Systems of linear equations and inverses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, emit
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.linalg.lapack import computed, widened
from lamina.graph.ops.linalg.matrices import matmul, square_size, system_sizes, transposed
from lamina.graph.ops.opaque import Opaque

HELP = "use lm.linalg.lstsq or lm.linalg.pinv, which take matrices of any rank"


@frozen
class Solve(Opaque):
    """x with a x = b.  Inputs: a square matrix and one with as many rows, floating or complex.

    Linear in b; Giles 2008, 2.3.1 gives the derivative in a. Source: LAPACK, xGESV.
    """

    arity = 2

    def linear_operands(self, count: int) -> Sequence[int]:
        return (1,)

    def infer(self, *types: TensorType) -> TensorType:
        a, b = types
        square_size(self.name, a, "a")
        system_sizes(self, a, b)
        return b

    def reference(self, *arrays: Any) -> np.ndarray:
        return computed(self.name, "is singular", HELP, np.linalg.solve, *arrays)

    def transpose(self, i: int, bar: Any, a: Any, b: Any) -> Any:
        return solve(transposed(a), bar)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        return solve(operands[0], dots[1] - matmul(dots[0], out))


def solve(a: Any, b: Any) -> Any:
    """x with a x = b, of matrices."""
    return emit(Solve(), a, b)


@frozen
class Inverse(Opaque):
    """The matrix y with x y = 1.  Inputs: square matrices, floating or complex.

    `strict`: a singular matrix is an error, else its inverse is NaN. Source: Giles 2008, 2.2.3.
    """

    strict: bool = True

    def infer(self, *types: TensorType) -> TensorType:
        self.require(INEXACT, types[0])
        square_size(self.name, types[0])
        return types[0]

    def reference(self, *arrays: Any) -> np.ndarray:
        if self.strict:
            return computed(self.name, "is singular", HELP, np.linalg.inv, *arrays)
        x = np.asarray(arrays[0])
        return _inverse_or_nan(widened(x)).astype(x.dtype, copy=False)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        return -matmul(out, matmul(dots[0], out))


def _inverse_or_nan(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        try:
            return np.linalg.inv(x)
        except np.linalg.LinAlgError:
            if x.ndim == 2:
                return np.full(x.shape, np.nan, x.dtype)
            return np.stack([_inverse_or_nan(m) for m in x])


def inverse(x: Any, strict: bool = True) -> Any:
    """The inverse of a square matrix; where it has none an error or, if not `strict`, NaN."""
    return emit(Inverse(strict), x)
