"""`lm.linalg` gives what NumPy and SciPy give, for each dtype and shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import lamina as lm

DTYPES = ("float32", "float64", "complex64", "complex128")
SQUARES = ((3, 3), (1, 1), (0, 0), (2, 3, 3), (0, 2, 2), (2, 1, 4, 4), (2, 0, 0))
RECTANGLES = (*SQUARES, (4, 2), (2, 4), (2, 3, 2), (3, 0), (0, 3), (2, 0, 3))
VECTORS = ((3,), (1,), (2, 3), (2, 1, 4))


def draw(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Normal numbers, not contiguous where there is something to stride over."""
    rng = np.random.default_rng(seed)
    strided = (*shape[:-1], 2 * shape[-1]) if shape else shape
    x = rng.standard_normal(strided)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(strided)
    return x.astype(dtype)[..., ::2] if shape else x.astype(dtype)


def definite(x: np.ndarray) -> np.ndarray:
    """Hermitian and positive definite."""
    product = x @ np.conj(np.swapaxes(x, -1, -2))
    return (product + np.eye(x.shape[-1])).astype(x.dtype)


def close(got: Any, wanted: Any, scale: float = 1.0) -> None:
    """Equal in shape and dtype, and in value up to a few roundings of the largest element."""
    found = np.asarray(got)
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if wanted.dtype.kind in "biu":
        np.testing.assert_array_equal(found, wanted)
        return
    size = max(1.0, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0)))
    eps = float(np.finfo(wanted.dtype).eps)
    np.testing.assert_allclose(found, wanted, 0, 200 * scale * eps * size)


SAME: dict[str, tuple[Callable[[Any, Any], Any], tuple[tuple[int, ...], ...], str]] = {
    "cholesky": (lambda n, x: n.cholesky(x), SQUARES, "definite"),
    "cholesky upper": (lambda n, x: n.cholesky(x, upper=True), SQUARES, "definite"),
    "inv": (lambda n, x: n.inv(x), SQUARES, "definite"),
    "det": (lambda n, x: n.det(x), SQUARES, ""),
    "slogdet sign": (lambda n, x: n.slogdet(x).sign, SQUARES, ""),
    "slogdet logabsdet": (lambda n, x: n.slogdet(x).logabsdet, SQUARES, ""),
    "svdvals": (lambda n, x: n.svdvals(x), RECTANGLES, ""),
    "eigvalsh": (lambda n, x: n.eigvalsh(x), SQUARES, "definite"),
    "eigvalsh U": (lambda n, x: n.eigvalsh(x, "U"), SQUARES, "definite"),
    "pinv": (lambda n, x: n.pinv(x, rtol=1e-5), RECTANGLES, ""),
    "matrix_rank": (lambda n, x: n.matrix_rank(x), RECTANGLES, ""),
    "matrix_rank rtol": (lambda n, x: n.matrix_rank(x, rtol=0.5), RECTANGLES, ""),
    "matrix_power 5": (lambda n, x: n.matrix_power(x, 5), SQUARES, ""),
    "matrix_power 0": (lambda n, x: n.matrix_power(x, 0), SQUARES, ""),
    "matrix_power -3": (lambda n, x: n.matrix_power(x, -3), SQUARES, "definite"),
    "diagonal": (lambda n, x: n.diagonal(x), RECTANGLES, ""),
    "diagonal 1": (lambda n, x: n.diagonal(x, offset=1), RECTANGLES, ""),
    "diagonal -2": (lambda n, x: n.diagonal(x, offset=-2), RECTANGLES, ""),
    "diagonal 9": (lambda n, x: n.diagonal(x, offset=9), RECTANGLES, ""),
    "trace": (lambda n, x: n.trace(x), RECTANGLES, ""),
    "trace -1": (lambda n, x: n.trace(x, offset=-1), RECTANGLES, ""),
    "matrix_transpose": (lambda n, x: n.matrix_transpose(x), RECTANGLES, ""),
    "matrix_norm": (lambda n, x: n.matrix_norm(x), RECTANGLES, ""),
    "matrix_norm keepdims": (lambda n, x: n.matrix_norm(x, keepdims=True), RECTANGLES, ""),
    "matrix_norm nuc": (lambda n, x: n.matrix_norm(x, ord="nuc"), RECTANGLES, ""),
    "norm": (lambda n, x: n.norm(x), RECTANGLES, ""),
    "norm axis": (lambda n, x: n.norm(x, axis=-2), RECTANGLES, ""),
    "norm axes": (lambda n, x: n.norm(x, axis=(-1, -2), keepdims=True), RECTANGLES, ""),
    "vector_norm": (lambda n, x: n.vector_norm(x), VECTORS, ""),
    "vector_norm keepdims": (lambda n, x: n.vector_norm(x, axis=-1, keepdims=True), VECTORS, ""),
    "cross": (lambda n, x: n.cross(x, x[..., ::-1]), ((3,), (2, 3), (0, 3)), ""),
    "outer": (lambda n, x: n.outer(x, x), ((3,), (1,), (0,)), ""),
    "vecdot": (lambda n, x: n.vecdot(x, x), VECTORS, ""),
    "matmul": (lambda n, x: n.matmul(x, x), SQUARES, ""),
    "tensordot": (lambda n, x: n.tensordot(x, x, axes=1), ((3, 3), (1, 1), (0, 0)), ""),
    "multi_dot": (lambda n, x: n.multi_dot([x[0], x, x, x[:, :2], x[0, :2]]), ((3, 3),), ""),
    "tensorinv": (lambda n, x: n.tensorinv(x.reshape(2, 3, 6), ind=2), ((6, 6),), ""),
    "cond 1": (lambda n, x: n.cond(x, 1), ((3, 3), (1, 1), (2, 3, 3)), "definite"),
    "cond": (lambda n, x: n.cond(x), ((3, 3), (1, 1), (2, 3, 3), (4, 2)), ""),
    "cond -2": (lambda n, x: n.cond(x, -2), ((3, 3), (2, 4)), ""),
}
for ord in (1, -1, 2, -2, np.inf, -np.inf):
    full = tuple(s for s in RECTANGLES if 0 not in s[-2:])
    SAME[f"matrix_norm {ord}"] = (lambda n, x, o=ord: n.matrix_norm(x, ord=o), full, "")
for ord in (0, 1, 2, 3, 0.5, -1, np.inf, -np.inf):
    SAME[f"vector_norm {ord}"] = (lambda n, x, o=ord: n.vector_norm(x, axis=-1, ord=o), VECTORS, "")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SAME)
def test_same_as_numpy(name: str, dtype: str) -> None:
    f, shapes, kind = SAME[name]
    for shape in shapes:
        x = draw(shape, dtype)
        x = definite(x) if kind else x
        with np.errstate(all="ignore"):
            wanted = f(np.linalg, x)
        scale = 20.0 if name.startswith(("inv", "pinv", "matrix_power -", "cond")) else 1.0
        close(f(lm.linalg, lm.asarray(x)), wanted, scale)


# ------------------------------------------------------------------ up to signs and phases


def adjoint(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def orthonormal(q: np.ndarray) -> None:
    size = q.shape[-1]
    close(adjoint(q) @ q, np.broadcast_to(np.eye(size, dtype=q.dtype), (*q.shape[:-2], size, size)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["reduced", "complete"])
def test_qr(mode: str, dtype: str) -> None:
    for shape in RECTANGLES:
        x = draw(shape, dtype)
        q, r = lm.linalg.qr(lm.asarray(x), mode=mode)
        wanted = np.linalg.qr(x, mode=mode)
        assert (q.shape, r.shape) == (wanted.Q.shape, wanted.R.shape)
        q, r = q.numpy(), r.numpy()
        close(q @ r, x)
        orthonormal(q)
        np.testing.assert_array_equal(r, np.triu(r))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("full", [True, False])
def test_svd(full: bool, dtype: str) -> None:
    for shape in RECTANGLES:
        x = draw(shape, dtype)
        found = lm.linalg.svd(lm.asarray(x), full_matrices=full)
        wanted = np.linalg.svd(x, full_matrices=full)
        assert [p.shape for p in found] == [p.shape for p in wanted]
        u, s, vh = (p.numpy() for p in found)
        close(s, wanted.S)
        count = s.shape[-1]
        close((u[..., :count] * s[..., None, :]) @ vh[..., :count, :], x)
        orthonormal(u)
        orthonormal(adjoint(vh))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("triangle", ["L", "U"])
def test_eigh(triangle: str, dtype: str) -> None:
    for shape in SQUARES:
        x = draw(shape, dtype)
        x = (x + adjoint(x)) / np.asarray(2, dtype)
        other = np.triu(np.full(shape, 7, dtype), 1)  # which is not read
        garbled = x + (other if triangle == "L" else np.swapaxes(other, -1, -2))
        w, v = (p.numpy() for p in lm.linalg.eigh(lm.asarray(garbled), triangle))
        close(w, np.linalg.eigvalsh(x))
        close((v * w[..., None, :]) @ adjoint(v), x)
        orthonormal(v)


@pytest.mark.parametrize("dtype", DTYPES)
def test_eig(dtype: str) -> None:
    for shape in SQUARES:
        x = draw(shape, dtype)
        w, v = (p.numpy() for p in lm.linalg.eig(lm.asarray(x)))
        assert w.dtype == v.dtype == np.result_type(dtype, np.complex64)
        close(x @ v, v * w[..., None, :])
        np.testing.assert_allclose(np.abs(v * np.conj(v)).sum(-2), np.ones(w.shape), 1e-5)
        close(lm.linalg.eigvals(lm.asarray(x)), np.linalg.eigvals(x).astype(w.dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_lu(dtype: str) -> None:
    for shape in RECTANGLES:
        x = draw(shape, dtype)
        p, l, u = (part.numpy() for part in lm.linalg.lu(lm.asarray(x)))
        if x.size:
            wanted = scipy.linalg.lu(x)
            for got, expected in zip((p, l, u), wanted, strict=True):
                close(got.astype(dtype), expected.astype(dtype))
        assert p.shape == (*shape[:-1], shape[-2]) and l.shape[-1] == u.shape[-2] == min(shape[-2:])
        close(p @ l @ u, x)


# ------------------------------------------------------------------ systems

SYSTEMS = (
    ((3, 3), (3,)), ((3, 3), (3, 2)), ((1, 1), (1,)), ((0, 0), (0, 2)), ((2, 3, 3), (2, 3, 1)),
    ((3, 3), (2, 3, 4)), ((2, 1, 2, 2), (3, 2, 2)), ((2, 3, 3), (3,)), ((0, 2, 2), (2, 2)),
    ((20, 20), (20, 3)),
)  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_solve(dtype: str) -> None:
    for left, right in SYSTEMS:
        a, b = definite(draw(left, dtype)), draw(right, dtype, 1)
        column = b[..., None] if b.ndim == 1 else b
        wanted = np.linalg.solve(a, column)
        wanted = wanted[..., 0] if b.ndim == 1 else wanted
        close(lm.linalg.solve(lm.asarray(a), lm.asarray(b)), wanted, 20)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("trans", [0, 1, 2, "N", "T", "C"])
def test_solve_triangular(trans: Any, dtype: str) -> None:
    for left, right in SYSTEMS:
        for lower in (True, False):
            for unit in (True, False):
                x = draw(left, dtype) / 4 + 3 * np.eye(left[-1], dtype=dtype)
                b = draw(right, dtype, 1)
                got = lm.linalg.solve_triangular(
                    lm.asarray(x), lm.asarray(b), trans=trans, lower=lower, unit_diagonal=unit
                ).numpy()
                a = np.tril(x) if lower else np.triu(x)
                if unit:
                    a = a - a * np.eye(left[-1], dtype=dtype) + np.eye(left[-1], dtype=dtype)
                if trans in (1, "T"):
                    a = np.swapaxes(a, -1, -2)
                if trans in (2, "C"):
                    a = adjoint(a)
                again = (a @ got[..., None])[..., 0] if b.ndim == 1 else a @ got
                close(again, np.broadcast_to(b, again.shape).astype(again.dtype), 5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cho_solve(dtype: str) -> None:
    a, b = definite(draw((2, 3, 3), dtype)), draw((2, 3, 2), dtype, 1)
    for lower in (True, False):
        factor = lm.linalg.cholesky(lm.asarray(a), upper=not lower)
        close(lm.linalg.cho_solve(factor, lm.asarray(b), lower=lower), np.linalg.solve(a, b), 20)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lstsq(dtype: str) -> None:
    systems = (((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 4), (2, 1)), ((3, 3), (3,)), ((1, 1), (1,)))
    for left, right in systems:
        a, b = draw(left, dtype), draw(right, dtype, 1)
        found = lm.linalg.lstsq(lm.asarray(a), lm.asarray(b))
        x, residuals, rank, s = np.linalg.lstsq(a, b)
        for got, wanted in zip(found, (x, residuals, np.int64(rank), s), strict=True):
            close(got, wanted, 20)


def test_lstsq_without_full_rank() -> None:
    a = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]])
    found = lm.linalg.lstsq(lm.asarray(a), lm.asarray(np.array([1.0, 2.0, 3.0])))
    wanted = np.linalg.lstsq(a, [1.0, 2.0, 3.0])
    close(found.x, wanted[0])
    assert int(found.rank) == wanted[2] == 1


def test_lstsq_of_a_batch() -> None:
    a, b = draw((2, 4, 2), "float64"), draw((2, 4, 3), "float64", 1)
    found = lm.linalg.lstsq(lm.asarray(a), lm.asarray(b))
    for i in range(2):
        wanted = np.linalg.lstsq(a[i], b[i])
        close(found.x[i], wanted[0])
        close(found.residuals[i], wanted[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_expm(dtype: str) -> None:
    for shape in SQUARES:
        x = draw(shape, dtype)
        wanted = scipy.linalg.expm(x) if x.size else x
        close(lm.linalg.expm(lm.asarray(x)), wanted, 5)


def test_tensorsolve() -> None:
    a, b = draw((2, 3, 6), "float64"), draw((2, 3), "float64", 1)
    close(lm.linalg.tensorsolve(a, b), np.linalg.tensorsolve(a, b), 10)
    turned = np.moveaxis(a, -1, 0)
    wanted = np.linalg.tensorsolve(turned, b, axes=(0,))
    close(lm.linalg.tensorsolve(turned, b, axes=(0,)), wanted, 10)


def test_kron_and_block_diag() -> None:
    pairs = (((2, 3), (3, 2)), ((2,), (3,)), ((2,), (3, 2)), ((2, 3, 1), (2, 2)), ((), (2,)))
    for left, right in pairs:
        a, b = draw(left, "float64"), draw(right, "float64", 1)
        close(lm.linalg.kron(a, b), np.kron(a, b))
    blocks = [draw(s, "float64") for s in ((2, 3), (1, 1), (0, 2), (3,), ())]
    close(lm.linalg.block_diag(*blocks), scipy.linalg.block_diag(*blocks))
    many = lm.linalg.block_diag(np.ones((2, 1, 1)), np.ones((1, 2, 2)))
    assert many.shape == (2, 3, 3) and float(many.sum()) == 10


def test_cross_broadcasts_and_takes_an_axis() -> None:
    a, b = draw((3, 4), "float64"), draw((2, 1, 3), "float64", 1)
    close(lm.linalg.cross(a, a[::-1], axis=0), np.linalg.cross(a, a[::-1], axis=0))
    other = draw((5, 3), "float64")
    close(lm.linalg.cross(b, other), np.linalg.cross(b, other))


def test_integers_become_single_and_products_stay_integers() -> None:
    x = np.array([[2, 1], [1, 3]])
    assert lm.linalg.inv(x).dtype is lm.float32
    close(lm.linalg.det(x), np.float32(5))
    close(lm.linalg.matrix_power(x, 3), np.linalg.matrix_power(x, 3))
    close(lm.linalg.trace(x), np.trace(x))
    close(lm.linalg.cross([1, 0, 0], [0, 1, 0]), np.array([0, 0, 1]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_computed_in_single_and_rounded_once(dtype: str) -> None:
    x = lm.asarray(definite(draw((3, 3), "float32"))).astype(dtype)
    wide = x.astype(lm.float32)
    functions = (
        lm.linalg.cholesky, lm.linalg.inv, lm.linalg.det, lm.linalg.svdvals, lm.linalg.eigvalsh,
        lm.linalg.expm, lm.linalg.matrix_norm, lm.linalg.pinv, lambda a: lm.linalg.qr(a).R,
        lambda a: lm.linalg.lu(a).U, lambda a: lm.linalg.solve(a, a[:, 0]),
        lambda a: lm.linalg.solve_triangular(a, a), lambda a: lm.linalg.slogdet(a).logabsdet,
    )  # fmt: skip
    for f in functions:
        got, wanted = f(x), f(wide).astype(dtype)
        assert got.dtype is x.dtype
        np.testing.assert_array_equal(got.astype(lm.float32), wanted.astype(lm.float32))
    assert lm.linalg.eigvals(x).dtype is lm.complex64


def test_values_that_are_not_finite() -> None:
    """A matrix with NaN or infinity gives NaN; its neighbours are not touched."""
    x = np.stack([np.eye(2), np.array([[np.nan, 0.0], [0.0, 1.0]]), 2 * np.eye(2)])
    y = np.stack([np.eye(2), np.array([[np.inf, 0.0], [0.0, 1.0]]), 2 * np.eye(2)])
    functions = (
        lm.linalg.cholesky, lm.linalg.svdvals, lm.linalg.eigvalsh, lm.linalg.eigvals,
        lm.linalg.pinv, lm.linalg.expm, lambda a: lm.linalg.qr(a).Q, lambda a: lm.linalg.svd(a).U,
        lambda a: lm.linalg.eigh(a).eigenvectors, lambda a: lm.linalg.lu(a).U,
        lambda a: lm.linalg.lstsq(a, a).x,
    )  # fmt: skip
    for f in functions:
        for z in (x, y):
            got = f(lm.asarray(z)).numpy()
            assert np.isnan(got[1]).all() and np.isfinite(got[[0, 2]]).all(), f
    assert np.isnan(lm.linalg.inv(lm.asarray(x)).numpy()[1]).any()


def test_batches_that_threads_share() -> None:
    """Large enough for several chunks of rows, with several leading axes."""
    x = draw((30, 150, 4, 4), "float64")
    x = (x + np.swapaxes(x, -1, -2)) / 2
    close(lm.linalg.eigvalsh(lm.asarray(x)), np.linalg.eigvalsh(x))
    w, v = (p.numpy() for p in lm.linalg.eigh(lm.asarray(x)))
    close((v * w[..., None, :]) @ np.swapaxes(v, -1, -2), x)
    close(lm.linalg.pinv(lm.asarray(x), rtol=1e-9), np.linalg.pinv(x, rtol=1e-9), 1e3)
    side = draw((30, 150, 4, 1), "float64", 1)
    close(lm.linalg.lstsq(lm.asarray(x), lm.asarray(side)).x, np.linalg.solve(x, side), 1e3)
    p, l, u = (part.numpy() for part in lm.linalg.lu(lm.asarray(x)))
    close(p @ l @ u, x)
