"""The gamma function in logarithms, its derivatives, and the zeta function."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import UsageError
from lamina.graph import ops
from lamina.graph.ir import emit
from lamina.tensor.conversion import cast
from lamina.tensor.namespace.elementwise import floor, where
from lamina.tensor.special.wide import in_float64, reals
from lamina.tensor.tensor import Tensor

# B(2k) / (2k)!
BERNOULLI = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
)


def gammaln(x: Any, /) -> Tensor:
    """log |gamma(x)|; infinite at 0, -1, -2, ...  Shapes: `[*A] -> [*A]`.

    Example:
        >>> gammaln(10.0)
        Tensor(12.801827, shape=(), dtype=float32)

    Source: DLMF 5.2.
    """
    return emit(ops.Lgamma(), *reals("gammaln", x))


def digamma(x: Any, /) -> Tensor:
    """d/dx log gamma(x); infinite at 0, NaN at -1, -2, ...  Shapes: `[*A] -> [*A]`.

    Example:
        >>> digamma(1.0)
        Tensor(-0.5772157, shape=(), dtype=float32)

    Source: DLMF 5.2.
    """
    return emit(ops.Digamma(), *reals("digamma", x))


@in_float64
def betaln(a: Any, b: Any, /) -> Tensor:
    """log |beta(a, b)| = gammaln(a) + gammaln(b) - gammaln(a + b).  Shapes: `[*A], [*A] -> [*A]`.

    Example:
        >>> betaln(2.0, 3.0)
        Tensor(-2.4849067, shape=(), dtype=float32)

    Source: DLMF 5.12.
    """
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def zeta(s: Any, q: Any = 1.0, /) -> Tensor:
    """sum over k >= 0 of (q + k)^-s for s > 1 and q > 0, the zeta function of Hurwitz.

    With q = 1 it is Riemann's. NaN for s < 1 and for negative q that is not whole; infinite at
    s = 1 and at q = 0, -1, -2, ...

    Args:
        s: exponents.
        q: where the sum starts.

    Shapes: `[*A], [*A] -> [*A]`

    Example:
        >>> zeta(2.0)
        Tensor(1.644934, shape=(), dtype=float32)

    Source: DLMF 25.11, by the Euler-Maclaurin formula after twelve terms.
    """
    return _zeta(s, q)


@in_float64
def _zeta(s: Tensor, q: Tensor) -> Tensor:
    inside = (s > 1.0) & (q > 0.0)
    power, start = where(inside, s, 2.0), where(inside, q, 1.0)
    total = start**-power
    for k in range(1, 12):
        total = total + (start + float(k)) ** -power
    end = start + 12.0
    last = end**-power
    total = total + last * end / (power - 1.0) + 0.5 * last
    factor, inverse = power, 1.0 / end
    for k, coefficient in enumerate(BERNOULLI):
        total = total + coefficient * factor * last * inverse
        factor = factor * (power + (2.0 * k + 1.0)) * (power + (2.0 * k + 2.0))
        inverse = inverse / (end * end)
    pole = (s == 1.0) | ((q <= 0.0) & (q == floor(q)) & (s > 1.0))
    return where(inside, total, where(pole, math.inf, math.nan))


def polygamma(n: int, x: Any, /) -> Tensor:
    """The n-th derivative of digamma, (-1)^(n + 1) n! zeta(n + 1, x).

    Args:
        n: 0 (digamma itself), 1, 2, ...
        x: positive; for n below 2 negative too, else NaN.

    Shapes: `x: [*A] -> [*A]`

    Raises:
        UsageError: `n` is no whole number from 0 up.

    Example:
        >>> polygamma(1, 1.0)
        Tensor(1.644934, shape=(), dtype=float32)

    Source: DLMF 5.15.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise UsageError(
            "polygamma: the order is a whole number from 0 up",
            [f"order: {n!r}"],
            "polygamma(1, x) is the first derivative of digamma",
        )
    if n == 0:
        return digamma(x)
    (given,) = reals("polygamma", x)
    if n == 1:
        return cast(_trigamma(given), given.dtype)
    return math.gamma(n + 1) * (-1) ** (n + 1) * zeta(n + 1.0, given)


@in_float64
def _trigamma(x: Tensor) -> Tensor:
    return ops.trigamma(x)
