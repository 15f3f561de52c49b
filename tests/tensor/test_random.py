"""Random numbers: one stream everywhere, with the right distribution."""

import numpy as np
import pytest
from scipy import stats

import lamina as lm


def test_seed_starts_again():
    lm.random.seed(3)
    first = lm.random.normal((5,)).numpy()
    second = lm.random.normal((5,)).numpy()
    lm.random.seed(3)
    np.testing.assert_array_equal(lm.random.normal((5,)).numpy(), first)
    assert (first != second).all()


def test_the_same_stream_under_jit():
    draw = lm.jit(lambda: lm.random.uniform((4,)))
    lm.random.seed(0)
    eager = [lm.random.uniform((4,)).numpy() for _ in range(4)]
    lm.random.seed(0)
    jitted = [draw().numpy() for _ in range(4)]
    np.testing.assert_array_equal(eager, jitted)
    lm.random.seed(0)
    mixed = [draw().numpy() if i % 2 else lm.random.uniform((4,)).numpy() for i in range(4)]
    np.testing.assert_array_equal(eager, mixed)


def test_the_same_keys_under_vmap():
    keys = lm.random.split(lm.random.key(5), 6)
    draw = lambda k: lm.random.normal((3,), key=k)
    found = lm.vmap(draw)(keys).numpy()
    np.testing.assert_array_equal(found, np.stack([draw(keys[i]).numpy() for i in range(6)]))
    np.testing.assert_array_equal(lm.jit(lm.vmap(draw))(keys).numpy(), found)


def test_examples_of_vmap_differ():
    lm.random.seed(0)
    found = lm.vmap(lambda x: x + lm.random.uniform(()))(lm.zeros((8,))).numpy()
    assert len(set(found.tolist())) == 8


def test_an_explicit_generator_is_carried_by_jit():
    eager, jitted = lm.random.Generator(1), lm.random.Generator(1)
    draw = lm.jit(lambda g: lm.random.uniform((3,), key=g))
    for _ in range(3):
        np.testing.assert_array_equal(
            draw(jitted).numpy(), lm.random.uniform((3,), key=eager).numpy()
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype):
    key = lm.random.key(42)
    u = lm.random.uniform((20001,), key=key, dtype=dtype).numpy()
    n = lm.random.normal((20001,), key=key, dtype=dtype).numpy()
    assert u.dtype == n.dtype == np.dtype(dtype)
    assert 0 <= u.min() < u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert stats.kstest(n, "norm").pvalue > 1e-3
    assert stats.kstest(u[::2] - u[1::2][: len(u[::2])].mean(), "uniform").statistic > 0


def test_other_ranges():
    key = lm.random.key(0)
    u = lm.random.uniform((1000,), -2.0, 3.0, key=key).numpy()
    assert -2 <= u.min() < -1.9
    assert 2.9 < u.max() < 3
    n = lm.random.normal((10000,), 5.0, 0.5, key=key).numpy()
    assert stats.kstest((n - 5) / 0.5, "norm").pvalue > 1e-3


def test_discrete():
    key = lm.random.key(7)
    i = lm.random.randint(-3, 4, (7000,), key=key).numpy()
    assert stats.chisquare(np.bincount(i + 3, minlength=7)).pvalue > 1e-3
    b = lm.random.bernoulli(0.25, (10000,), key=key).numpy()
    assert abs(b.mean() - 0.25) < 0.02
    c = lm.random.categorical(lm.log(lm.asarray([0.2, 0.3, 0.5])), (10000,), key=key).numpy()
    assert stats.chisquare(np.bincount(c), [2000, 3000, 5000]).pvalue > 1e-3
    p = lm.random.permutation(50, key=key).numpy()
    assert sorted(p) == list(range(50))
    assert list(p) != list(range(50))


def test_split_and_fold_in_differ():
    key = lm.random.key(1)
    words = {tuple(k) for k in lm.random.split(key, 100).numpy().tolist()}
    words |= {tuple(lm.random.fold_in(key, i).numpy().tolist()) for i in range(100)}
    assert len(words) == 200


def test_not_a_key():
    with pytest.raises(lm.DTypeError, match="random: this is not a key"):
        lm.random.bits(lm.ones((2,)), (3,))
