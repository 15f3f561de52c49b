"""Normal numbers and what follows from them directly.

All have derivatives in their parameters, by the reparameterisation x = f(parameters, u).
"""

from __future__ import annotations

import math
from typing import Any

from lamina.base import dtypes
from lamina.graph.ir import emit
from lamina.graph.ops import MakeComplex
from lamina.tensor.conversion import cast
from lamina.tensor.namespace.elementwise import cos, exp, maximum, minimum, sin, sqrt, where
from lamina.tensor.namespace.manipulation import concat, reshape
from lamina.tensor.random.generator import next_key
from lamina.tensor.random.inverse import Key, is_just, moved
from lamina.tensor.random.keys import Shape, split
from lamina.tensor.random.parameters import plan, require
from lamina.tensor.random.units import exponential_unit, positive_unit, unit
from lamina.tensor.special import ndtr, ndtri
from lamina.tensor.tensor import Tensor


def normal(
    shape: Shape | None = None,
    mean: Any = 0.0,
    std: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Numbers of the normal distribution, by sqrt(-2 log u) (cos, sin)(2 pi v).

    Of a complex dtype, the real and the imaginary part are independent and have half of the
    variance each.

    Args:
        shape: of the result; that of the parameters when None.
        mean: real.
        std: the standard deviation.
        dtype: floating or complex.
        key: where they come from; the default generator when None.

    Example:
        >>> normal((2,)).shape
        (2,)

    Source: Box and Muller 1958, "A note on the generation of random normal deviates".
    """
    require("normal", "std", std, 0)
    chosen = dtypes.dtype(dtype)
    p = plan("normal", shape, chosen.part, mean, std)
    mean, std = p.parameters
    drawn = next_key(key)
    if not chosen.is_complex:
        return cast(moved(standard_normal(drawn, p.shape, p.wide), mean, std), p.dtype)
    both = standard_normal(drawn, (2, *p.shape), p.wide) * math.sqrt(0.5)
    re, im = moved(both[0], 0.0, std), moved(both[1], 0.0, std)
    return emit(MakeComplex(), moved(re, mean, 1.0), im)


def standard_normal(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    """Normal numbers of mean 0 and deviation 1: the two of a pair are half of the tensor apart."""
    count = math.prod(shape)
    half = (count + 1) // 2
    first, second = split(key)
    radius = sqrt(2.0 * exponential_unit(first, (half,), dtype))
    angle = unit(second, (half,), dtype) * (2.0 * math.pi)
    both = concat([radius * cos(angle), radius * sin(angle)])
    return reshape(both if 2 * half == count else both[:count], shape)


def single_normal(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    """Normal numbers of which each has a pair of words of its own: they fuse with what follows."""
    first, second = split(key)
    radius = sqrt(2.0 * exponential_unit(first, shape, dtype))
    return radius * cos(unit(second, shape, dtype) * (2.0 * math.pi))


def lognormal(
    shape: Shape | None = None,
    mean: Any = 0.0,
    sigma: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """exp(x), with x normal.

    Args:
        shape: of the result; that of the parameters when None.
        mean: of x.
        sigma: the standard deviation of x.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> lognormal((2,)).shape
        (2,)

    Source: Galton 1879.
    """
    require("lognormal", "sigma", sigma, 0)
    p = plan("lognormal", shape, dtype, mean, sigma)
    drawn = standard_normal(next_key(key), p.shape, p.wide)
    return cast(exp(moved(drawn, *p.parameters)), p.dtype)


def truncated_normal(
    shape: Shape | None = None,
    low: Any = -2.0,
    high: Any = 2.0,
    mean: Any = 0.0,
    std: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Normal numbers that lie in [low, high], by the inverse of the distribution function.

    An interval far out in a tail keeps its digits: it is taken on the left side of the mean.

    Args:
        shape: of the result; that of the parameters when None.
        low: smallest number.
        high: largest number.
        mean: before the others are cut off.
        std: before the others are cut off.
        dtype: floating.
        key: where they come from; the default generator when None.

    Shapes: `-> [*shape]`

    Example:
        >>> bool((abs(truncated_normal((100,))) <= 2.0).all())
        True

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", II.2.
    """
    require("truncated_normal", "std", std, 0, above=True)
    p = plan("truncated_normal", shape, dtype, low, high, mean, std, wide=dtypes.float64)
    low, high, mean, std = p.parameters
    u = positive_unit(next_key(key), p.shape, p.dtype if p.dtype.bits == 64 else dtypes.float32)
    u = cast(u, p.wide)
    left, right = u * 0.0 + (low - mean) / std, u * 0.0 + (high - mean) / std
    flipped = left > 0.0
    left, right = where(flipped, -right, left), where(flipped, -left, right)
    start, end = ndtr(left), ndtr(right)
    z = ndtri(start + u * (end - start))
    z = minimum(maximum(z, left), right)
    found = cast(moved(where(flipped, -z, z), mean, std), p.dtype)
    if is_just(low, -math.inf) and is_just(high, math.inf):
        return found
    return minimum(maximum(found, cast(u * 0.0 + low, p.dtype)), cast(u * 0.0 + high, p.dtype))
