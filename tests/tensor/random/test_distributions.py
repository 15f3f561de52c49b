"""Every distribution against SciPy's at fixed seeds: shape of the distribution, tails, edges."""

import numpy as np
import pytest
from scipy import special, stats

import lamina as lm

R = lm.random
N = 100_000
KEY = R.key(123)
LEVEL = 1e-3

CONTINUOUS = {
    "uniform": (lambda o: R.uniform((N,), -1.0, 2.0, **o), stats.uniform(-1, 3)),
    "normal": (lambda o: R.normal((N,), 5.0, 0.5, **o), stats.norm(5, 0.5)),
    "lognormal": (lambda o: R.lognormal((N,), 0.5, 0.7, **o), stats.lognorm(0.7, scale=np.e**0.5)),
    "truncated": (
        lambda o: R.truncated_normal((N,), -1.0, 2.0, 0.5, 2.0, **o),
        stats.truncnorm(-0.75, 0.75, 0.5, 2),
    ),
    "truncated far": (lambda o: R.truncated_normal((N,), 8.0, 9.0, **o), stats.truncnorm(8, 9)),
    "exponential": (lambda o: R.exponential((N,), 2.0, **o), stats.expon(scale=2)),
    "laplace": (lambda o: R.laplace((N,), 1.0, 2.0, **o), stats.laplace(1, 2)),
    "logistic": (lambda o: R.logistic((N,), 1.0, 2.0, **o), stats.logistic(1, 2)),
    "cauchy": (lambda o: R.cauchy((N,), 1.0, 2.0, **o), stats.cauchy(1, 2)),
    "gumbel": (lambda o: R.gumbel((N,), 1.0, 2.0, **o), stats.gumbel_r(1, 2)),
    "rayleigh": (lambda o: R.rayleigh((N,), 2.0, **o), stats.rayleigh(scale=2)),
    "weibull": (lambda o: R.weibull(0.7, 2.0, (N,), **o), stats.weibull_min(0.7, scale=2)),
    "pareto": (lambda o: R.pareto(3.0, 2.0, (N,), **o), stats.pareto(3, scale=2)),
    "gamma": (lambda o: R.gamma(2.5, 2.0, (N,), **o), stats.gamma(2.5, scale=2)),
    "chi2": (lambda o: R.chi2(3.0, (N,), **o), stats.chi2(3)),
    "student_t": (lambda o: R.student_t(3.0, (N,), **o), stats.t(3)),
    "beta": (lambda o: R.beta(0.5, 2.0, (N,), **o), stats.beta(0.5, 2)),
    "dirichlet": (lambda o: R.dirichlet([1.0, 2.0, 3.0], (N,), **o)[:, 1], stats.beta(2, 4)),
}


IN_BOTH = ("uniform", "normal", "truncated", "exponential", "laplace", "gumbel", "gamma")


@pytest.mark.parametrize(
    ("name", "dtype"), [(n, "float32") for n in CONTINUOUS] + [(n, "float64") for n in IN_BOTH]
)
def test_continuous(name, dtype):
    draw, wanted = CONTINUOUS[name]
    x = draw({"key": KEY, "dtype": dtype}).numpy()
    assert x.dtype == np.dtype(dtype) and np.isfinite(x).all()
    assert stats.kstest(x.astype(np.float64), wanted.cdf).pvalue > LEVEL
    if np.isfinite(wanted.var()) and np.isfinite(wanted.stats("k")):
        error = wanted.std() / np.sqrt(N)
        assert abs(x.mean(dtype=np.float64) - wanted.mean()) < 4.5 * error
        spread = np.sqrt((float(wanted.stats("k")) + 2) / N)
        assert abs(x.var(dtype=np.float64) / wanted.var() - 1) < 4.5 * spread


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["uniform", "normal", "exponential", "gamma"])
def test_halves(name, dtype):
    """Halves are the float32 numbers rounded; uniform ones are made of fewer bits."""
    draw, wanted = CONTINUOUS[name]
    x = draw({"key": KEY, "dtype": dtype})
    assert x.dtype == getattr(lm, dtype)
    x = x.numpy().astype(np.float64)
    assert abs(x.mean() - wanted.mean()) < 5 * wanted.std() / np.sqrt(N) + 2e-3 * wanted.mean()
    if name != "uniform":
        single = draw({"key": KEY, "dtype": "float32"}).astype(dtype).numpy()
        np.testing.assert_array_equal(x, single.astype(np.float64))


def test_uniform_never_reaches_its_bound():
    for dtype in ("float16", "bfloat16", "float32"):
        for low, high in ((0.0, 1.0), (1000.0, 1001.0), (-3.0, -2.0)):
            u = R.uniform((N,), low, high, dtype=dtype, key=KEY).numpy().astype(np.float64)
            assert low <= u.min() and u.max() < high


def test_tails():
    """At a million numbers: extremes and tail counts of the normal distribution."""
    n = 1_000_000
    x = R.normal((n,), key=KEY).numpy()
    for z in (2.0, 3.0, 4.0, 4.5):
        for side in (x > z, x < -z):
            expected = n * stats.norm.sf(z)
            assert abs(side.sum() - expected) < 4.5 * np.sqrt(expected) + 1
    assert 4.5 < x.max() < 6.7
    assert 4.5 < -x.min() < 6.7


def test_normal_halves_of_a_pair_are_independent():
    x = R.normal((N,), key=KEY).numpy()
    first, second = x[: N // 2], x[N // 2 :]
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / np.sqrt(N / 2)
    assert abs(np.corrcoef(first**2, second**2)[0, 1]) < 4.5 / np.sqrt(N / 2)


def test_complex_normal():
    z = R.normal((N,), 1.0, 2.0, dtype="complex128", key=KEY).numpy()
    assert z.dtype == np.complex128
    assert stats.kstest(z.real, stats.norm(1, np.sqrt(2)).cdf).pvalue > LEVEL
    assert stats.kstest(z.imag, stats.norm(0, np.sqrt(2)).cdf).pvalue > LEVEL
    assert abs(np.corrcoef(z.real, z.imag)[0, 1]) < 4.5 / np.sqrt(N)


def test_gamma_at_the_edges():
    concentrations = np.array([1e-3, 0.3, 1.0, 7.0, 1e8])
    drawn = R.gamma(concentrations, 1.0, (N // 2, 5), dtype="float64", key=KEY).numpy()
    for x, a in zip(drawn.T[1:], concentrations[1:]):
        assert stats.kstest(x, stats.gamma(a).cdf).pvalue > LEVEL, a
    for level in (1e-200, 1e-3, 1.0):  # most of the first are too small for a float
        chance = stats.gamma(1e-3).sf(level)
        spread = np.sqrt(chance * (1 - chance) / (N // 2))
        assert abs((drawn[:, 0] > level).mean() - chance) < 4.5 * spread
    b = R.beta(1e-4, 1e-4, (N,), key=KEY).numpy()
    assert np.isfinite(b).all() and abs(b.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(N)
    d = R.dirichlet([1e-4, 1e-4, 1e-4], (N,), key=KEY).numpy()
    np.testing.assert_allclose(d.sum(-1), 1, 1e-6)
    np.testing.assert_allclose(d.mean(0), 1 / 3, atol=4.5 * 0.48 / np.sqrt(N))


def test_parameters_are_tensors_that_broadcast():
    scale = lm.asarray([0.5, 1.0, 4.0])
    x = R.exponential((20_000, 3), scale, key=KEY).numpy()
    for i, s in enumerate((0.5, 1.0, 4.0)):
        assert stats.kstest(x[:, i], stats.expon(scale=s).cdf).pvalue > LEVEL
    a = R.gamma(lm.asarray([[0.5], [3.0]]), scale, key=KEY)
    assert a.shape == (2, 3)
    u = R.uniform(low=lm.zeros((4,)), high=1.0, key=KEY).numpy()
    assert len(set(u.tolist())) == 4  # a number for each parameter


EMPTY = {
    "uniform": lambda s: R.uniform(s), "normal": lambda s: R.normal(s),
    "truncated_normal": lambda s: R.truncated_normal(s), "gamma": lambda s: R.gamma(1.0, shape=s),
    "poisson": lambda s: R.poisson(50.0, s), "binomial": lambda s: R.binomial(99, 0.5, s),
    "randint": lambda s: R.randint(0, 5, s), "bernoulli": lambda s: R.bernoulli(0.5, s),
    "categorical": lambda s: R.categorical([0.0, 1.0], s), "choice": lambda s: R.choice(3, s),
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 1)])
def test_any_shape(name, shape):
    assert EMPTY[name](shape).numpy().shape == shape


def test_derivatives_of_reparameterised_numbers():
    draws = {
        "normal": lambda m, s: R.normal((50,), m, s, key=KEY, dtype="float64"),
        "uniform": lambda m, s: R.uniform((50,), m, m + s, key=KEY, dtype="float64"),
        "laplace": lambda m, s: R.laplace((50,), m, s, key=KEY, dtype="float64"),
        "gumbel": lambda m, s: R.gumbel((50,), m, s, key=KEY, dtype="float64"),
        "truncated": lambda m, s: R.truncated_normal(
            (50,), -1.0, 3.0, m, s, key=KEY, dtype="float64"
        ),
        "weibull": lambda m, s: R.weibull(m, s, (50,), key=KEY, dtype="float64"),
    }
    m, s, h = lm.asarray(np.array(0.7)), lm.asarray(np.array(1.3)), 1e-6
    for name, draw in draws.items():
        got = lm.grad(lambda m, s, draw=draw: lm.sum(draw(m, s)), argnums=(0, 1))(m, s)
        by_m = (draw(m + h, s).numpy() - draw(m - h, s).numpy()).sum() / (2 * h)
        by_s = (draw(m, s + h).numpy() - draw(m, s - h).numpy()).sum() / (2 * h)
        np.testing.assert_allclose([float(g) for g in got], [by_m, by_s], 1e-6, err_msg=name)
    scale = lm.grad(lambda s: lm.sum(R.gamma(2.0, s, (50,), key=KEY)))(lm.asarray(1.5))
    np.testing.assert_allclose(float(scale), R.gamma(2.0, 1.0, (50,), key=KEY).numpy().sum(), 1e-5)


@pytest.mark.parametrize("a", [0.05, 0.9, 2.0, 1e4])
def test_gamma_varies_with_its_concentration(a):
    """At the same place of the distribution, by SciPy's inverses."""
    concentrations, h = lm.asarray(np.full(50, a)), 1e-5 * a
    draw = lambda c: R.gamma(c, key=KEY, dtype="float64")
    x = draw(concentrations).numpy()
    lower, upper = special.gammainc(a, x), special.gammaincc(a, x)
    at = lambda b: np.where(
        lower < 0.5, special.gammaincinv(b, lower), special.gammainccinv(b, upper)
    )
    slope = (np.log(at(a + h)) - np.log(at(a - h))) / (2 * h)
    got = lm.grad(lambda c: lm.sum(lm.log(draw(c))))(concentrations).numpy()
    known = x > 1e-290
    np.testing.assert_allclose(got[known], slope[known], 1e-6)
    assert np.isfinite(got).all()


ERRORS = {
    "dtype": (
        lambda: R.uniform((2,), dtype="int32"),
        "uniform: int32 is not floating\n  dtype: int32\n"
        "  takes: float16, bfloat16, float32, float64\n"
        "  help: draw floating numbers and cast them\n",
    ),
    "scale": (
        lambda: R.normal((2,), 0.0, -1.0),
        "normal: std is outside its range\n  std: -1.0\n  range: [0, inf)\n"
        "  help: check the parameter\n",
    ),
    "concentration": (
        lambda: R.gamma(0.0),
        "gamma: concentration is outside its range\n  concentration: 0.0\n  range: (0, inf)\n"
        "  help: check the parameter\n",
    ),
    "shape": (
        lambda: R.exponential((4,), lm.ones((3,))),
        "exponential: the parameters do not broadcast to the shape\n  parameters: (3,)\n"
        "  shape: (4,)\n  help: leave the shape out to have one number for each parameter\n",
    ),
    "complex": (
        lambda: R.normal((1,), lm.asarray([1j])),
        "normal: parameters are real numbers\n  parameter: c64[1]\n  takes: float, int, uint\n"
        "  help: cast it, or take its real part\n",
    ),
    "dirichlet": (
        lambda: R.dirichlet(1.0),
        "dirichlet: the concentrations have no axis\n  concentration: f32[]\n"
        "  help: give one number for each part, as in dirichlet([1.0, 1.0])\n",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    draw, message = ERRORS[name]
    with pytest.raises(lm.LaminaError) as caught:
        draw()
    assert str(caught.value).startswith(message)
