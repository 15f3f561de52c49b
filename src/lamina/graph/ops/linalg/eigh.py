"""Eigenvalues and eigenvectors of Hermitian matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, TupleType, emit
from lamina.graph.ops.complex import real
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.item import item, items
from lamina.graph.ops.linalg.lapack import Factorization, computed, where_finite
from lamina.graph.ops.linalg.matrices import (
    adjoint,
    diagonal,
    hermitian_part,
    matmul,
    reciprocal_differences,
    square_size,
)

PROBLEM = "has no eigenvalues that LAPACK finds"
HELP = "scale the matrix, or use a wider dtype"


@frozen
class Eigh(Factorization):
    """(w, V): x = V diag(w) V^H, w real and rising.  Inputs: Hermitian matrices.

    Reads the lower triangle of x; the derivative is that on Hermitian matrices, so gradients are
    Hermitian. It exists where the eigenvalues differ. Eigenvectors are fixed up to a sign or phase
    only, and so are their derivatives. Source: LAPACK, xSYEVD and xHEEVD; Giles 2008, 3.1.
    """

    def infer(self, *types: TensorType) -> TupleType:
        x = types[0]
        self.require(INEXACT, x)
        square_size(self.name, x)
        return TupleType((x.with_dtype(x.dtype.part).with_shape(x.shape[:-1]), x))

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        f = lambda x: where_finite(lambda a: tuple(np.linalg.eigh(a)), x)
        return computed(self.name, PROBLEM, HELP, f, *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        w, v = items(out)
        inside = matmul(matmul(adjoint(v), hermitian_part(dots[0])), v)
        gaps = reciprocal_differences(w)
        gaps = gaps if inside.dtype is w.dtype else cast(gaps, inside.dtype)
        return (real(diagonal(inside)), matmul(v, gaps * inside))


def eigh(x: Any) -> Any:
    """The tuple of the eigenvalues of a Hermitian matrix, rising, and its eigenvectors."""
    return emit(Eigh(), x)


@frozen
class HermitianEigenvalues(Factorization):
    """The eigenvalues, real and rising.  Inputs: Hermitian matrices.

    Reads the lower triangle. Derivatives exist where they differ.
    Source: LAPACK, xSYEVD and xHEEVD; Giles 2008, 3.1.
    """

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        self.require(INEXACT, x)
        square_size(self.name, x)
        return x.with_dtype(x.dtype.part).with_shape(x.shape[:-1])

    def reference(self, *arrays: Any) -> np.ndarray:
        f = lambda x: where_finite(np.linalg.eigvalsh, x)
        return computed(self.name, PROBLEM, HELP, f, *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        v = item(eigh(operands[0]), 1)
        return real(diagonal(matmul(matmul(adjoint(v), hermitian_part(dots[0])), v)))


def hermitian_eigenvalues(x: Any) -> Any:
    """The eigenvalues of a Hermitian matrix, rising."""
    return emit(HermitianEigenvalues(), x)
