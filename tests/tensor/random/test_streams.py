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


DRAWS = {
    "uniform": lambda r, k: r.uniform((7,), -1.0, 2.0, key=k),
    "normal": lambda r, k: r.normal((7,), key=k),
    "complex": lambda r, k: lm.real(r.normal((7,), dtype="complex64", key=k)),
    "truncated_normal": lambda r, k: r.truncated_normal((7,), key=k),
    "exponential": lambda r, k: r.exponential((7,), key=k),
    "laplace": lambda r, k: r.laplace((7,), key=k),
    "logistic": lambda r, k: r.logistic((7,), key=k),
    "cauchy": lambda r, k: r.cauchy((7,), key=k),
    "gumbel": lambda r, k: r.gumbel((7,), key=k),
    "rayleigh": lambda r, k: r.rayleigh((7,), key=k),
    "weibull": lambda r, k: r.weibull(2.0, shape=(7,), key=k),
    "pareto": lambda r, k: r.pareto(2.0, shape=(7,), key=k),
    "gamma": lambda r, k: r.gamma(0.7, shape=(7,), key=k),
    "student_t": lambda r, k: r.student_t(3.0, (7,), key=k),
    "beta": lambda r, k: r.beta(0.5, 2.0, (7,), key=k),
    "dirichlet": lambda r, k: r.dirichlet([1.0, 0.2, 3.0], (2,), key=k),
    "randint": lambda r, k: r.randint(0, 99, (7,), key=k),
    "bernoulli": lambda r, k: r.bernoulli(0.3, (7,), key=k),
    "categorical": lambda r, k: r.categorical([0.0, 1.0, 2.0], (7,), key=k),
    "choice": lambda r, k: r.choice(9, (4,), replace=False, key=k),
    "weighted": lambda r, k: r.choice(9, (4,), replace=False, p=np.arange(9.0), key=k),
    "permutation": lambda r, k: r.permutation(9, key=k),
    "poisson": lambda r, k: r.poisson(np.array([0.5, 7.0, 30.0, 1e6]), key=k),
    "binomial": lambda r, k: r.binomial(np.array([5, 90, 10**6]), 0.3, key=k),
    "multinomial": lambda r, k: r.multinomial(50, [0.2, 0.3, 0.5], (2,), key=k),
    "geometric": lambda r, k: r.geometric(0.1, (7,), key=k),
}


@pytest.mark.parametrize("name", DRAWS)
def test_one_stream_eager_jitted_and_batched(name):
    draw = lambda k: DRAWS[name](lm.random, k)
    keys = lm.random.split(lm.random.key(11), 3)
    eager = np.stack([draw(keys[i]).numpy() for i in range(3)])
    np.testing.assert_array_equal(lm.jit(draw)(keys[1]).numpy(), eager[1])
    np.testing.assert_array_equal(lm.jit(lm.vmap(draw))(keys).numpy(), eager)
    assert (eager[0] != eager[1]).any()


def test_state_is_saved_and_restored():
    lm.random.seed(4)
    lm.random.uniform((3,))
    state = lm.random.get_state()
    first = lm.random.normal((4,)).numpy()
    lm.random.set_state(state)
    np.testing.assert_array_equal(lm.random.normal((4,)).numpy(), first)
    with pytest.raises(lm.UsageError) as caught:
        lm.random.set_state([1.0])
    assert str(caught.value).startswith(
        "set_state: this is no state of a generator\n  given: float64 of shape (1,)\n"
        "  takes: three uint32 words\n  help: pass what get_state() returned\n"
    )


def test_streams_of_different_keys_do_not_correlate():
    n = 100_000
    key = lm.random.key(8)
    streams = [lm.random.uniform((n,), key=k).numpy() for k in lm.random.split(key, 4)]
    streams += [lm.random.uniform((n,), key=lm.random.fold_in(key, i)).numpy() for i in range(4)]
    streams.append(lm.random.uniform((n,), key=key).numpy())
    streams.append(np.roll(streams[-1], 1))
    table = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(table).max() < 4.5 / np.sqrt(n)
    one = lm.vmap(lambda k: lm.random.uniform((), key=k))(lm.random.split(key, n)).numpy()
    assert stats.kstest(one, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 4.5 / np.sqrt(n)


def test_split_and_fold_in_differ():
    key = lm.random.key(1)
    words = {tuple(k) for k in lm.random.split(key, 100).numpy().tolist()}
    words |= {tuple(lm.random.fold_in(key, i).numpy().tolist()) for i in range(100)}
    assert len(words) == 200


def test_not_a_key():
    with pytest.raises(lm.DTypeError, match="random: this is not a key"):
        lm.random.bits(lm.ones((2,)), (3,))
