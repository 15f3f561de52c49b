"""Special functions against SciPy: values, edges, dtypes, derivatives, transforms, errors."""

import numpy as np
import pytest
from scipy import special

import lamina as lm

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
RNG = np.random.default_rng(0)
EDGES = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan]
LINE = np.concatenate([RNG.normal(size=800) * 3, RNG.normal(size=200) * 40, EDGES])
UNIT = np.concatenate(
    [RNG.uniform(size=800), 10.0 ** -RNG.uniform(0, 300, 100), [-1.0, 2.0], EDGES]
)
POSITIVE = np.concatenate([RNG.exponential(size=800) * 5, 10.0 ** RNG.uniform(-8, 8, 200)])
ONE = {
    **dict.fromkeys(("ndtr", "log_ndtr", "i0e", "i1e", "expit", "log_expit", "erf", "erfc"), LINE),
    **dict.fromkeys(("i0", "i1"), LINE),
    **dict.fromkeys(("ndtri", "logit", "entr", "erfinv"), UNIT),
    **dict.fromkeys(("gammaln", "digamma"), POSITIVE),
}


def close(got, want, rtol):
    np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol, 1e-300)


@pytest.mark.parametrize("name", ONE)
def test_one_number(name):
    x = ONE[name]
    f, wanted = getattr(lm.special, name), getattr(special, name)
    close(f(lm.asarray(x)).numpy(), wanted(x), 1e-11)
    single = x.astype(np.float32)
    got = lm.jit(f)(lm.asarray(single))
    assert got.dtype == lm.float32
    want = wanted(single.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got.numpy(), want, 2.5e-7, 1e-37)


def test_softplus_and_erfcinv():
    x = LINE[np.abs(LINE) < 700]
    close(lm.special.softplus(lm.asarray(x)).numpy(), np.log1p(np.exp(x)), 1e-14)
    q = np.concatenate([RNG.uniform(0, 2, 300), 10.0 ** -RNG.uniform(0, 300, 100)])
    close(special.erfc(lm.special.erfcinv(lm.asarray(q)).numpy()), q, 1e-11)


def test_two_numbers():
    a, b = RNG.exponential(size=(2, 900)) * 5 + 1e-3
    x = np.concatenate([RNG.uniform(size=880), np.zeros(20)])
    pairs = {
        "betaln": (a, b, 1e-11),
        "xlogy": (x, a, 1e-14),
        "xlog1py": (x, a, 1e-14),
        "zeta": (1 + a, b, 1e-13),
    }
    for name, (u, v, rtol) in pairs.items():
        want = getattr(special, name)(u, v)
        got = getattr(lm.special, name)(lm.asarray(u), lm.asarray(v)).numpy()
        np.testing.assert_allclose(got, want, rtol, 1e-13)
    assert lm.special.xlogy(0.0, np.array([0.0, np.nan])).numpy()[0] == 0
    assert np.isnan(lm.special.xlogy(0.0, np.array([0.0, np.nan])).numpy()[1])


def test_zeta_at_its_edges():
    s, q = np.array([1.0, 0.5, 2, 2, 2, np.nan]), np.array([1.0, 1, 0, -3, -0.5, 1])
    got = lm.special.zeta(lm.asarray(s), lm.asarray(q)).numpy()
    np.testing.assert_array_equal(got, [np.inf, np.nan, np.inf, np.inf, np.nan, np.nan])


@pytest.mark.parametrize("n", [0, 1, 2, 6])
def test_polygamma(n):
    x = POSITIVE[POSITIVE < 1e6]
    got = lm.special.polygamma(n, lm.asarray(x)).numpy()
    np.testing.assert_allclose(got, special.polygamma(n, x), 1e-12, 1e-14)
    if n == 1:
        x = -RNG.uniform(0.1, 9.9, 50)
        reflected = np.pi**2 / np.sin(np.pi * x) ** 2 - special.polygamma(1, 1 - x)
        close(lm.special.polygamma(1, lm.asarray(x)).numpy(), reflected, 1e-10)


def gamma_points():
    a = 10.0 ** RNG.uniform(-3, 3, 2000)
    x = a * np.exp(RNG.normal(size=2000) * RNG.choice([0.01, 0.3, 2], 2000))
    large = 10.0 ** RNG.uniform(3, 8, 500)  # within what SciPy itself sums exactly
    near = large + np.sqrt(large) * RNG.normal(size=500).clip(-4.2, 4.2)
    return np.concatenate([a, large]), np.concatenate([x, near])


def test_incomplete_gamma():
    a, x = gamma_points()
    both = lm.jit(lambda a, x: (lm.special.gammainc(a, x), lm.special.gammaincc(a, x)))
    lower, upper = both(lm.asarray(a), lm.asarray(x))
    close(lower.numpy(), special.gammainc(a, x), 1e-11)
    close(upper.numpy(), special.gammaincc(a, x), 1e-11)
    a, x = np.array([(0, 1), (1, 0), (0, 0), (np.inf, 1), (1, np.inf), (-1, 1), (1, -1)]).T
    lower, upper = both(lm.asarray(a), lm.asarray(x))
    np.testing.assert_array_equal(lower.numpy(), special.gammainc(a, x))
    np.testing.assert_array_equal(upper.numpy(), special.gammaincc(a, x))


def test_incomplete_beta():
    a, b = 10.0 ** RNG.uniform(-2, 4, (2, 2000))
    x = RNG.beta(a, b).clip(1e-12, 1 - 1e-12)
    f = lm.jit(lm.special.betainc)
    close(f(lm.asarray(a), lm.asarray(b), lm.asarray(x)).numpy(), special.betainc(a, b, x), 2e-11)
    a, b, x = np.array([(1, 2, 0), (1, 2, 1), (0, 1, 0.5), (1, -1, 0.5), (1, 1, 1.5)]).T
    got = f(lm.asarray(a), lm.asarray(b), lm.asarray(x)).numpy()
    np.testing.assert_array_equal(got, [0, 1, np.nan, np.nan, np.nan])


POINTS = {
    "ndtr": [(-3.0,), (0.2,), (2.0,)],
    "ndtri": [(0.01,), (0.4,)],
    "log_ndtr": [(-40.0,), (-3.0,), (0.5,), (3.0,)],
    "i0": [(0.5,), (12.0,)],
    "i1e": [(-0.5,), (12.0,)],
    "logit": [(0.1,), (0.6,)],
    "expit": [(-3.0,), (2.0,)],
    "softplus": [(-3.0,), (2.0,)],
    "entr": [(0.3,)],
    "betaln": [(0.4, 3.0)],
    "zeta": [(2.5, 0.7)],
    "xlogy": [(0.5, 2.0)],
    "gammainc": [(0.3, 0.2), (0.7, 0.9), (3.0, 2.0), (40.0, 44.0)],
    "gammaincc": [(0.3, 0.9), (3.0, 6.0)],
    "betainc": [(0.3, 2.0, 0.1), (3.0, 2.0, 0.7), (30.0, 20.0, 0.55)],
}


@pytest.mark.parametrize("name", POINTS)
def test_derivatives_against_differences(name):
    f = getattr(lm.special, name)
    points = [lm.asarray(np.array(column)) for column in zip(*POINTS[name])]
    h = 1e-5
    for i, x in enumerate(points):
        sum_of = lambda x, i=i: lm.sum(f(*points[:i], x, *points[i + 1 :]))
        step = lambda t, i=i, x=x: f(*points[:i], x + t, *points[i + 1 :]).numpy()
        want = (8 * (step(h) - step(-h)) - (step(2 * h) - step(-2 * h))) / (12 * h)
        np.testing.assert_allclose(lm.grad(sum_of)(x).numpy(), want, 2e-7, 1e-9)


def test_batched_equals_eager():
    a, x = gamma_points()
    a, x = lm.asarray(a[:64].reshape(8, 8)), lm.asarray(x[:64].reshape(8, 8))
    got = lm.vmap(lm.special.gammainc)(a, x).numpy()
    np.testing.assert_array_equal(got, lm.special.gammainc(a, x).numpy())


def test_dtypes_shapes_and_broadcasting():
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        assert lm.special.gammaln(lm.ones((2, 0), dtype=dtype)).shape == (2, 0)
        got = lm.special.ndtr(lm.asarray([0.5], dtype=dtype))
        assert got.dtype == getattr(lm, dtype)
        assert abs(float(got) - 0.69146246) < 4e-3
    assert lm.special.betaln(lm.ones((3, 1)), lm.ones((2,))).shape == (3, 2)
    assert lm.special.gammaln(lm.asarray([3, 4])).dtype == lm.float32


def test_errors():
    with pytest.raises(lm.UsageError) as caught:
        lm.special.polygamma(-1, 1.0)
    assert str(caught.value).startswith(
        "polygamma: the order is a whole number from 0 up\n  order: -1\n"
        "  help: polygamma(1, x) is the first derivative of digamma\n"
    )
    with pytest.raises(lm.DTypeError) as caught:
        lm.special.ndtr(lm.asarray([1j]))
    assert str(caught.value).startswith(
        "ndtr: takes real numbers\n  operand 0: c64[1]\n"
        "  help: give the real and the imaginary part one after the other\n"
    )
