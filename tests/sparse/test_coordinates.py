"""Sparse tensors against SciPy's and against dense ones."""

import numpy as np
import pytest
from scipy import sparse

import lamina as lm
from lamina.sparse import Sparse

RNG = np.random.default_rng(2)
DENSE = RNG.normal(size=(6, 9)) * (RNG.uniform(size=(6, 9)) < 0.3)
DENSE[2] = 0


def matrix() -> Sparse:
    return Sparse.from_dense(DENSE)


def test_dense_and_scipy_round_trips():
    x = matrix()
    assert x.stored == np.count_nonzero(DENSE)
    np.testing.assert_array_equal(x.to_dense().numpy(), DENSE)
    np.testing.assert_array_equal(x.to_scipy().toarray(), DENSE)
    for form in (sparse.coo_array, sparse.csr_array, sparse.csc_matrix):
        np.testing.assert_array_equal(Sparse.from_scipy(form(DENSE)).to_dense().numpy(), DENSE)
    jitted = lm.jit(lambda d: Sparse.from_dense(d, count=30))(lm.asarray(DENSE))
    assert jitted.stored == 30
    np.testing.assert_array_equal(jitted.to_dense().numpy(), DENSE)
    cube = RNG.integers(0, 2, (2, 3, 4)).astype(float)
    np.testing.assert_array_equal(Sparse.from_dense(cube).to_dense().numpy(), cube)
    assert repr(x) == f"Sparse({x.stored} of (6, 9), dtype=float64)"


def test_arithmetic():
    x, other = matrix(), Sparse.from_dense(DENSE[::-1].copy())
    np.testing.assert_allclose((x + other).to_dense().numpy(), DENSE + DENSE[::-1])
    np.testing.assert_allclose((x - other).to_dense().numpy(), DENSE - DENSE[::-1])
    np.testing.assert_allclose((2.0 * x).to_dense().numpy(), 2 * DENSE)
    ones = lm.asarray(np.ones((6, 9)))
    np.testing.assert_allclose((x + ones).numpy(), DENSE + 1)
    weights = RNG.normal(size=(6, 9))
    np.testing.assert_allclose((x * weights).to_dense().numpy(), DENSE * weights)
    np.testing.assert_allclose(x.T.to_dense().numpy(), DENSE.T)
    cube = RNG.normal(size=(2, 3, 4)) * RNG.integers(0, 2, (2, 3, 4))
    turned = Sparse.from_dense(cube).transpose((1, 2, 0)).to_dense().numpy()
    np.testing.assert_array_equal(turned, cube.transpose(1, 2, 0))


def test_sums():
    x = matrix()
    np.testing.assert_allclose(x.sum(0).to_dense().numpy(), DENSE.sum(0), 1e-12, 1e-14)
    np.testing.assert_allclose(x.sum(-1).to_dense().numpy(), DENSE.sum(-1), 1e-12, 1e-14)
    np.testing.assert_allclose(float(x.sum()), DENSE.sum(), 1e-12)
    np.testing.assert_allclose(float(x.sum((0, 1))), DENSE.sum(), 1e-12)


def test_coalesce_and_prune():
    twice = matrix() + matrix()
    for merged in (twice.coalesce(), lm.jit(lambda s: s.coalesce())(twice)):
        np.testing.assert_allclose(merged.to_dense().numpy(), 2 * DENSE)
        pruned = merged.prune()
        assert pruned.stored == matrix().stored
        np.testing.assert_array_equal(pruned.indices.numpy(), np.nonzero(DENSE))
    nothing = Sparse.from_dense(np.zeros((2, 3)))
    assert nothing.coalesce().stored == 0
    assert (nothing @ lm.ones((3,), dtype="float64")).tolist() == [0, 0]


def test_compressed_rows():
    values, columns, offsets = lm.jit(lambda s: s.to_rows())(matrix())
    wanted = sparse.csr_array(DENSE)
    np.testing.assert_array_equal(values.numpy(), wanted.data)
    np.testing.assert_array_equal(columns.numpy(), wanted.indices)
    np.testing.assert_array_equal(offsets.numpy(), wanted.indptr)


@pytest.mark.parametrize("columns", [(), (4,), (1,)])
def test_products_and_their_gradients_equal_the_dense_ones(columns):
    x, w = matrix(), lm.asarray(RNG.normal(size=(9, *columns)))
    product = x @ w
    np.testing.assert_allclose(product.numpy(), DENSE @ w.numpy(), 1e-12, 1e-14)
    loss = lambda s, w: lm.sum(lm.sin(s @ w))
    by_sparse, by_w = lm.jit(lm.grad(loss, argnums=(0, 1)))(x, w)
    dense, dense_w = lm.grad(lambda d, w: lm.sum(lm.sin(lm.matmul(d, w))), argnums=(0, 1))(
        lm.asarray(DENSE), w
    )
    np.testing.assert_allclose(by_w.numpy(), dense_w.numpy(), 1e-12, 1e-14)
    rows, places = x.indices.numpy()
    np.testing.assert_allclose(by_sparse.values.numpy(), dense.numpy()[rows, places], 1e-12, 1e-14)


def test_products_from_the_left():
    v, m = RNG.normal(size=6), RNG.normal(size=(2, 6))
    np.testing.assert_allclose((lm.asarray(v) @ matrix()).numpy(), v @ DENSE, 1e-12, 1e-14)
    np.testing.assert_allclose((lm.asarray(m) @ matrix()).numpy(), m @ DENSE, 1e-12, 1e-14)


def test_second_order_and_batches():
    x, w = matrix(), lm.asarray(RNG.normal(size=9))
    energy = lambda w: lm.sum((x @ w) ** 2) / 2
    direction = lm.asarray(RNG.normal(size=9))
    _, curved = lm.jvp(lm.grad(energy), (w,), (direction,))
    np.testing.assert_allclose(curved.numpy(), DENSE.T @ (DENSE @ direction.numpy()), 1e-12, 1e-13)
    many = RNG.normal(size=(3, 9))
    np.testing.assert_allclose(
        lm.vmap(lambda w: x @ w)(lm.asarray(many)).numpy(), many @ DENSE.T, 1e-12, 1e-14
    )
    values = RNG.normal(size=(3, x.stored))
    each = lm.vmap(lambda v: Sparse(v, x.indices, x.shape) @ w)(lm.asarray(values)).numpy()
    for got, v in zip(each, values):
        wanted = sparse.coo_array((v, np.nonzero(DENSE)), shape=(6, 9)) @ w.numpy()
        np.testing.assert_allclose(got, wanted, 1e-12, 1e-14)


def test_memory_follows_the_stored_elements():
    """A million by a million with a thousand elements: the product asks for no dense memory."""
    n, k = 1_000_000, 1000
    indices = RNG.integers(0, n, (2, k))
    x = Sparse(RNG.normal(size=k), indices, (n, n))
    assert x.nbytes == 3 * 8 * k
    got = (x @ lm.ones((n,), dtype="float64")).numpy()
    wanted = np.zeros(n)
    np.add.at(wanted, indices[0], x.values.numpy())
    np.testing.assert_allclose(got, wanted, 1e-12, 1e-14)


def test_errors():
    x = matrix()
    cases = {
        "Sparse: values, indices and shape do not fit\n  values: f32[2]\n  indices: i64[1,2]\n"
        "  shape: (2, 2)\n": lambda: Sparse([1.0, 2.0], [[0, 1]], (2, 2)),
        "Sparse @: the shapes do not fit\n  sparse: (6, 9)\n  dense: f32[6]\n"
        "  help: a matrix [M, K] takes a vector [K] or [K, N]\n": lambda: x @ lm.ones((6,)),
        "Sparse +: the shapes differ\n  left: (6, 9)\n  right: (9, 6)\n"
        "  help: sparse tensors do not broadcast\n": lambda: x + x.T,
        "Sparse.sum: no such axis\n  shape: (6, 9)\n  axis: 2\n"
        "  help: axes run from -2 to 1\n": lambda: x.sum(2),
        "Sparse.transpose: not an order of the axes\n  shape: (6, 9)\n  axes: (0, 0)\n"
        "  help: name every axis once\n": lambda: x.transpose((0, 0)),
    }
    for message, call in cases.items():
        with pytest.raises(lm.LaminaError) as caught:
            call()
        assert str(caught.value).startswith(message)
    with pytest.raises(lm.BoundsError):
        Sparse([1.0], [[5]], (2,)).to_dense().numpy()
