"""The factorisation of positive definite matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, emit
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.linalg.lapack import computed, where_finite
from lamina.graph.ops.linalg.matrices import (
    adjoint,
    hermitian_part,
    lower_with_half_diagonal,
    matmul,
    square_size,
)
from lamina.graph.ops.linalg.triangular import triangular_solve
from lamina.graph.ops.opaque import Opaque


@frozen
class Cholesky(Opaque):
    """The lower triangular L with x = L L^H.  Inputs: Hermitian, positive definite matrices.

    Reads the lower triangle of x; the derivative is that on Hermitian matrices, so gradients are
    Hermitian.  Source: LAPACK, xPOTRF; Murray 2016, arXiv:1602.07527.
    """

    def infer(self, *types: TensorType) -> TensorType:
        self.require(INEXACT, types[0])
        square_size(self.name, types[0])
        return types[0]

    def reference(self, *arrays: Any) -> np.ndarray:
        help = "add a small multiple of the identity, or use lm.linalg.eigh"
        f = lambda x: where_finite(np.linalg.cholesky, x)
        return computed(self.name, "is not positive definite", help, f, *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        half = triangular_solve(out, hermitian_part(dots[0]), below=True)
        both = triangular_solve(out, adjoint(half), below=True)
        return matmul(out, lower_with_half_diagonal(both))


def cholesky(x: Any) -> Any:
    """The lower triangular factor of a positive definite matrix."""
    return emit(Cholesky(), x)
