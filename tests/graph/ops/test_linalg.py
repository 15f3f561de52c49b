"""Derivatives of factorisations and transforms, of real and of complex numbers.

Eigenvectors and the like are fixed up to signs, phases or rotations only; what is compared here
does not depend on those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina.base.dtypes import complex128, float64
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ops import item, items, part
from lamina.graph.ops.linalg.matrices import (
    adjoint,
    diagonal,
    diagonal_matrix,
    hermitian_part,
    identity_like,
    lower,
    matmul,
    scaled_columns,
    upper,
)
from lamina.graph.transforms import batch, jvp, vjp

DTYPES = {"real": float64, "complex": complex128}


def definite(x: Value) -> Value:
    return matmul(x, adjoint(x)) + identity_like(x)


def projector(q: Value) -> Value:
    """The matrix that projects on the columns of q: what stays when they turn."""
    return matmul(q, adjoint(q))


def tolerance(x: Value) -> Value:
    return ops.constant(1e-12, float64, x.shape[:-2])


def svd_kept(x: Value, full: bool) -> tuple[Value, ...]:
    u, s, vh = items(ops.svd(x, full))
    count = s.shape[-1]
    first = matmul(scaled_columns(part(u, -1, 0, count), s * s), part(vh, -2, 0, count))
    left = projector(part(u, -1, count, u.shape[-1]))
    right = projector(adjoint(part(vh, -2, count, vh.shape[-2])))
    return first, s, left, right


def qr_kept(x: Value, complete: bool) -> tuple[Value, ...]:
    q, r = items(ops.qr(x, complete))
    count = min(x.shape[-2:])
    return part(q, -1, 0, count), r, projector(part(q, -1, count, q.shape[-1]))


def eigh_kept(x: Value) -> tuple[Value, ...]:
    w, v = items(ops.eigh(hermitian_part(x)))
    return w, matmul(scaled_columns(v, w * w), adjoint(v)), projector(part(v, -1, 0, 1))


def eig_kept(x: Value) -> tuple[Value, ...]:
    w, v = items(ops.eig(x))
    return w, projector(part(v, -1, 0, 1))


SQUARE, TALL, WIDE, BATCH = (3, 3), (4, 2), (2, 4), (2, 3, 3)
FUNCTIONS: list[tuple[str, Callable[..., Any], list[tuple[tuple[int, ...], ...]]]] = [
    ("cholesky", lambda x: ops.cholesky(definite(x)), [((1, 1),), (SQUARE,), (BATCH,)]),
    ("solve", ops.solve, [((1, 1), (1, 1)), (SQUARE, (3, 2)), (BATCH, (2, 3, 2))]),
    ("inverse", ops.inverse, [((1, 1),), (SQUARE,), (BATCH,)]),
    (
        "lower",
        lambda a, b: ops.triangular_solve(a, b, True),
        [(SQUARE, (3, 2)), (BATCH, (2, 3, 1))],
    ),
    ("upper", lambda a, b: ops.triangular_solve(a, b, False), [(SQUARE, (3, 2))]),
    ("unit", lambda a, b: ops.triangular_solve(a, b, True, True), [(BATCH, (2, 3, 2))]),
    ("unit_up", lambda a, b: ops.triangular_solve(a, b, False, True), [(BATCH, (2, 3, 2))]),
    ("determinant", ops.determinant, [((0, 0),), ((1, 1),), (SQUARE,), (BATCH,)]),
    ("cofactors", ops.cofactors, [((1, 1),), (SQUARE,), (BATCH,)]),
    ("slogdet", lambda x: items(ops.sign_log_determinant(x)), [((1, 1),), (SQUARE,), (BATCH,)]),
    ("qr", lambda x: qr_kept(x, False), [((1, 1),), (SQUARE,), (TALL,), (WIDE,), ((2, 4, 3),)]),
    ("complete", lambda x: qr_kept(x, True), [(SQUARE,), (TALL,), (WIDE,), ((2, 4, 3),)]),
    ("svd", lambda x: svd_kept(x, False), [((1, 1),), (SQUARE,), (TALL,), (WIDE,), (BATCH,)]),
    ("full_svd", lambda x: svd_kept(x, True), [(SQUARE,), (TALL,), (WIDE,), ((2, 3, 4),)]),
    ("singular_values", ops.singular_values, [((1, 1),), (TALL,), (WIDE,), (BATCH,)]),
    ("eigh", eigh_kept, [((1, 1),), (SQUARE,), (BATCH,)]),
    ("eigvalsh", lambda x: ops.hermitian_eigenvalues(hermitian_part(x)), [(SQUARE,), (BATCH,)]),
    ("eig", eig_kept, [((1, 1),), (SQUARE,), (BATCH,)]),
    ("eigvals", ops.eigenvalues, [((1, 1),), (SQUARE,), (BATCH,)]),
    ("lu", lambda x: items(ops.lu(x))[1:], [((1, 1),), (SQUARE,), (TALL,), (WIDE,), (BATCH,)]),
    (
        "pinv",
        lambda x: ops.pseudo_inverse(x, tolerance(x)),
        [(SQUARE,), (TALL,), (WIDE,), (BATCH,)],
    ),
    (
        "lstsq",
        lambda a, b: ops.least_squares(a, b, tolerance(a)),
        [(SQUARE, (3, 2)), (TALL, (4, 1)), (WIDE, (2, 3)), (BATCH, (2, 3, 2))],
    ),
    ("expm", ops.matrix_exponential, [((1, 1),), (SQUARE,), (BATCH,), (SQUARE, SQUARE)]),
]
PROBLEMS = [
    pytest.param(f, shapes, DTYPES[kind], id=f"{name}-{kind}-{'-'.join(map(str, shapes))}")
    for name, f, many in FUNCTIONS
    for shapes in many
    for kind in DTYPES
]
every_problem = pytest.mark.parametrize("f, shapes, dtype", PROBLEMS)


def draw(rng: np.random.Generator, type: TensorType) -> np.ndarray:
    x = rng.standard_normal(type.shape)
    return x + 1j * rng.standard_normal(type.shape) if type.dtype.is_complex else np.asarray(x)


def drawn(graph: Graph, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [draw(rng, v.type) for v in graph.inputs]


def along(graph: Graph, xs: list[np.ndarray], dots: list[np.ndarray], h: float) -> list[np.ndarray]:
    """Central differences of fourth order."""
    at = lambda t: evaluate(graph, *[x + t * d for x, d in zip(xs, dots)])
    ahead, behind, far, back = at(h), at(-h), at(2 * h), at(-2 * h)
    return [(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in zip(ahead, behind, far, back)]


def close(got: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    """Relative to the largest element."""
    size = max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(got, wanted, 0, tolerance * size)


@every_problem
def test_forward_against_differences(f: Any, shapes: Any, dtype: Any) -> None:
    graph = trace(f, *(TensorType(dtype, s) for s in shapes))
    xs, dots = drawn(graph, 0), drawn(graph, 1)
    found = evaluate(jvp(graph), *xs, *dots)[len(graph.outputs) :]
    for got, wanted in zip(found, along(graph, xs, dots, 1e-4), strict=True):
        close(got, wanted, 1e-7)


@every_problem
def test_reverse_against_forward(f: Any, shapes: Any, dtype: Any) -> None:
    """Re <bar, J dot> = Re <J^T bar, dot>, without conjugates."""
    graph = trace(f, *(TensorType(dtype, s) for s in shapes))
    xs, dots = drawn(graph, 0), drawn(graph, 1)
    rng = np.random.default_rng(2)
    bars = [draw(rng, v.type) for v in graph.outputs]
    count = len(graph.outputs)
    ahead = evaluate(jvp(graph), *xs, *dots)[count:]
    back = evaluate(vjp(graph), *xs, *bars)[count:]
    left = sum(np.sum(b * d).real for b, d in zip(bars, ahead))
    right = sum(np.sum(b * d).real for b, d in zip(back, dots))
    np.testing.assert_allclose(left, right, 1e-9, 1e-9)


@every_problem
def test_second_order_against_differences(f: Any, shapes: Any, dtype: Any) -> None:
    graph = trace(f, *(TensorType(dtype, s) for s in shapes))
    pulled = vjp(graph)
    pulled = Graph(pulled.inputs, pulled.outputs[len(graph.outputs) :])
    xs, dots = drawn(pulled, 0), drawn(pulled, 1)
    dots[len(shapes) :] = [np.zeros_like(d) for d in dots[len(shapes) :]]
    found = evaluate(jvp(pulled), *xs, *dots)[len(pulled.outputs) :]
    for got, wanted in zip(found, along(pulled, xs, dots, 1e-4), strict=True):
        close(got, wanted, 1e-6)


@every_problem
def test_batches_of_gradients_against_a_loop(f: Any, shapes: Any, dtype: Any) -> None:
    graph = vjp(trace(f, *(TensorType(dtype, s) for s in shapes)))
    examples = [drawn(graph, seed) for seed in range(3)]
    many = evaluate(
        batch(graph, 3, [True] * len(graph.inputs)), *(np.stack(c) for c in zip(*examples))
    )
    for i, example in enumerate(examples):
        for got, wanted in zip(many, evaluate(graph, *example), strict=True):
            close(got[i], wanted, 1e-9)


# ------------------------------------------------------------------ matrices


def test_diagonals_of_every_shape() -> None:
    for shape in ((3, 3), (2, 4), (4, 2), (2, 3, 3), (0, 0), (0, 2), (1, 1)):
        x = np.random.default_rng(0).standard_normal(shape)
        (got,) = evaluate(trace(diagonal, TensorType(float64, shape)), x)
        np.testing.assert_array_equal(got, np.diagonal(x, axis1=-2, axis2=-1))


def test_diagonal_matrices() -> None:
    for size in (0, 1, 3):
        v = np.arange(2.0 * size).reshape(2, size) + 1
        (got,) = evaluate(trace(diagonal_matrix, TensorType(float64, v.shape)), v)
        np.testing.assert_array_equal(got, np.stack([np.diag(row) for row in v]))


def test_triangles() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    x[0, 0, 3] = np.nan  # what is cut off does not matter
    graph = trace(
        lambda x: (lower(x, -1), lower(x), upper(x), upper(x, 1)), TensorType(float64, x.shape)
    )
    wanted = np.tril(x, -1), np.tril(x), np.triu(x), np.triu(x, 1)
    for got, expected in zip(evaluate(graph, x), wanted, strict=True):
        np.testing.assert_array_equal(got, expected)


# ------------------------------------------------------------------ where derivatives end


def test_cofactors_of_singular_matrices() -> None:
    """Rank M - 1 leaves one product of singular values; below that all cofactors are 0."""
    one_less = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]])
    (got,) = evaluate(trace(ops.cofactors, TensorType(float64, (3, 3))), one_less)
    minors = [
        [
            (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(one_less, i, 0), j, 1))
            for j in range(3)
        ]
        for i in range(3)
    ]
    np.testing.assert_allclose(got, minors, 1e-12, 1e-12)
    (got,) = evaluate(trace(ops.cofactors, TensorType(float64, (3, 3))), np.ones((3, 3)))
    np.testing.assert_allclose(got, np.zeros((3, 3)), 0, 1e-14)


def test_equal_singular_values_have_derivatives_without_vectors() -> None:
    """The part of the tangent that belongs to the values does not see the gaps."""
    graph = trace(lambda x: item(ops.svd(x), 1), TensorType(float64, (3, 3)))
    value, bar = evaluate(vjp(graph), np.eye(3) * 2, np.ones(3))
    np.testing.assert_allclose(value, [2, 2, 2])
    np.testing.assert_allclose(bar, np.eye(3), 0, 1e-15)
