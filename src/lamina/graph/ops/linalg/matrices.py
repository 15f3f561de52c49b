"""Matrices as the last two axes of an Expression: what type rules check, what derivatives need.

Everything here is written with ordinary ops and linear in its first operand, so the derivative
rules of the factorisations that use it are differentiated and transposed like any others.
"""

from __future__ import annotations

from typing import Any

from lamina.base.dtypes import int64
from lamina.base.errors import ShapeError
from lamina.graph.ir import Op, TensorType, same_dtype
from lamina.graph.ops.comparison import less_equal, select
from lamina.graph.ops.complex import conj, real
from lamina.graph.ops.constant import constant, lift, zeros_like
from lamina.graph.ops.contract import contract
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.iota import iota
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.shape import concatenate, pad, part, permute, reshape, slice_

# ------------------------------------------------------------------ type rules


def matrix_sizes(name: str, x: TensorType, operand: str = "x") -> tuple[int, int]:
    """Rows and columns of the matrices in the operand `x` of the operation `name`, or an error."""
    if x.rank < 2:
        raise ShapeError(
            f"{name}: {operand} is not a matrix",
            [f"{operand}: {x}", "wanted: at least two axes"],
            "the last two axes are rows and columns; add the missing ones",
        )
    return x.shape[-2], x.shape[-1]


def square_size(name: str, x: TensorType, operand: str = "x") -> int:
    """The size of the square matrices in the operand `x` of the operation `name`, or an error."""
    rows, columns = matrix_sizes(name, x, operand)
    if rows != columns:
        raise ShapeError(
            f"{name}: {operand} is not square",
            [f"{operand}: {x}", f"rows: {rows}, columns: {columns}"],
            "the last two axes must have one size",
        )
    return rows


def system_sizes(op: Op, a: TensorType, b: TensorType) -> tuple[int, int, int]:
    """Rows and columns of a and columns of b, where both have the same rows and leading axes."""
    op.require(INEXACT, a, b)
    rows, columns = matrix_sizes(op.name, a, "a")
    others, count = matrix_sizes(op.name, b, "b")
    same_dtype(op, (a, b))
    if rows != others or a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(
            f"{op.name}: the right-hand side does not fit the matrix",
            [f"a: {a}", f"b: {b}"],
            "the leading axes must agree, and b must have as many rows as a",
        )
    return rows, columns, count


# ------------------------------------------------------------------ products and transposes


def matmul(x: Any, y: Any) -> Any:
    """The matrix product x y."""
    return contract(x, y, "ik,kj->ij")


def transposed(x: Any) -> Any:
    """Rows and columns exchanged, without a conjugate."""
    return permute(x, (-1, -2))


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return conj(transposed(x))


def hermitian_part(x: Any) -> Any:
    """(x + x^H) / 2."""
    return (x + adjoint(x)) * lift(0.5, x)


# ------------------------------------------------------------------ diagonals


def diagonal(x: Any) -> Any:
    """The elements x[..., i, i], of matrices of any shape."""
    rows, columns = x.shape[-2:]
    size = min(rows, columns)
    flat = reshape(x, (rows, columns), (rows * columns,))
    stop = (size - 1) * (columns + 1) + 1 if size else 0
    return slice_(flat, (0,), (stop,), (columns + 1,))


def diagonal_matrix(v: Any) -> Any:
    """The square matrices with `v` on their diagonals and zeros elsewhere."""
    size = v.shape[-1]
    flat = pad(v, (0,), (0,), (size,))
    return reshape(flat, (size * size,), (size, size))


def scaled_columns(x: Any, v: Any) -> Any:
    """x diag(v); `v` may be real where x is complex."""
    return x * expand(cast(v, x.dtype), (-2,), (x.shape[-2],))


def scaled_rows(v: Any, x: Any) -> Any:
    """diag(v) x; `v` may be real where x is complex."""
    return x * expand(cast(v, x.dtype), (-1,), (x.shape[-1],))


def identity_like(x: Any) -> Any:
    """Identity matrices of the type of x."""
    return diagonal_matrix(constant(1, x.dtype, x.shape[:-1]))


def imaginary_diagonal(x: Any) -> Any:
    """i Im x[..., i, i] as a diagonal matrix; None where x is real."""
    if not x.dtype.is_complex:
        return None
    d = diagonal(x)
    return diagonal_matrix(d - cast(real(d), d.dtype))


# ------------------------------------------------------------------ triangles


def columns_minus_rows(x: Any) -> Any:
    """For each element of x the number of the diagonal it lies on, negative below the main one."""
    rows, columns = x.shape[-2:]
    down = expand(iota(rows, int64), (-1,), (columns,))
    across = expand(iota(columns, int64), (-2,), (rows,))
    lead = x.shape[:-2]
    return expand(across - down, tuple(range(-2 - len(lead), -2)), lead)


def lower(x: Any, diagonal: int = 0) -> Any:
    """x on and below a diagonal, 0 above."""
    place = columns_minus_rows(x)
    return select(less_equal(place, lift(diagonal, place)), x, zeros_like(x))


def upper(x: Any, diagonal: int = 0) -> Any:
    """x on and above a diagonal, 0 below."""
    place = columns_minus_rows(x)
    return select(less_equal(lift(diagonal, place), place), x, zeros_like(x))


def lower_with_half_diagonal(x: Any) -> Any:
    """The lower triangle of x with its diagonal halved: the y with y + y^H = x, x Hermitian."""
    return lower(x) - diagonal_matrix(diagonal(x) * lift(0.5, diagonal(x)))


def reciprocal_differences(v: Any) -> Any:
    """1 / (v[j] - v[i]), and 0 on the diagonal: infinite where two of `v` are equal."""
    size = v.shape[-1]
    gap = expand(v, (-2,), (size,)) - expand(v, (-1,), (size,))
    one = identity_like(gap)
    return lift(1.0, gap) / (gap + one) - one


def completed(q: Any, q_dot: Any) -> Any:
    """The tangent of a square q with orthonormal columns from that of its first ones.

    The others follow so that all stay orthonormal, and do not turn among themselves.
    """
    count, size = q_dot.shape[-1], q.shape[-1]
    if count == size:
        return q_dot
    first, rest = part(q, -1, 0, count), part(q, -1, count, size)
    return concatenate([q_dot, -matmul(first, matmul(adjoint(q_dot), rest))], -1)
