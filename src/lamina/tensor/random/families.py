"""The gamma distribution and what follows from it: beta, chi-square, Student's t, Dirichlet."""

from __future__ import annotations

import math
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError
from lamina.graph.ir import emit
from lamina.graph.ops import Attach
from lamina.tensor import eager
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.derivatives import jvp
from lamina.tensor.namespace.creation import arange, ones_like
from lamina.tensor.namespace.elementwise import exp, log, maximum, sqrt, stop_gradient, where
from lamina.tensor.namespace.manipulation import reshape
from lamina.tensor.namespace.reductions import argmax
from lamina.tensor.namespace.reductions import max as max_of
from lamina.tensor.namespace.reductions import sum as sum_of
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.random.generator import next_key
from lamina.tensor.random.inverse import Key, moved
from lamina.tensor.random.keys import Shape, split
from lamina.tensor.random.normals import single_normal, standard_normal
from lamina.tensor.random.parameters import plan, require
from lamina.tensor.random.units import exponential_unit
from lamina.tensor.special import digamma
from lamina.tensor.special.incomplete import gamma_front, gamma_parts
from lamina.tensor.tensor import Tensor

PROPOSALS = 8
"""How many are made for each gamma number. All are rejected with a probability of at most
0.049^8 = 3e-11 (for concentration 1, where it is largest); then the first is taken."""


def log_gamma(key: Tensor, concentration: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The logarithm of gamma numbers, which do not vanish for a tiny concentration.

    A number for concentration a + 1, times u^(1/a), has concentration a: taken for a < 1.

    Source: Marsaglia and Tsang 2000, "A simple method for generating gamma variables".
    """
    dtype = concentration.dtype
    a = stop_gradient(broadcast_to(concentration, shape))
    boosted = where(a < 1.0, a + 1.0, a)
    d = boosted - 1.0 / 3.0
    c = 1.0 / sqrt(9.0 * d)
    several = (PROPOSALS, *shape)
    keys = split(key, 3)
    x = single_normal(keys[0], several, dtype)
    cube = (1.0 + c * x) ** 3
    log_cube = log(maximum(cube, 1e-30))
    wait = exponential_unit(keys[1], several, dtype)  # -log(u)
    accepted = (cube > 0.0) & (wait + 0.5 * x * x + d * (1.0 - cube + log_cube) > 0.0)
    first = argmax(cast(accepted, dtypes.int32), axis=0)
    number = reshape(arange(PROPOSALS), (PROPOSALS, *[1] * len(shape)))
    chosen = sum_of(where(number == first, log_cube, 0.0), axis=0)
    boost = exponential_unit(keys[2], shape, dtype) / where(a < 1.0, a, math.inf)
    found = stop_gradient(log(d) + chosen - boost)
    if not (concentration.is_traced or eager.transforming()):
        return found  # nobody can ask for a derivative, and the slope costs more than the number
    return emit(Attach(), found, broadcast_to(concentration, shape), _log_slope(a, found))


def _log_slope(a: Tensor, log_x: Tensor) -> Tensor:
    """How log(x) varies with a at one place of the distribution: -(dP/da) / (x dP/dx).

    Source: Figurnov, Mohamed and Mnih 2018, "Implicit reparameterization gradients".
    """
    wide_a, wide_log = cast(a, dtypes.float64), cast(log_x, dtypes.float64)
    vanishing = wide_log < -50.0  # where P = x^a / gamma(a + 1)
    x = exp(where(vanishing, 0.0, wide_log))
    lower, _ = gamma_parts(wide_a, x)
    _, change = jvp(lambda a: gamma_parts(a, x)[1], (wide_a,), (ones_like(wide_a),))
    slope = where(lower, -change, change) / gamma_front(wide_a, x)
    small = (digamma(wide_a + 1.0) - wide_log) / wide_a
    return cast(stop_gradient(where(vanishing, small, slope)), a.dtype)


def gamma(
    concentration: Any,
    scale: Any = 1.0,
    shape: Shape | None = None,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Density x^(a - 1) exp(-x / scale) / (gamma(a) scale^a) for x >= 0, a the concentration.

    Each number takes the first of eight proposals that is accepted; none is with a probability
    below 3e-11, and then the first is taken. There are first derivatives in both parameters; that
    in the concentration, if it is a tensor, is of the number at the same place of the distribution.

    Args:
        concentration: positive.
        scale: positive.
        shape: of the result; that of the parameters when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> gamma(2.0, shape=(2,)).shape
        (2,)

    Source: Marsaglia and Tsang 2000, "A simple method for generating gamma variables".
    """
    require("gamma", "concentration", concentration, 0, above=True)
    require("gamma", "scale", scale, 0)
    p = plan("gamma", shape, dtype, concentration, scale)
    drawn = log_gamma(next_key(key), _tensor(p.parameters[0], p.wide), p.shape)
    return cast(moved(exp(drawn), 0.0, p.parameters[1]), p.dtype)


def _tensor(parameter: Any, dtype: dtypes.DType) -> Tensor:
    return asarray(parameter, dtype=dtype)


def chi2(
    df: Any, shape: Shape | None = None, *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """The sum of `df` squares of normal numbers: gamma(df / 2, scale=2).

    Args:
        df: degrees of freedom, positive and not necessarily whole.
        shape: of the result; that of `df` when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> chi2(3.0, (2,)).shape
        (2,)

    Source: Pearson 1900.
    """
    require("chi2", "df", df, 0, above=True)
    p = plan("chi2", shape, dtype, df)
    drawn = log_gamma(next_key(key), 0.5 * _tensor(p.parameters[0], p.wide), p.shape)
    return cast(2.0 * exp(drawn), p.dtype)


def student_t(
    df: Any, shape: Shape | None = None, *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """x / sqrt(y / df), with x normal and y of chi2(df).

    Args:
        df: degrees of freedom, positive and not necessarily whole.
        shape: of the result; that of `df` when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> student_t(3.0, (2,)).shape
        (2,)

    Source: Student 1908, "The probable error of a mean".
    """
    require("student_t", "df", df, 0, above=True)
    p = plan("student_t", shape, dtype, df)
    half = 0.5 * _tensor(p.parameters[0], p.wide)
    first, second = split(next_key(key))
    x = standard_normal(first, p.shape, p.wide)
    log_spread = log(half) - log_gamma(second, half, p.shape)
    return cast(x * exp(0.5 * log_spread), p.dtype)


def beta(
    a: Any, b: Any, shape: Shape | None = None, *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """Density x^(a - 1) (1 - x)^(b - 1) / beta(a, b) on [0, 1]: x / (x + y) of gamma numbers.

    The logarithms of the gamma numbers are compared, so tiny parameters give no 0 / 0.

    Args:
        a: positive.
        b: positive.
        shape: of the result; that of the parameters when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> beta(2.0, 3.0, (2,)).shape
        (2,)

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", IX.4.
    """
    require("beta", "a", a, 0, above=True)
    require("beta", "b", b, 0, above=True)
    p = plan("beta", shape, dtype, a, b)
    first, second = split(next_key(key))
    x = log_gamma(first, _tensor(p.parameters[0], p.wide), p.shape)
    y = log_gamma(second, _tensor(p.parameters[1], p.wide), p.shape)
    larger = maximum(x, y)
    return cast(exp(x - larger) / (exp(x - larger) + exp(y - larger)), p.dtype)


def dirichlet(
    concentration: Any,
    shape: Shape | None = None,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Probabilities with density proportional to the product of x_i^(a_i - 1).

    Args:
        concentration: the a_i, positive, along the last axis.
        shape: what stands before that axis; that of the concentrations when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Shapes: `concentration: [*B, N] -> [*B, N]`, or `[*shape, N]`

    Raises:
        ShapeError: the concentrations have no axis.

    Example:
        >>> dirichlet([1.0, 2.0, 3.0], (4,)).shape
        (4, 3)

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", XI.4.
    """
    given = asarray(concentration)
    if not given.ndim:
        raise ShapeError(
            "dirichlet: the concentrations have no axis",
            [f"concentration: {given.type}"],
            "give one number for each part, as in dirichlet([1.0, 1.0])",
        )
    sizes = None if shape is None else (*sizes_of(shape), given.shape[-1])
    p = plan("dirichlet", sizes, dtype, given)
    x = log_gamma(next_key(key), p.parameters[0], p.shape)
    part = exp(x - max_of(x, axis=-1, keepdims=True))
    return cast(part / sum_of(part, axis=-1, keepdims=True), p.dtype)
