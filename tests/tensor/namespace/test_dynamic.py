"""Blocks at places that are tensors: what JAX gives, in every transform."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as lm

X = np.arange(60.0, dtype=np.float32).reshape(3, 4, 5)
BLOCK = -np.arange(1.0, 9.0, dtype=np.float32).reshape(2, 4, 1)
STARTS = [(0, 0, 0), (1, 0, 2), (2, 3, 4), (7, 7, 7), (-1, -9, -2), (-3, -4, -5)]


@pytest.mark.parametrize("starts", STARTS)
def test_slice_and_update_are_those_of_jax(starts: tuple[int, ...]) -> None:
    jax = pytest.importorskip("jax")
    read = jax.lax.dynamic_slice(X, starts, (2, 4, 1))
    written = jax.lax.dynamic_update_slice(X, BLOCK, starts)
    traced_read = lm.jit(lambda x, s: lm.dynamic_slice(x, s, (2, 4, 1)))
    traced_write = lm.jit(lm.dynamic_update_slice)
    for given in (starts, [lm.asarray(s) for s in starts], np.array(starts), lm.asarray(starts)):
        np.testing.assert_array_equal(lm.dynamic_slice(X, given, (2, 4, 1)).numpy(), read)
        np.testing.assert_array_equal(lm.dynamic_update_slice(X, BLOCK, given).numpy(), written)
    np.testing.assert_array_equal(traced_read(X, list(starts)).numpy(), read)
    np.testing.assert_array_equal(traced_write(X, BLOCK, list(starts)).numpy(), written)


def test_small_unsigned_starts_do_not_wrap() -> None:
    x = lm.arange(300)
    start = lm.asarray(250, dtype=lm.uint8)
    assert lm.dynamic_slice(x, [start], [60]).tolist() == list(range(240, 300))
    far = lm.asarray(2**64 - 1, dtype=lm.uint64)
    assert lm.dynamic_slice(x, [far], [2]).tolist() == [298, 299]


def test_a_whole_block_needs_no_place() -> None:
    x = lm.asarray(X)
    assert lm.dynamic_slice(x, [1, 1, 1], X.shape)._value is x._value
    assert lm.dynamic_update_slice(x, X + 1, [1, 1, 1]).tolist() == (X + 1).tolist()


def test_empty_blocks() -> None:
    assert lm.dynamic_slice(X, [1, 1, 1], (0, 4, 5)).shape == (0, 4, 5)
    same = lm.dynamic_update_slice(X, X[:, :0], [lm.asarray(1)] * 3)
    np.testing.assert_array_equal(same.numpy(), X)


def test_derivatives_go_to_the_block_and_to_what_is_left() -> None:
    @lm.jit
    def gradients(x, block, start):
        def energy(x, block):
            y = lm.dynamic_update_slice(x, block, [start, 0, start])
            z = lm.dynamic_slice(y, [0, start, 0], (3, 2, 5))
            return lm.sum(y * y * y) + lm.sum(z * z)

        return lm.grad(energy, argnums=(0, 1))(x, block)

    to_x, to_block = gradients(X, BLOCK, 1)
    y = X.copy()
    y[1:3, :, 1:2] = BLOCK
    wanted = 3 * y * y
    wanted[:, 1:3] += 2 * y[:, 1:3]
    np.testing.assert_allclose(to_block.numpy(), wanted[1:3, :, 1:2], 1e-6)
    wanted[1:3, :, 1:2] = 0
    np.testing.assert_allclose(to_x.numpy(), wanted, 1e-6)


def test_vmap_over_starts_and_tensors() -> None:
    starts = np.array([0, 3, 9])
    rows = lm.vmap(lambda x, i: lm.dynamic_slice(x, [i, 0], (2, 5)))(X, starts)
    np.testing.assert_array_equal(rows.numpy(), np.stack([X[0, :2], X[1, 2:], X[2, 2:]]))
    shared = lm.vmap(lambda i: lm.dynamic_slice(X, [i, 0, 1], (1, 4, 2)))(starts)
    np.testing.assert_array_equal(shared.numpy(), X[[0, 2, 2], None, :, 1:3])
