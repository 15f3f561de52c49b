"""Counts: geometric, Poisson, binomial, multinomial numbers.

Poisson and binomial numbers are found by inversion: the smallest k whose distribution function F(k)
exceeds a uniform number of 53 bits. Small means sum the probabilities from 0. For others F comes
from the incomplete gamma or beta function, a few steps below where an expansion of the quantile
says, and the probabilities are added from there. Nothing loops for long, so the same program serves
all parameters; F is right to about 1e-12. Counts have no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError
from lamina.tensor.conversion import asarray, cast, full_of, sizes_of
from lamina.tensor.namespace.elementwise import (
    ceil,
    exp,
    floor,
    log1p,
    maximum,
    minimum,
    sqrt,
    where,
)
from lamina.tensor.namespace.manipulation import concat, expand_dims, reshape, stack
from lamina.tensor.promotion import broadcast_to, is_number
from lamina.tensor.random.generator import next_key
from lamina.tensor.random.inverse import Key
from lamina.tensor.random.keys import Shape, split
from lamina.tensor.random.parameters import integral, placed, require
from lamina.tensor.random.units import exponential_unit, unit
from lamina.tensor.special import ndtri
from lamina.tensor.special.incomplete import beta_front, beta_parts, gamma_front, gamma_parts
from lamina.tensor.tensor import Tensor

SMALL_MEAN = 10.0
STEPS_FROM_ZERO = 56  # a Poisson number of mean 10 exceeds it with probability 1e-22
BELOW, ABOVE = 5, 9  # steps around the expansion of the quantile
LARGEST = 2.0**62


def geometric(
    p: Any, shape: Shape | None = None, *, dtype: Any = dtypes.int64, key: Key = None
) -> Tensor:
    """How often one tries until success: k = 1, 2, ... with probability (1 - p)^(k - 1) p.

    Args:
        p: probability of success, in (0, 1].
        shape: of the result; that of `p` when None.
        dtype: an integer type.
        key: where they come from; the default generator when None.

    Example:
        >>> geometric(1.0).item()
        1

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", X.2.
    """
    require("geometric", "p", p, 0, 1, above=True)
    sizes, chosen, wide, parameters = _counted("geometric", shape, dtype, p)
    wait = exponential_unit(next_key(key), sizes, wide)
    tries = ceil(wait / -log1p(-(wait * 0.0 + parameters[0])))
    return cast(minimum(maximum(tries, 1.0), LARGEST), chosen)


def _counted(name: str, shape: Any, dtype: Any, *parameters: Any) -> Any:
    return placed(name, shape, parameters, dtypes.float64, integral(name, dtype))


def poisson(
    mean: Any, shape: Shape | None = None, *, dtype: Any = dtypes.int64, key: Key = None
) -> Tensor:
    """Counts k with probability mean^k exp(-mean) / k!.

    Args:
        mean: from 0 up to 2^53; a number, or a tensor that broadcasts to `shape`.
        shape: of the result; that of `mean` when None.
        dtype: an integer type.
        key: where they come from; the default generator when None.

    Example:
        >>> poisson(0.0).item()
        0

    Source: inversion, Devroye 1986, "Non-Uniform Random Variate Generation", X.3; see the module.
    """
    require("poisson", "mean", mean, 0, 2.0**53)
    sizes, chosen, wide, parameters = _counted("poisson", shape, dtype, mean)
    u = unit(next_key(key), sizes, wide)
    lam = broadcast_to(asarray(parameters[0], dtype=wide), sizes)
    small = lambda: _from_zero(u, exp(-_small(lam)), lambda k: _small(lam) / (k + 1.0))
    large = lambda: _large_poisson(u, maximum(lam, SMALL_MEAN))
    return cast(_by_mean(parameters[0], lam, small, large), chosen)


def _small(mean: Tensor) -> Tensor:
    return minimum(mean, SMALL_MEAN)


def _by_mean(
    parameter: Any, mean: Tensor, small: Callable[[], Tensor], large: Callable[[], Tensor]
) -> Tensor:
    """What suits the mean: decided now if it is a Python number, else for each element."""
    if is_number(parameter):
        return small() if parameter < SMALL_MEAN else large()
    return where(mean < SMALL_MEAN, small(), large())


def _from_zero(u: Tensor, first: Tensor, ratio: Callable[[float], Tensor]) -> Tensor:
    """The smallest k with F(k) > u, from the probability of 0 and those of k + 1 over k."""
    return _counting(u, 0.0 * u, first, lambda k: ratio(float(k)), STEPS_FROM_ZERO)


def _counting(
    u: Tensor, reached: Tensor, probability: Tensor, ratio: Callable[[int], Tensor], steps: int
) -> Tensor:
    """How many of the next `steps` values have a distribution function of at most u."""
    found = 0.0 * u
    for k in range(steps):
        reached = reached + probability
        found = found + cast(u >= reached, u.dtype)
        if k + 1 < steps:
            probability = probability * ratio(k)
    return found


def _expanded(u: Tensor, mean: Tensor, deviation: Tensor, skewness: Tensor) -> Tensor:
    """The quantile of u by its expansion in normal quantiles (Cornish and Fisher 1938)."""
    z = ndtri(u + 2.0**-54)
    third = (skewness * skewness) * (z * (2.0 * z * z - 5.0)) * (-1.0 / 36.0)
    third = third + (skewness * skewness) * (z * (z * z - 3.0)) * (1.0 / 24.0)
    return mean + deviation * (z + skewness * (z * z - 1.0) * (1.0 / 6.0) + third)


def _large_poisson(u: Tensor, mean: Tensor) -> Tensor:
    guess = _expanded(u, mean, sqrt(mean), 1.0 / sqrt(mean))
    start = maximum(floor(guess) - BELOW, 0.0)
    below, part = gamma_parts(maximum(start, 1.0), mean)  # F(start - 1) = Q(start, mean)
    reached = where(start > 0.0, where(below, 1.0 - part, part), 0.0)
    probability = gamma_front(start + 1.0, mean) / mean
    ratio = lambda k: mean / (start + (k + 1.0))
    return start + _counting(u, reached, probability, ratio, BELOW + ABOVE)


def binomial(
    n: Any, p: Any, shape: Shape | None = None, *, dtype: Any = dtypes.int64, key: Key = None
) -> Tensor:
    """Successes among n trials: k with probability n! / (k! (n - k)!) p^k (1 - p)^(n - k).

    Args:
        n: whole numbers from 0 up to 2^53.
        p: probability of success.
        shape: of the result; that of the parameters when None.
        dtype: an integer type.
        key: where they come from; the default generator when None.

    Example:
        >>> binomial(5, 1.0).item()
        5

    Source: inversion, Devroye 1986, "Non-Uniform Random Variate Generation", X.4; see the module.
    """
    require("binomial", "n", n, 0, 2.0**53)
    require("binomial", "p", p, 0, 1)
    sizes, chosen, wide, parameters = _counted("binomial", shape, dtype, n, p)
    u = unit(next_key(key), sizes, wide)
    trials, chance = (broadcast_to(asarray(x, dtype=wide), sizes) for x in parameters)
    return cast(_binomial(u, trials, chance, _mean_of(n, p)), chosen)


def _mean_of(n: Any, p: Any) -> float | None:
    return n * min(p, 1 - p) if is_number(n) and is_number(p) else None


def _binomial(u: Tensor, n: Tensor, p: Tensor, known: float | None = None) -> Tensor:
    flipped = p > 0.5
    q = where(flipped, 1.0 - p, p)  # the smaller of both probabilities
    mean = n * q
    odds = q / (1.0 - q)
    small_odds = where(mean < SMALL_MEAN, odds, 0.0)
    small = lambda: _from_zero(
        u, exp(n * log1p(-minimum(q, 0.5))), lambda k: small_odds * maximum(n - k, 0.0) / (k + 1.0)
    )
    large = lambda: _large_binomial(u, maximum(n, 20.0), where(mean < SMALL_MEAN, 0.5, q))
    found = minimum(_by_mean(known, mean, small, large), n)
    return where(flipped, n - found, found)


def _large_binomial(u: Tensor, n: Tensor, p: Tensor) -> Tensor:
    rest = 1.0 - p
    deviation = sqrt(n * p * rest)
    guess = _expanded(u, n * p, deviation, (rest - p) / deviation)
    start = minimum(maximum(floor(guess) - BELOW, 0.0), n - 1.0)
    # F(start - 1) = I(n - start + 1, start, 1 - p)
    below, part = beta_parts(n - start + 1.0, maximum(start, 1.0), rest, p)
    reached = where(start > 0.0, where(below, part, 1.0 - part), 0.0)
    probability = beta_front(n - start, start + 1.0, rest, p) / ((n - start) * p)
    ratio = lambda k: p / rest * maximum(n - start - k, 0.0) / (start + (k + 1.0))
    return start + _counting(u, reached, probability, ratio, BELOW + ABOVE)


def multinomial(
    n: Any, p: Any, shape: Shape | None = None, *, dtype: Any = dtypes.int64, key: Key = None
) -> Tensor:
    """How often each category comes in n draws.

    The draws are split in two halves of the categories by a binomial number, these again, and so
    on: log2(N) rounds.

    Args:
        n: whole numbers, or a tensor [*B] of them.
        p: weights of the categories along the last axis, not necessarily of sum 1.
        shape: what stands before the axis of categories; [*B] when None.
        dtype: an integer type.
        key: where they come from; the default generator when None.

    Shapes: `n: [*B], p: [*B, N] -> [*B, N]`, or `[*shape, N]`

    Raises:
        ShapeError: there are no categories.

    Example:
        >>> multinomial(7, [0.5, 0.25, 0.25]).sum().item()
        7

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", XI.1.
    """
    weights = asarray(p)
    if not weights.ndim or not weights.shape[-1]:
        raise ShapeError(
            "multinomial: there are no categories",
            [f"p: {weights.type}"],
            "the last axis holds one weight for each category",
        )
    require("multinomial", "n", n, 0, 2.0**53)
    count = weights.shape[-1]
    draws = asarray(n)
    sizes = None if shape is None else (*sizes_of(shape), count)
    found = _counted("multinomial", sizes, dtype, expand_dims(draws, axis=-1), weights)
    sizes, chosen, wide, (draws, weights) = found
    levels = max(count - 1, 0).bit_length()
    padded = _padded(broadcast_to(weights, sizes), 2**levels)
    totals = [padded]
    for _ in range(levels):
        totals.append(totals[-1][..., 0::2] + totals[-1][..., 1::2])
    counts = broadcast_to(draws, (*sizes[:-1], 1))
    keys = split(next_key(key), max(levels, 1))
    for level in range(levels):
        left, both = totals[levels - 1 - level][..., 0::2], totals[levels - level]
        chance = where(both > 0.0, left / where(both > 0.0, both, 1.0), 0.0)
        taken = _binomial(unit(keys[level], counts.shape, wide), counts, minimum(chance, 1.0))
        pair = stack([taken, counts - taken], axis=-1)
        counts = reshape(pair, (*counts.shape[:-1], 2 * counts.shape[-1]))
    return cast(counts[..., :count], chosen)


def _padded(weights: Tensor, size: int) -> Tensor:
    """Weights of 0 behind the others."""
    missing = size - weights.shape[-1]
    if not missing:
        return weights
    zeros = broadcast_to(full_of(0.0, weights.dtype, ()), (*weights.shape[:-1], missing))
    return concat([weights, zeros], axis=-1)
