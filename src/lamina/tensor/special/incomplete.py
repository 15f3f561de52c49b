"""The incomplete gamma and beta functions, by one quadrature.

Written in the logarithm v of the variable of integration, the parts of both integrals beyond a
point are exp(h(v)) with h concave and falling: 48 Gauss-Legendre nodes on the length where h falls
by 38 give them to about 1e-13, for any parameters, without a loop whose length depends on them. The
smaller of the two parts is computed and the other is its complement. Parameters below 1 are raised
by 1 first (DLMF 8.8.5, 8.17.20). What stands before the integral is written with x/a - 1, which
keeps its digits for large parameters.

Source: DLMF 8.2 and 8.17 for the integrals; the form is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.elementwise import (
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    sqrt,
    stop_gradient,
    where,
)
from lamina.tensor.namespace.manipulation import expand_dims
from lamina.tensor.namespace.reductions import sum as sum_of
from lamina.tensor.special.gamma import gammaln
from lamina.tensor.special.wide import in_float64, polynomial
from lamina.tensor.tensor import Tensor

NODES, WEIGHTS = (0.5 * a for a in np.polynomial.legendre.leggauss(48))
FALL = 38.0  # exp(-38) is below half a unit in the last place of 1
# (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi)/2) x in powers of 1/x^2: B(2k) / (2k (2k - 1))
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
EULER = 0.5772156649015329
ZETA_3, ZETA_5 = 1.2020569031595942, 1.03692775514337


@in_float64
def gammainc(a: Any, x: Any, /) -> Tensor:
    """P(a, x) = 1/gamma(a) times the integral of t^(a - 1) exp(-t) from 0 to x.

    NaN unless a >= 0 and x >= 0. It is the distribution function of gamma(a).

    Args:
        a: the parameter.
        x: where the integral ends.

    Shapes: `[*A], [*A] -> [*A]`

    Example:
        >>> gammainc(2.0, 1.0)
        Tensor(0.26424113, shape=(), dtype=float32)

    Source: DLMF 8.2.4.
    """
    lower, part = gamma_parts(a, x)
    return _at_the_edges(a, x, where(lower, part, 1.0 - part), 0.0, 1.0)


@in_float64
def gammaincc(a: Any, x: Any, /) -> Tensor:
    """Q(a, x) = 1 - gammainc(a, x), exact where it is tiny.

    Args:
        a: the parameter.
        x: where the integral starts.

    Shapes: `[*A], [*A] -> [*A]`

    Example:
        >>> gammaincc(2.0, 30.0)
        Tensor(2.9008631e-12, shape=(), dtype=float32)

    Source: DLMF 8.2.4.
    """
    lower, part = gamma_parts(a, x)
    return _at_the_edges(a, x, where(lower, 1.0 - part, part), 1.0, 0.0)


def _at_the_edges(a: Tensor, x: Tensor, inside: Tensor, at_zero: float, at_end: float) -> Tensor:
    """`inside`, and the limits for x = 0, x = inf, a = 0 and a = inf."""
    result = where((x == 0.0) | (a == math.inf), at_zero, inside)
    result = where((x == math.inf) | ((a == 0.0) & (x > 0.0)), at_end, result)
    outside = ~((a >= 0.0) & (x >= 0.0)) | ((a == x) & ((a == math.inf) | (a == 0.0)))
    return where(outside, math.nan, result)


def gamma_parts(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Whether x is below a, and then P(a, x), else Q(a, x)."""
    usable = (a > 0.0) & (x > 0.0) & (a < math.inf) & (x < math.inf)
    a, x = where(usable, a, 1.0), where(usable, x, 1.0)
    lower = x < a
    raised = lower & (a < 1.0)
    order = where(raised, a + 1.0, a)
    length = _gamma_length(stop_gradient(order), stop_gradient(x))
    side = where(lower, -1.0, 1.0)
    inside = _falling(
        lambda v, a, x, side: a * side * v - x * expm1(side * v), length, order, x, side
    )
    part = gamma_front(a, x) * where(raised, (1.0 + x * inside) / a, inside)
    by_series = (x < 1.0) & ~lower
    near_zero = _upper_series(where(by_series, a, 0.5), where(by_series, x, 0.5))
    return lower, where(by_series, near_zero, part)


def gamma_front(a: Tensor, x: Tensor) -> Tensor:
    """x^a exp(-x) / gamma(a) for positive a and x: x times the density of gamma(a)."""
    level = a * _log_less(x / a, (x - a) / a) - _stirling_rest(a)
    return sqrt(a / (2.0 * math.pi)) * exp(level)


def _gamma_length(a: Tensor, x: Tensor) -> Tensor:
    """A length on which a v - x (exp(v) - 1) falls by `FALL` on the chosen side of 0."""
    gap = abs(a - x)
    down = 2.0 * FALL / (gap + sqrt(gap * gap + (4.0 / 3.0 * FALL) * x))
    down = where(down <= 1.0, down, (FALL + x) / a)
    up = 2.0 * FALL / (gap + sqrt(gap * gap + 2.0 * FALL * x))
    up = where(up > 2.0, minimum(up, maximum(2.0, log(2.0 * FALL / x))), up)
    return where(x < a, down, up)


def _falling(exponent: Callable[..., Tensor], length: Tensor, *parameters: Tensor) -> Tensor:
    """The integral of exp(exponent(v, ...)) over v from 0 to `length`."""
    wide = [expand_dims(p, axis=-1) for p in parameters]
    v = expand_dims(length, axis=-1) * asarray(NODES + 0.5)
    return length * sum_of(exp(exponent(v, *wide)) * asarray(WEIGHTS), axis=-1)


def _log_less(ratio: Tensor, excess: Tensor) -> Tensor:
    """log(ratio) - excess, exact near 1; `excess` is ratio - 1."""
    near = abs(excess) < 0.35
    inside = where(near, excess, 0.0)
    r = inside / (2.0 + inside)
    odd = polynomial(r * r, tuple(2.0 / (2 * k + 3) for k in range(11)))
    return where(near, r * (r * r * odd - inside), log(where(near, 1.0, ratio)) - excess)


def _stirling_rest(x: Tensor) -> Tensor:
    """gammaln(x) - (x - 1/2) log(x) + x - log(2 pi)/2."""
    large = x >= 10.0
    inverse = 1.0 / where(large, x, 10.0)
    series = inverse * polynomial(inverse * inverse, STIRLING)
    small = where(large, 1.0, x)
    direct = gammaln(small) - (small - 0.5) * log(small) + small - HALF_LOG_TWO_PI
    return where(large, series, direct)


def _gammaln_from_one(a: Tensor) -> Tensor:
    """gammaln(1 + a), exact near 0."""
    series = polynomial(
        a, (0.0, -EULER, math.pi**2 / 12, -ZETA_3 / 3, math.pi**4 / 360, -ZETA_5 / 5)
    )
    return where(a < 1e-3, series, gammaln(1.0 + a))


def _upper_series(a: Tensor, x: Tensor) -> Tensor:
    """Q(a, x) for a <= x < 1, by the series of P without its first term (DLMF 8.7.1)."""
    level = a * log(x) - _gammaln_from_one(a)
    total, term = 0.0 * x, -x
    for n in range(1, 19):
        total = total + term / (a + float(n))
        term = term * x * (-1.0 / (n + 1.0))
    return -expm1(level) - a * exp(level) * total


@in_float64
def betainc(a: Any, b: Any, x: Any, /) -> Tensor:
    """I(a, b, x) = 1/beta(a, b) times the integral of t^(a - 1) (1 - t)^(b - 1) from 0 to x.

    NaN unless a > 0, b > 0 and 0 <= x <= 1. It is the distribution function of beta(a, b).

    Args:
        a: the first parameter.
        b: the second parameter.
        x: where the integral ends.

    Shapes: `[*A], [*A], [*A] -> [*A]`

    Example:
        >>> betainc(2.0, 3.0, 0.5)
        Tensor(0.6875, shape=(), dtype=float32)

    Source: DLMF 8.17.
    """
    lower, part = beta_parts(a, b, x, 1.0 - x)
    result = where(x <= 0.0, 0.0, where(x >= 1.0, 1.0, where(lower, part, 1.0 - part)))
    return where((a > 0.0) & (b > 0.0) & (x >= 0.0) & (x <= 1.0), result, math.nan)


def beta_parts(a: Tensor, b: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Whether x is below a/(a + b), and then I(a, b, x), else its complement; y is 1 - x."""
    usable = (a > 0.0) & (b > 0.0) & (x > 0.0) & (y > 0.0)
    a, b, x, y = (where(usable, n, r) for n, r in ((a, 1.0), (b, 1.0), (x, 0.5), (y, 0.5)))
    lower = x * (a + b) < a
    a, b = where(lower, a, b), where(lower, b, a)
    x, y = where(lower, x, y), where(lower, y, x)
    whole = a + b
    raised = a < 1.0
    order = where(raised, a + 1.0, a)
    length = _beta_length(*map(stop_gradient, (order, b, x, y)))
    inside = _falling(
        lambda v, a, b, x: -a * v - (a + b) * log1p(x * expm1(-v)), length, order, b, x
    )
    factor = where(raised, (1.0 + whole * x * inside) / a, inside)
    return lower, beta_front(a, b, x, y) * factor


def beta_front(a: Tensor, b: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x^a y^b / beta(a, b) for positive parameters and y = 1 - x."""
    whole = a + b
    excess = x * whole - a  # x - a/(a + b), times a + b
    level = a * _log_less(x * whole / a, excess / a) + b * _log_less(y * whole / b, -excess / b)
    level = level + _stirling_rest(whole) - _stirling_rest(a) - _stirling_rest(b)
    return sqrt(a * b / (2.0 * math.pi * whole)) * exp(level)


def _beta_length(a: Tensor, b: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """A length on which a v + (a + b) log(1 + x (exp(-v) - 1)) grows by `FALL`."""
    gap = abs(a - (a + b) * x)
    bend = (a + b) * x * y
    short = 2.0 * FALL / (gap + sqrt(gap * gap + (4.0 / 3.0 * FALL) * bend))
    return where(short <= 1.0, short, (FALL - (a + b) * log(y)) / a)
