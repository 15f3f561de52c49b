"""Products, diagonals and powers of matrices: functions of ordinary ops.

Source where none is given: Python array API 2024.12, "Linear Algebra Extension".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, index
from typing import Any

from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Slice
from lamina.graph.ops.linalg.matrices import matrix_sizes, square_size
from lamina.tensor.conversion import asarray
from lamina.tensor.linalg.solving import inv
from lamina.tensor.namespace.creation import eye
from lamina.tensor.namespace.linear_algebra import matmul
from lamina.tensor.namespace.linear_algebra import outer as any_outer
from lamina.tensor.namespace.manipulation import (
    concat,
    normal_axis,
    reshape,
    take_range,
)
from lamina.tensor.namespace.padding import pad
from lamina.tensor.namespace.reductions import sum
from lamina.tensor.promotion import broadcast_shapes, broadcast_to, meet
from lamina.tensor.tensor import Tensor


def outer(x1: Any, x2: Any, /) -> Tensor:
    """x1[i] * x2[j].

    Shapes: `x1: [M], x2: [N] -> [M, N]`.

    Raises:
        ShapeError: an operand is not a vector.

    Example:
        >>> outer([1.0, 2.0], [3.0, 4.0])
        Tensor([[3., 4.],
                [6., 8.]], shape=(2, 2), dtype=float32)
    """
    a, b = asarray(x1), asarray(x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            "outer: the operands are not vectors",
            [f"x1: {a.type}", f"x2: {b.type}"],
            "flatten them first, or write lm.einsum with the axes you mean",
        )
    return any_outer(a, b)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The vector product x1 x x2 along an axis of size 3; other axes broadcast.

    Raises:
        ShapeError: the axis has another size.

    Example:
        >>> cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
        Tensor([0., 0., 1.], shape=(3,), dtype=float32)
    """
    a, b = asarray(x1), asarray(x2)
    if a.dtype.kind == "bool" or b.dtype.kind == "bool":
        raise DTypeError(
            "cross: no meaning for bool",
            [f"x1: {a.type}", f"x2: {b.type}"],
            "cast them first, as in x.astype(lamina.float32)",
        )
    for name, x in (("x1", a), ("x2", b)):
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != 3:
            raise ShapeError(
                f"cross: {name} has no axis {axis} of size 3",
                [f"x1: {a.type}", f"x2: {b.type}"],
                "the vector product is defined in three dimensions",
            )
    a, b = meet("cross", a, b)
    place = normal_axis("cross", axis, a.ndim) if axis < 0 else axis
    (a0, a1, a2), (b0, b1, b2) = (
        [take_range(x, place, i, i + 1) for i in range(3)] for x in (a, b)
    )
    return concat([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=place)


def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """The elements x[..., i, i + offset] of the matrices in the last two axes.

    Shapes: `x: [*B, M, N] -> [*B, K]`; K is 0 where the offset leads outside.

    Example:
        >>> diagonal([[1.0, 2.0], [3.0, 4.0]], offset=1)
        Tensor([2.], shape=(1,), dtype=float32)
    """
    x = asarray(x)
    rows, columns = matrix_sizes("diagonal", x.type)
    down, right = max(-offset, 0), max(offset, 0)
    size = max(min(rows - down, columns - right), 0)
    flat = reshape(x, (*x.shape[:-2], rows * columns))
    start = down * columns + right if size else 0
    stop = start + (size - 1) * (columns + 1) + 1 if size else 0
    return emit(Slice((start,), (stop,), (columns + 1,)), flat)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum of x[..., i, i + offset]. Integers sum in 64 bits.

    Shapes: `x: [*B, M, N] -> [*B]`.

    Example:
        >>> trace([[1.0, 2.0], [3.0, 4.0]])
        Tensor(5., shape=(), dtype=float32)
    """
    x = asarray(x)
    matrix_sizes("trace", x.type)
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def matrix_power(x: Any, n: int, /) -> Tensor:
    """The product of n times x: the identity for 0, a power of the inverse below.

    Shapes: `x: [*B, M, M] -> [*B, M, M]`.

    Raises:
        ShapeError: the matrices are not square.
        LinAlgError: n is negative and a matrix is singular.

    Example:
        >>> matrix_power([[1.0, 1.0], [0.0, 1.0]], 5)
        Tensor([[1., 5.],
                [0., 1.]], shape=(2, 2), dtype=float32)
    """
    x = asarray(x)
    size = square_size("matrix_power", x.type)
    try:
        n = index(n)
    except TypeError:
        raise UsageError(
            "matrix_power: the exponent is no integer",
            [f"n: {n!r}"],
            "use lm.linalg.eigh for a fractional power of a Hermitian matrix",
        ) from None
    if n == 0:
        return broadcast_to(eye(size, dtype=x.dtype), x.shape)
    base = inv(x) if n < 0 else x
    result = base
    for bit in bin(abs(n))[3:]:  # from the second highest: square, and multiply where it is set
        result = matmul(result, result)
        result = matmul(result, base) if bit == "1" else result
    return result


def multi_dot(arrays: Sequence[Any], /) -> Tensor:
    """The product of two or more matrices in the order of fewest multiplications.

    The first and the last may be vectors.

    Raises:
        UsageError: fewer than two matrices.
        ShapeError: one has another number of axes, or the inner sizes differ.

    Source: NumPy, `linalg.multi_dot`; Cormen et al. 2009, 15.2.
    """
    given = [asarray(a) for a in arrays]
    if len(given) < 2:
        raise UsageError(
            "multi_dot: fewer than two matrices", [f"given: {len(given)}"], "give at least two"
        )
    for i, x in enumerate(given):
        ends = i in (0, len(given) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            raise ShapeError(
                f"multi_dot: operand {i} is not a matrix",
                [f"operand {i}: {x.type}", "only the first and the last may be vectors"],
                "use matmul for stacks of matrices",
            )
    first, last = given[0].ndim == 1, given[-1].ndim == 1
    if first:
        given[0] = reshape(given[0], (1, -1))
    if last:
        given[-1] = reshape(given[-1], (-1, 1))
    result = _chain(given)
    kept = result.shape[int(first) : 2 - int(last)]
    return reshape(result, kept) if first or last else result


def _chain(given: list[Tensor]) -> Tensor:
    """The product of matrices, cut where the best plan of each part says."""
    sizes = [given[0].shape[0], *(x.shape[1] for x in given)]
    count = len(given)
    cost = [[0] * count for _ in given]
    cut = [[0] * count for _ in given]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return given[i]
        return matmul(product(i, cut[i][j]), product(cut[i][j] + 1, j))

    return product(0, count - 1)


def kron(x1: Any, x2: Any, /) -> Tensor:
    """The Kronecker product: every element of x1 times the whole of x2.

    Shapes: `x1: [M, N], x2: [P, Q] -> [M P, N Q]`, and likewise for any number of axes.

    Example:
        >>> kron([1.0, 10.0], [1.0, 2.0])
        Tensor([ 1.,  2., 10., 20.], shape=(4,), dtype=float32)

    Source: NumPy, `kron`.
    """
    a, b = asarray(x1), asarray(x2)
    rank = max(a.ndim, b.ndim)
    left, right = ((1,) * (rank - x.ndim) + x.shape for x in (a, b))
    spread = reshape(a, [n for m in left for n in (m, 1)])
    inner = reshape(b, [n for m in right for n in (1, m)])
    return reshape(spread * inner, [m * n for m, n in zip(left, right, strict=True)])


def block_diag(*arrays: Any) -> Tensor:
    """The matrices one after the other along the diagonal, zeros elsewhere.

    Vectors are rows and numbers matrices of size 1; leading axes broadcast.

    Example:
        >>> block_diag([[1.0, 2.0]], [[3.0]])
        Tensor([[1., 2., 0.],
                [0., 0., 3.]], shape=(2, 3), dtype=float32)

    Source: SciPy, `linalg.block_diag`.
    """
    if not arrays:
        raise UsageError("block_diag: no matrices", ["given: 0"], "give at least one")
    given = [asarray(a) for a in arrays]
    given = [reshape(x, (1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x for x in given]
    lead = broadcast_shapes("block_diag", [x.shape[:-2] for x in given])
    rows, before, after = [], 0, reduce(add, [x.shape[-1] for x in given])
    for x in given:
        whole = broadcast_to(x, (*lead, *x.shape[-2:]))
        after -= x.shape[-1]
        rows.append(pad(whole, [*[(0, 0)] * (len(lead) + 1), (before, after)]))
        before += x.shape[-1]
    return concat(rows, axis=-2)
