"""The exponential of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, emit, same_dtype
from lamina.graph.ops.elementwise import INEXACT, same_shape
from lamina.graph.ops.linalg.lapack import Factorization, rounded, where_finite, widened
from lamina.graph.ops.linalg.matrices import square_size, transposed


@frozen
class MatrixExponential(Factorization):
    """1 + x + x^2 / 2 + ..., or its derivative in several directions.  Inputs: square matrices.

    The operands are x and directions E1, ..., Ek, as many as there are beyond the first. The result
    is the k-th derivative at x, linear in each direction: the upper right block of the exponential
    of a matrix of 2^k blocks, [[x, E1], [0, x]] for k = 1.
    Source: Al-Mohy & Higham 2009, SIAM J. Matrix Anal. Appl. 31(3); derivatives: Higham & Relton
    2014, SIAM J. Matrix Anal. Appl. 35(3).
    """

    arity = None

    def linear_operands(self, count: int) -> Sequence[int]:
        return range(1, count)

    def infer(self, *types: TensorType) -> TensorType:
        self.require(INEXACT, types[0])
        square_size(self.name, types[0])
        same_dtype(self, types)
        same_shape(self, types)
        return types[0]

    def reference(self, *arrays: Any) -> np.ndarray:
        from scipy.linalg import expm

        wide = [widened(np.asarray(a)) for a in arrays]
        size = wide[0].shape[-1]
        if not size:
            return np.zeros_like(arrays[0])
        with np.errstate(all="ignore"):
            blocks = _in_blocks(wide)
            full = where_finite(expm, blocks) if blocks.size else blocks
        return rounded(full[..., :size, full.shape[-1] - size :].copy(), np.asarray(arrays[0]))

    def transpose(self, i: int, bar: Any, *operands: Any) -> Any:
        """<bar, D(x)[E1, E2]> = <D(x^T)[bar, E2^T], E1>: the trace of a product may be turned."""
        turned = [bar if j == i else transposed(v) for j, v in enumerate(operands)]
        return matrix_exponential(*turned)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        total = matrix_exponential(*operands, dots[0])
        for i in range(1, len(operands)):
            moved = [dots[j] if j == i else v for j, v in enumerate(operands)]
            total = total + matrix_exponential(*moved)
        return total


def _in_blocks(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The matrix whose exponential has the derivative in its upper right block."""
    x, *directions = arrays
    for direction in directions:
        copies = x.shape[-1] // direction.shape[-1]
        corner = np.zeros_like(x)
        size = direction.shape[-1]
        for k in range(copies):
            place = slice(k * size, (k + 1) * size)
            corner[..., place, place] = direction
        x = np.concatenate([
            np.concatenate([x, corner], -1), np.concatenate([np.zeros_like(x), x], -1)
        ], -2)  # fmt: skip
    return x


def matrix_exponential(x: Any, *directions: Any) -> Any:
    """The exponential of a square matrix, or its derivative in `directions`."""
    return emit(MatrixExponential(), x, *directions)
