"""take, put, choose, diagonals and index grids: what NumPy gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm

A = np.arange(12).reshape(3, 4)
X = lm.asarray(A)
I, J = np.array([2, 0, 2]), np.array([1, 3, 0])


def same(got: Any, wanted: Any) -> None:
    assert got.shape == np.shape(wanted)
    np.testing.assert_array_equal(got.numpy(), wanted)


def test_picking() -> None:
    order = np.argsort(-A, 1)
    same(lm.take(X, I, axis=1), np.take(A, I, 1))
    same(lm.take(X, [[-1, 0]], axis=0), np.take(A, [[-1, 0]], 0))
    same(lm.take(X, I), np.take(A, I))
    same(lm.take_along_axis(X, order, axis=1), np.take_along_axis(A, order, 1))
    same(lm.choose([0, 1, 0, 1], [A[0], A[1]]), np.choose([0, 1, 0, 1], [A[0], A[1]]))
    same(lm.select([X < 3, X > 9], [X, X * 2], -1), np.select([A < 3, A > 9], [A, A * 2], -1))
    same(X[lm.ix_([True, False, True], [1, 3])], A[np.ix_([True, False, True], [1, 3])])


def test_putting() -> None:
    wanted = A.copy()
    np.put(wanted, [0, -1, 5], [7, 8])
    same(lm.put(X, [0, -1, 5], [7, 8]), wanted)
    wanted = A.copy()
    np.put_along_axis(wanted, I[:, None], -1, 1)
    same(lm.put_along_axis(X, I[:, None], -1, axis=1), wanted)
    same(X, A)


@pytest.mark.parametrize("k", range(-4, 6))
def test_diagonals(k: int) -> None:
    same(lm.diagonal(X, k), np.diagonal(A, k))
    same(lm.diag(lm.arange(3) + 1, k), np.diag(np.arange(3) + 1, k))
    same(lm.diag(lm.zeros(0), k), np.diag(np.zeros(0), k))


def test_diagonals_of_other_axes() -> None:
    cube = np.arange(24).reshape(2, 3, 4)
    same(lm.diagonal(lm.asarray(cube), 1, 2, 0), np.diagonal(cube, 1, 2, 0))


@pytest.mark.parametrize(
    "shape, wrap", [((3, 4), False), ((7, 3), False), ((7, 3), True), ((2, 2, 2), False)]
)
def test_fill_diagonal(shape: tuple[int, ...], wrap: bool) -> None:
    wanted = np.zeros(shape)
    np.fill_diagonal(wanted, 5.0, wrap=wrap)
    same(lm.fill_diagonal(lm.zeros(shape), 5.0, wrap=wrap), wanted)


@pytest.mark.parametrize("size", [(3, 0, 4), (4, -1, None), (3, 2, 5), (0, 0, 2)])
def test_triangles(size: tuple[int, int, int | None]) -> None:
    for name in ("tril_indices", "triu_indices"):
        for got, wanted in zip(getattr(lm, name)(*size), getattr(np, name)(*size), strict=True):
            same(got, wanted)


def test_places_in_a_row() -> None:
    same(lm.ravel_multi_index((I, J), (3, 4)), np.ravel_multi_index((I, J), (3, 4)))
    found = lm.jit(lambda i: lm.unravel_index(i, (3, 4)))(np.array([0, 11, 5]))
    for got, wanted in zip(found, np.unravel_index([0, 11, 5], (3, 4)), strict=True):
        same(got, wanted)
    for got, wanted in zip(lm.diag_indices(3, 3), np.diag_indices(3, 3), strict=True):
        same(got, wanted)
