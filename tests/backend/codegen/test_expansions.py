"""Accuracy of the elementary functions, in units in the last place of the exact result.

f32 is swept over all bit patterns with a stride, against NumPy and SciPy in f64; f64 over random
and special points against mpmath.  `BOUND_F32` and `BOUND_F64` hold what each function promises.
"""

import mpmath
import numpy as np
import pytest
import scipy.special
from lane_kernel import MACHINES, NUMPY, LaneKernel

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

WIDE = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
    "erfinv": lambda x: np.copysign(scipy.special.erfinv(x), x),
    "erfcinv": lambda x: scipy.special.erfcinv(x) + 0.0,  # no -0.0 at 1
    "lgamma": lambda x: np.where(x == -np.inf, np.inf, scipy.special.gammaln(x)),
    "digamma": scipy.special.digamma,
    "sigmoid": scipy.special.expit,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}


def _erfcinv(q: mpmath.mpf) -> mpmath.mpf:
    """Newton's method from the f64 result."""
    y = mpmath.mpf(float(scipy.special.erfcinv(float(q))))
    for _ in range(4):
        y += (mpmath.erfc(y) - q) * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y)
    return y


EXACT = {
    **{name: getattr(mpmath, name) for name in WIDE if hasattr(mpmath, name)},
    "exp2": lambda x: mpmath.power(2, x),
    "log2": lambda x: mpmath.log(x, 2),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "erfcinv": _erfcinv,
    "lgamma": lambda x: mpmath.loggamma(x).real,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
}
THROUGH_F64 = (
    "log10",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "erfc",
    "erfinv",
    "erfcinv",
    "lgamma",
    "digamma",
)
BOUND_F32 = dict.fromkeys(WIDE, 2.0) | dict.fromkeys(THROUGH_F64, 0.51)
BOUND_F64 = dict.fromkeys(WIDE, 2.5) | {
    "tanh": 3.0,
    "tan": 4.0,
    "acosh": 3.0,
    "erfc": 4.0,
    "lgamma": 3.0,
    "digamma": 3.5,
}


def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance of f32 results from f64 references in ulps; inf where a special value differs."""
    rounded = exact.astype(np.float32)
    place = np.maximum(np.frexp(exact)[1] - 24, -149)
    distance = np.abs(got.astype(np.float64) - exact) * np.ldexp(1.0, -place)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    finite = np.isfinite(got) & np.isfinite(rounded)
    return np.where(finite, distance, np.where(same, 0.0, np.inf))


def sweep(stride: int) -> np.ndarray:
    """Every `stride`-th f32, and dense windows around the points where formulas change."""
    every = np.arange(0, 1 << 32, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
    specials = np.array([0, 1, 2, 1e-45, 1.1754944e-38, 3.4028235e38, np.inf, np.nan], np.float32)
    centres = np.array(
        [0.5, 0.6, 0.875, 1.0, np.sqrt(0.5), np.sqrt(2), 2.0, np.pi / 2, np.pi], np.float32
    )
    centres = np.concatenate(
        [centres, np.float32([9.01, 20.0, 87.3, 88.72, 103.9, 104.0, 1e4, 1e5])]
    )
    offsets = np.arange(-500, 500)
    windows = (centres.view(np.int32)[:, None] + offsets).astype(np.int32).view(np.float32).ravel()
    lines = [np.linspace(-110, 110, 100001), np.linspace(-1.5, 1.5, 100001)]
    return np.concatenate([every, specials, -specials, windows, -windows, *lines]).astype(
        np.float32
    )


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("op", WIDE)
def test_f32(op, machine):
    x = sweep(997 if machine == "host" else 9973)
    got = LaneKernel(op, ["f32"], "f32", 16, machine)(x)
    exact = WIDE[op](x.astype(np.float64))
    error = ulps(got, exact)
    worst = np.argmax(error)
    assert error[worst] <= BOUND_F32[op], (x[worst], got[worst], exact[worst], error[worst])
    zero = (x == 0) & (exact == 0)
    assert (np.signbit(got[zero]) == np.signbit(exact[zero])).all()


@pytest.mark.parametrize("width", [1, 4, 8])
@pytest.mark.parametrize("op", WIDE)
def test_every_width_gives_the_same_bits(op, width):
    x = sweep(99991)
    wide = LaneKernel(op, ["f32"], "f32", 16)(x)
    got = LaneKernel(op, ["f32"], "f32", width)(x)
    np.testing.assert_array_equal(got[np.isfinite(wide)], wide[np.isfinite(wide)])
    assert ulps(got, WIDE[op](x.astype(np.float64))).max() <= BOUND_F32[op]


def f64_points(op: str) -> np.ndarray:
    random = np.random.default_rng(7)
    n = 150
    spread = np.ldexp(random.uniform(-1, 1, n), random.integers(-1070, 1020, n))
    middle = np.ldexp(random.uniform(-1, 1, n), random.integers(-40, 40, n))
    near_one = 1 + np.ldexp(random.uniform(-1, 1, n), random.integers(-50, 0, n))
    lines = [random.uniform(-r, r, n) for r in (1, 8, 28, 750)]
    x = np.concatenate([spread, middle, near_one, *lines, np.arange(-50, 51) * np.pi / 4])
    if op in ("exp", "exp2", "expm1", "sinh", "cosh", "erf", "erfc", "tanh", "sigmoid"):
        x = x[np.abs(x) < 1100]  # mpmath works hard on what is plainly 0, 1 or infinite
    if op in ("lgamma", "digamma"):
        x = x[x > 0]  # the zeros of negative x are tested by themselves
    with np.errstate(all="ignore"):
        return x[~np.isnan(WIDE[op](x))]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("op", WIDE)
def test_f64(op, machine):
    x = f64_points(op)
    got = LaneKernel(op, ["f64"], "f64", 8, machine)(x)
    worst = (0.0,)
    with mpmath.workprec(200):
        for point, value in zip(x, got, strict=True):
            if point == 0 and op in ("log", "log2", "log10", "rsqrt", "erfcinv"):
                continue
            exact = EXACT[op](mpmath.mpf(float(point)))
            if np.isinf(value) or np.isinf(float(exact)):
                assert value == float(exact), point
                continue
            place = max(int(np.frexp(float(exact))[1]) - 53, -1074)
            error = float(abs(exact - mpmath.mpf(float(value))) * mpmath.mpf(2) ** -place)
            worst = max(worst, (error, point, value))
    assert worst[0] <= BOUND_F64[op], worst


@pytest.mark.parametrize("width", [1, 8])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("op", WIDE)
def test_special_values(op, dtype, width):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, -2.0], NUMPY[dtype])
    got = LaneKernel(op, [dtype], dtype, width)(x)
    want = WIDE[op](x)
    np.testing.assert_allclose(got, want, rtol=3e-7 if dtype == "f32" else 1e-15)
    zero = want == 0
    assert (np.signbit(got[zero]) == np.signbit(want[zero])).all()


def crossed_specials(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    values = [0.0, 0.5, 1.0, 2.0, 3.0, 2.5, 1e-30, 1e30, np.inf]
    values = np.array([*values, *(-v for v in values), np.nan], NUMPY[dtype])
    a, b = np.meshgrid(values, values)
    return a.ravel(), b.ravel()


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(("op", "reference"), [("power", np.power), ("atan2", np.arctan2)])
def test_two_arguments(op, reference, dtype, machine):
    a, b = crossed_specials(dtype)
    kernel = LaneKernel(op, [dtype, dtype], dtype, 8, machine)
    got, want = kernel(a, b), reference(a, b)
    np.testing.assert_allclose(got, want, rtol=3e-7 if dtype == "f32" else 1e-15)
    zero = want == 0
    assert (np.signbit(got[zero]) == np.signbit(want[zero])).all()
    if dtype == "f32":
        random = np.random.default_rng(3)
        a = np.exp(random.uniform(-20, 20, 200_000)).astype(np.float32)
        b = random.uniform(-9, 9, 200_000).astype(np.float32)
        assert (
            ulps(kernel(a, b), reference(a.astype(np.float64), b.astype(np.float64))).max() <= 0.51
        )


@pytest.mark.parametrize("half", ["f16", "bf16"])
@pytest.mark.parametrize("op", ["exp", "tanh", "sigmoid", "log", "sin"])
def test_halves_round_the_f32_result(op, half):
    x = np.arange(1 << 16, dtype=np.uint16).view(NUMPY[half])
    got = LaneKernel(op, [half], half, 16)(x).astype(np.float32)
    want = LaneKernel(op, ["f32"], "f32", 16)(x.astype(np.float32)).astype(NUMPY[half])
    np.testing.assert_array_equal(got, want.astype(np.float32))


@pytest.mark.parametrize(("op", "scale"), [("lgamma", 1.0), ("digamma", np.pi)])
def test_negative_gamma(op, scale):
    """Errors are small against the terms that the reflection formula subtracts."""
    random = np.random.default_rng(9)
    x = np.concatenate([-random.uniform(0, 30, 400), -np.ldexp(1.0, -np.arange(1, 60, 3))])
    got = LaneKernel(op, ["f64"], "f64", 8)(x)
    with mpmath.workprec(120):
        want = np.array([float(EXACT[op](mpmath.mpf(float(p)))) for p in x])
        away = np.array([float(EXACT[op](1 - mpmath.mpf(float(p)))) for p in x])
    assert (np.abs(got - want) <= 2e-15 * scale * (2 + np.abs(want) + np.abs(away))).all()
    poles = LaneKernel(op, ["f64"], "f64", 8)(-np.arange(1.0, 9.0))
    assert (np.isposinf(poles) if op == "lgamma" else np.isnan(poles)).all()


def test_cosine_never_passes_one():
    x = np.linspace(-1e3, 1e3, 1_000_001).astype(np.float32)
    y = LaneKernel("cos", ["f32"], "f32", 16)(x)
    assert np.abs(y).max() == 1.0


def test_a_huge_neighbour_changes_no_lane():
    x = np.linspace(-3, 3, 8).astype(np.float32)
    kernel = LaneKernel("sin", ["f32"], "f32", 8)
    alone = kernel(x)
    x[3] = 1e30
    assert (np.delete(kernel(x), 3) == np.delete(alone, 3)).all()
