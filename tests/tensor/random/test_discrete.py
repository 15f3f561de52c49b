"""Counts, integers and choices against SciPy's distributions at fixed seeds."""

import itertools

import numpy as np
import pytest
from scipy import stats

import lamina as lm
from lamina.tensor.random import counts

R = lm.random
N = 100_000
KEY = R.key(123)
LEVEL = 1e-3


def fits(x: np.ndarray, wanted) -> bool:
    """A chi-square test over at most forty intervals that expect five or more."""
    low, high = int(wanted.ppf(1e-4)), int(wanted.ppf(1 - 1e-4))
    edges = np.unique(np.linspace(low, high + 1, min(high - low + 2, 40)).astype(int))
    parts = np.diff(np.concatenate([[0], wanted.cdf(edges), [1]])) * len(x)
    found = np.histogram(x, np.concatenate([[-np.inf], edges + 0.5, [np.inf]]))[0]
    often = parts > 5
    assert abs(found[~often].sum() - parts[~often].sum()) < 30
    parts = parts[often] * found[often].sum() / parts[often].sum()
    return stats.chisquare(found[often], parts).pvalue > LEVEL


MEANS = (0.1, 3.0, 9.99, 10.0, 50.0, 1e4, 1e6, 1e9)
TRIALS = ((1, 0.5), (5, 0.3), (30, 0.2), (100, 0.5), (1000, 0.97), (10**6, 0.3), (10**9, 1e-3))


def test_poisson():
    drawn = R.poisson(np.array(MEANS), (N // 2, len(MEANS)), key=KEY).numpy()
    for x, mean in zip(drawn.T, MEANS):
        assert fits(x, stats.poisson(mean)), mean


def test_binomial():
    n, p = np.array(TRIALS).T
    drawn = R.binomial(n, p, (N // 2, len(n)), key=KEY).numpy()
    for x, pair in zip(drawn.T, TRIALS):
        assert fits(x, stats.binom(*pair)), pair


def test_numbers_and_tensors_as_parameters_draw_the_same():
    for mean in (3.0, 30.0):
        one = R.poisson(mean, (500,), key=KEY).numpy()
        np.testing.assert_array_equal(R.poisson(np.full(500, mean), key=KEY).numpy(), one)
        one = R.binomial(50, mean / 60, (500,), key=KEY).numpy()
        many = R.binomial(np.full(500, 50), np.full(500, mean / 60), key=KEY).numpy()
        np.testing.assert_array_equal(many, one)


def test_geometric():
    assert fits(R.geometric(0.3, (N,), key=KEY).numpy(), stats.geom(0.3))
    assert (R.geometric(1.0, (50,), key=KEY).numpy() == 1).all()


LEVELS = np.concatenate(
    [2.0 ** -np.arange(1, 50), 1 - 2.0 ** -np.arange(1, 40), np.linspace(0.01, 0.99, 99)]
)


def test_counts_are_exact_quantiles():
    """Far into both tails too; at a step of the distribution function rounding may decide."""
    means = np.array([10.0, 10.5, 14, 25, 100, 1234.5, 1e5])
    u, mean = (a.ravel() for a in np.meshgrid(LEVELS, means))
    got = counts._large_poisson(lm.asarray(u), lm.asarray(mean)).numpy()
    assert_quantiles(got, u, stats.poisson(mean))
    n, p = np.array(
        [(20, 0.5), (100, 0.1), (100, 0.5), (1000, 0.02), (10**5, 0.3), (10**7, 1e-5)]
    ).T
    u, at = (a.ravel() for a in np.meshgrid(LEVELS, np.arange(len(n))))
    got = counts._large_binomial(lm.asarray(u), lm.asarray(n[at]), lm.asarray(p[at])).numpy()
    assert_quantiles(got, u, stats.binom(n[at], p[at]))


def assert_quantiles(got, u, wanted):
    """F(k - 1) <= u < F(k), but for the rounding of F."""
    room = 1e-11
    assert (wanted.cdf(got) > u * (1 - room) - 1e-12).all()
    assert (wanted.cdf(got - 1) <= u + room).all()


def test_counts_at_the_edges():
    assert (R.poisson(0.0, (5,), key=KEY).numpy() == 0).all()
    sure = R.binomial(7, lm.asarray([0.0, 1.0]), key=KEY).numpy()
    np.testing.assert_array_equal(sure, [0, 7])
    assert R.binomial(0, 0.5, key=KEY).item() == 0
    mixed = R.poisson(np.array([0.0, 0.3, 12.0, 1e6]), (20_000, 4), key=KEY).numpy()
    for i, mean in enumerate((0.3, 12.0, 1e6), 1):
        assert fits(mixed[:, i], stats.poisson(mean))
    assert R.poisson(3.0, (2,), dtype="uint8", key=KEY).dtype == lm.uint8


def test_multinomial():
    p = np.array([0.2, 0.3, 0.5, 0.0, 0.1])
    m = R.multinomial(20, p, (N,), key=KEY).numpy()
    assert (m.sum(-1) == 20).all() and (m[:, 3] == 0).all()
    for i in (0, 2, 4):
        assert fits(m[:, i], stats.binom(20, p[i] / p.sum()))
    covariance = np.cov(m[:, 0], m[:, 2])[0, 1]
    assert abs(covariance + 20 * p[0] * p[2] / p.sum() ** 2) < 0.1
    many = R.multinomial(lm.asarray([3, 1000]), np.ones(7), key=KEY).numpy()
    np.testing.assert_array_equal(many.sum(-1), [3, 1000])
    assert R.multinomial(4, [1.0], key=KEY).tolist() == [4]


def test_randint():
    i = R.randint(-3, 4, (N,), key=KEY).numpy()
    assert stats.chisquare(np.bincount(i + 3, minlength=7)).pvalue > LEVEL
    assert R.randint(5, key=KEY).item() in range(5)
    wide = R.randint(0, 2**32, (N,), key=KEY).numpy()
    assert stats.kstest(wide / 2**32, "uniform").pvalue > LEVEL
    assert R.randint(0, 256, (9,), dtype="uint8", key=KEY).dtype == lm.uint8


def test_bernoulli():
    b = R.bernoulli(lm.asarray([0.0, 0.25, 1.0]), (N, 3), key=KEY).numpy()
    assert not b[:, 0].any() and b[:, 2].all()
    assert abs(b[:, 1].mean() - 0.25) < 4.5 * 0.44 / np.sqrt(N)


def test_categorical():
    p = np.array([0.2, 0.3, 0.5, 0.0])
    c = R.categorical(np.log(p, where=p > 0, out=np.full(4, -np.inf)), (N,), key=KEY).numpy()
    found = np.bincount(c, minlength=4)
    assert found[3] == 0
    assert stats.chisquare(found[:3], N * p[:3]).pvalue > LEVEL
    rows = R.categorical(lm.asarray([[5.0, -50.0], [-50.0, 5.0]]), key=KEY)
    assert rows.tolist() == [0, 1]


def test_permutations_are_equally_likely():
    keys = R.split(KEY, 24_000)
    orders = lm.vmap(lambda k: R.permutation(4, key=k))(keys).numpy()
    index = {p: i for i, p in enumerate(itertools.permutations(range(4)))}
    found = np.bincount([index[tuple(o)] for o in orders.tolist()], minlength=24)
    assert stats.chisquare(found).pvalue > LEVEL


def test_permutation_of_tensors():
    x = lm.reshape(lm.arange(12), (3, 4))
    rows = R.permutation(x, key=KEY).numpy()
    np.testing.assert_array_equal(np.sort(rows[:, 0]), [0, 4, 8])
    np.testing.assert_array_equal(rows - rows[:, :1], [[0, 1, 2, 3]] * 3)
    np.testing.assert_array_equal(R.shuffle(x, key=KEY).numpy(), rows)
    each = R.permutation(lm.reshape(lm.arange(400), (4, 100)), axis=1, independent=True, key=KEY)
    np.testing.assert_array_equal(np.sort(each.numpy()), np.arange(400).reshape(4, 100))
    assert (each.numpy()[0] != each.numpy()[1] - 100).any()
    assert R.permutation(0, key=KEY).shape == (0,)


def test_choice():
    p = np.array([0.2, 0.3, 0.5])
    c = R.choice(3, (N,), p=p, key=KEY).numpy()
    assert stats.chisquare(np.bincount(c), N * p).pvalue > LEVEL
    x = lm.asarray([[1.0, 2.0, 3.0]])
    assert R.choice(x, (2, 2), axis=1, key=KEY).shape == (1, 2, 2)
    assert len(set(R.choice(50, (50,), replace=False, key=KEY).tolist())) == 50
    keys = R.split(KEY, 20_000)
    pairs = lm.vmap(lambda k: R.choice(3, (2,), replace=False, p=p, key=k))(keys).numpy()
    first = np.bincount(pairs[:, 0], minlength=3)
    assert stats.chisquare(first, 20_000 * p).pvalue > LEVEL
    assert (pairs[:, 0] != pairs[:, 1]).all()
    second = np.mean(pairs[pairs[:, 0] == 2, 1] == 1)  # 0.3 / (0.2 + 0.3)
    assert abs(second - 0.6) < 4.5 * 0.49 / np.sqrt(10_000)
    assert R.choice(3, (0,), key=KEY).shape == (0,)


ERRORS = {
    "range": (
        lambda: R.randint(3, 3),
        "randint: the range is empty or wider than 2^32\n  low: 3\n  high: 3\n"
        "  help: low is the smallest number and high one past the largest\n",
    ),
    "narrow": (
        lambda: R.randint(0, 300, dtype="uint8"),
        "randint: uint8 does not hold the range\n  low: 0\n  high: 300\n"
        "  help: take a wider dtype\n",
    ),
    "integers": (
        lambda: R.poisson(1.0, dtype="float32"),
        "poisson: float32 is no integer type\n  dtype: float32\n"
        "  takes: int8 to int64, uint8 to uint64\n  help: draw integers and cast them\n",
    ),
    "probability": (
        lambda: R.binomial(3, 1.5),
        "binomial: p is outside its range\n  p: 1.5\n  range: [0, 1]\n"
        "  help: check the parameter\n",
    ),
    "too many": (
        lambda: R.choice(3, (4,), replace=False),
        "choice: there are not so many to choose from\n  wanted: 4\n  there: 3\n"
        "  replace: False\n  help: choose fewer, or with replacement\n",
    ),
    "weights": (
        lambda: R.choice(3, (4,), p=[0.5, 0.5]),
        "choice: the weights do not fit\n  p: f32[2]\n  there: 3\n"
        "  help: give one weight for each position along the axis\n",
    ),
    "no categories": (
        lambda: R.categorical(1.0),
        "categorical: there are no categories\n  logits: f32[]\n"
        "  help: the last axis holds one logit for each category\n",
    ),
    "no order": (
        lambda: R.permutation(lm.asarray(1.0)),
        "permutation: a tensor without axes has no order\n  tensor: f32[]\n"
        "  help: give a Python integer n for the order of 0, ..., n - 1\n",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    draw, message = ERRORS[name]
    with pytest.raises(lm.LaminaError) as caught:
        draw()
    assert str(caught.value).startswith(message)
