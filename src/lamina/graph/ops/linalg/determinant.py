"""Determinants: as numbers, and as sign and logarithm where the number would not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, TupleType, emit
from lamina.graph.ops.complex import real
from lamina.graph.ops.contract import contract
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.item import item
from lamina.graph.ops.linalg.lapack import rounded, where_finite, widened
from lamina.graph.ops.linalg.matrices import matmul, square_size, transposed
from lamina.graph.ops.linalg.solve import inverse
from lamina.graph.ops.opaque import Opaque
from lamina.graph.ops.reduce import expand


@frozen
class Determinant(Opaque):
    """The determinant, 1 for a matrix of size 0.  Inputs: square matrices, floating or complex.

    The derivative is the matrix of cofactors, which singular matrices have too.
    Source: LAPACK, xGETRF; Jacobi's formula (Magnus & Neudecker 1999, 8.3).
    """

    def infer(self, *types: TensorType) -> TensorType:
        self.require(INEXACT, types[0])
        square_size(self.name, types[0])
        return types[0].with_shape(types[0].shape[:-2])

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.asarray(arrays[0])
        with np.errstate(all="ignore"):
            return np.asarray(rounded(np.asarray(np.linalg.det(widened(x))), x))

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        return contract(cofactors(operands[0]), dots[0], "ij,ij->")


def determinant(x: Any) -> Any:
    """The determinant of a square matrix."""
    return emit(Determinant(), x)


@frozen
class Cofactors(Opaque):
    """The derivative of the determinant in each element.  Inputs: square matrices.

    It is det(x) x^-T where x has an inverse. From x = U S V^H it is det(U V^H) conj(U P V^H), where
    P holds the products of all singular values but one, so it exists for every matrix. Its own
    derivative exists where x has an inverse.
    Source: Stewart 1998, "On the adjugate matrix".
    """

    def infer(self, *types: TensorType) -> TensorType:
        self.require(INEXACT, types[0])
        square_size(self.name, types[0])
        return types[0]

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.asarray(arrays[0])
        with np.errstate(all="ignore"):
            return np.asarray(rounded(where_finite(_cofactors, widened(x)), x))

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        back = transposed(inverse(operands[0], strict=False))
        change = contract(out, dots[0], "ij,ij->")
        change = expand(change, (-2, -1), out.shape[-2:])
        return back * change - matmul(out, matmul(transposed(dots[0]), back))


def _cofactors(x: np.ndarray) -> np.ndarray:
    u, s, vh = np.linalg.svd(x)
    size = s.shape[-1]
    others = np.where(np.eye(size, dtype=bool), 1, s[..., None, :]).prod(-1).astype(s.dtype)
    turn = np.linalg.det(u) * np.linalg.det(vh)
    return turn[..., None, None] * np.conj((u * others[..., None, :]) @ vh)


def cofactors(x: Any) -> Any:
    """The derivative of the determinant in each element of a square matrix."""
    return emit(Cofactors(), x)


@frozen
class SignLogDeterminant(Opaque):
    """(sign, log |det x|), with (0, -inf) for a singular matrix.  Inputs: square matrices.

    The sign of a complex determinant is the number of size 1 on its ray. Derivatives exist where x
    has an inverse and are NaN elsewhere.  Source: LAPACK, xGETRF; Magnus & Neudecker 1999, 8.3.
    """

    def infer(self, *types: TensorType) -> TupleType:
        self.require(INEXACT, types[0])
        square_size(self.name, types[0])
        sign = types[0].with_shape(types[0].shape[:-2])
        return TupleType((sign, sign.with_dtype(sign.dtype.part)))

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        x = np.asarray(arrays[0])
        with np.errstate(all="ignore"):
            return rounded(tuple(map(np.asarray, np.linalg.slogdet(widened(x)))), x)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        change = contract(transposed(inverse(operands[0], strict=False)), dots[0], "ij,ij->")
        if not change.dtype.is_complex:
            return (None, change)
        size = real(change)
        return (item(out, 0) * (change - cast(size, change.dtype)), size)


def sign_log_determinant(x: Any) -> Any:
    """The tuple of the sign of the determinant and the logarithm of its size."""
    return emit(SignLogDeterminant(), x)
