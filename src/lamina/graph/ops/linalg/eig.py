"""Eigenvalues and eigenvectors of any square matrix: complex numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, TupleType, emit
from lamina.graph.ops.complex import conj, real
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.item import items
from lamina.graph.ops.linalg.lapack import Factorization, computed, where_finite
from lamina.graph.ops.linalg.matrices import (
    diagonal,
    matmul,
    reciprocal_differences,
    scaled_columns,
    square_size,
)
from lamina.graph.ops.linalg.solve import solve
from lamina.graph.ops.reduce import sum

PROBLEM = "has no eigenvalues that LAPACK finds"
HELP = "scale the matrix, or use a wider dtype"


def _complex_type(op: Op, x: TensorType) -> TensorType:
    op.require(INEXACT, x)
    square_size(op.name, x)
    if x.dtype.part.bits < 32:
        op.require("float32 float64 complex64 complex128", x)
    return x.with_dtype(x.dtype.complex)


def _as_complex(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    return x.astype(np.result_type(like.dtype, np.complex64), copy=False)


@frozen
class Eig(Factorization):
    """(w, V): x V = V diag(w), columns of V of length 1, all complex.  Inputs: square matrices.

    Derivatives exist where the eigenvalues differ. Eigenvectors are fixed up to a phase only, and
    so are their derivatives.
    Source: LAPACK, xGEEV; Giles 2008, 3.1; Boeddeker et al. 2017, arXiv:1701.00392.
    """

    def infer(self, *types: TensorType) -> TupleType:
        full = _complex_type(self, types[0])
        return TupleType((full.with_shape(full.shape[:-1]), full))

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        f = lambda a: tuple(_as_complex(r, a) for r in np.linalg.eig(a))
        return computed(self.name, PROBLEM, HELP, lambda x: where_finite(f, x), *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        w, v = items(out)
        inside = solve(v, matmul(cast(dots[0], v.dtype), v))
        free = matmul(v, reciprocal_differences(w) * inside)
        growth = sum(real(conj(v) * free), -2)  # lengths stay 1
        return (diagonal(inside), free - scaled_columns(v, growth))


def eig(x: Any) -> Any:
    """The tuple of the eigenvalues of a square matrix and its eigenvectors."""
    return emit(Eig(), x)


@frozen
class Eigenvalues(Factorization):
    """The eigenvalues, complex, in no order.  Inputs: square matrices.

    Derivatives exist where they differ. Source: LAPACK, xGEEV; Giles 2008, 3.1.
    """

    def infer(self, *types: TensorType) -> TensorType:
        full = _complex_type(self, types[0])
        return full.with_shape(full.shape[:-1])

    def reference(self, *arrays: Any) -> np.ndarray:
        f = lambda a: _as_complex(np.linalg.eigvals(a), a)
        return computed(self.name, PROBLEM, HELP, lambda x: where_finite(f, x), *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        _, v = items(eig(operands[0]))
        return diagonal(solve(v, matmul(cast(dots[0], v.dtype), v)))


def eigenvalues(x: Any) -> Any:
    """The eigenvalues of a square matrix."""
    return emit(Eigenvalues(), x)
