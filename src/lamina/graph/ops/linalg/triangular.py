"""Systems with a triangular matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, emit
from lamina.graph.ops.linalg.lapack import computed, each
from lamina.graph.ops.linalg.matrices import (
    lower,
    matmul,
    square_size,
    system_sizes,
    transposed,
    upper,
)
from lamina.graph.ops.opaque import Opaque

UNROLLED = 16
"""Up to this size, many systems are solved side by side, row by row."""


@frozen
class TriangularSolve(Opaque):
    """x with a x = b, reading one triangle of a.  Inputs: two floating or complex matrices.

    `below`: the lower triangle, else the upper one. `unit`: the diagonal is 1 and not read.
    Linear in b; Giles 2008, 2.3.1 gives the derivative in a. Source: LAPACK, xTRTRS.
    """

    arity = 2
    below: bool
    unit: bool = False

    def linear_operands(self, count: int) -> Sequence[int]:
        return (1,)

    def infer(self, *types: TensorType) -> TensorType:
        a, b = types
        square_size(self.name, a, "a")
        system_sizes(self, a, b)
        return b

    def reference(self, *arrays: Any) -> np.ndarray:
        return self._computed(lambda a, b: np.linalg.solve(self._matrix(a), b), *arrays)

    def call(self, *arrays: Any) -> np.ndarray:
        return self._computed(self._solved, *arrays)

    def _computed(self, f: Any, *arrays: Any) -> np.ndarray:
        problem = "has a zero on its diagonal"
        return computed(self.name, problem, "the system has no unique solution", f, *arrays)

    def _matrix(self, a: np.ndarray) -> np.ndarray:
        """a with what is not read made plain."""
        a = np.tril(a) if self.below else np.triu(a)
        if self.unit:
            a = a.copy()
            np.einsum("...ii->...i", a)[...] = 1
        return a

    def _solved(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if not self.unit and not np.einsum("...ii->...i", a).all():
            raise np.linalg.LinAlgError
        if not b.size:
            return np.zeros(b.shape, b.dtype)
        if a.shape[-1] <= UNROLLED and a.ndim > 2:
            return self._substituted(a, b)
        from scipy.linalg import lapack

        (solver,) = lapack.get_lapack_funcs(("trtrs",), (a, b))
        # LAPACK reads columns first: the transpose is in its order already, and is not copied.
        flags = {"lower": not self.below, "trans": 1, "unitdiag": self.unit}
        return each(lambda m, r: (solver(m.T, r, **flags)[0],), 1, a, b)[0]

    def _substituted(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Substitution in all systems at once: one product a row instead of one call a system."""
        x = b.copy()
        size = a.shape[-1]
        for i in range(size) if self.below else reversed(range(size)):
            known = slice(0, i) if self.below else slice(i + 1, size)
            x[..., i, :] -= (a[..., i : i + 1, known] @ x[..., known, :])[..., 0, :]
            if not self.unit:
                x[..., i, :] /= a[..., i, i][..., None]
        return x

    def transpose(self, i: int, bar: Any, a: Any, b: Any) -> Any:
        return triangular_solve(transposed(a), bar, not self.below, self.unit)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        a_dot = lower(dots[0], -self.unit) if self.below else upper(dots[0], int(self.unit))
        return triangular_solve(operands[0], dots[1] - matmul(a_dot, out), self.below, self.unit)


def triangular_solve(a: Any, b: Any, below: bool, unit: bool = False) -> Any:
    """x with a x = b, a lower (`below`) or upper triangular; `unit`: its diagonal is 1."""
    return emit(TriangularSolve(below, unit), a, b)
