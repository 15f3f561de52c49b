"""Distributions by the inverse of their distribution function: one uniform number gives one.

All have derivatives in their parameters, by the reparameterisation x = f(parameters, u).
"""

from __future__ import annotations

import math
from typing import Any

from lamina.base import dtypes
from lamina.tensor.conversion import cast
from lamina.tensor.namespace.elementwise import cos, exp, log, log1p, sin, sqrt, where
from lamina.tensor.random.generator import Generator, next_key
from lamina.tensor.random.keys import Shape
from lamina.tensor.random.parameters import plan, require
from lamina.tensor.random.units import exponential_unit, short_wait, signed_half, unit
from lamina.tensor.tensor import Tensor

Key = Tensor | Generator | None


def is_just(x: Any, number: float) -> bool:
    """Whether a parameter is the Python number that changes nothing."""
    return isinstance(x, int | float) and x == number


def moved(x: Tensor, loc: Any, scale: Any) -> Tensor:
    """x * scale + loc."""
    x = x if is_just(scale, 1.0) else x * scale
    return x if is_just(loc, 0.0) else x + loc


def uniform(
    shape: Shape | None = None,
    low: Any = 0.0,
    high: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Numbers uniform in [low, high).

    In float32 they are multiples of (high - low) / 2^23 above low, in float64 of 2^53, in float16
    of 2^11 and in bfloat16 of 2^8.

    Args:
        shape: of the result; that of the parameters when None.
        low: smallest number.
        high: bound above.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> uniform((2,)).shape
        (2,)

    Source: Salmon et al. 2011 for the bits.
    """
    p = plan("uniform", shape, dtype, low, high)
    low, high = p.parameters
    u = unit(next_key(key), p.shape, p.dtype)
    if is_just(low, 0.0) and is_just(high, 1.0):
        return cast(u, p.dtype)
    found = cast(moved(u, low, high - low), p.dtype)
    bottom = cast(found * 0.0 + low, p.dtype)
    return where(cast(found, p.wide) < high, found, bottom)  # rounding may have reached `high`


def exponential(
    shape: Shape | None = None, scale: Any = 1.0, *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """Density exp(-x / scale) / scale for x >= 0.

    Args:
        shape: of the result; that of the parameters when None.
        scale: the mean.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> exponential((2,)).shape
        (2,)

    Source: von Neumann 1951, "Various techniques used in connection with random digits".
    """
    require("exponential", "scale", scale, 0)
    p = plan("exponential", shape, dtype, scale)
    return cast(
        moved(exponential_unit(next_key(key), p.shape, p.wide), 0.0, *p.parameters), p.dtype
    )


def laplace(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Density exp(-|x - loc| / scale) / (2 scale).

    Args:
        shape: of the result; that of the parameters when None.
        loc: the mean.
        scale: the mean distance from it.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> laplace((2,)).shape
        (2,)

    Source: Laplace 1774.
    """
    require("laplace", "scale", scale, 0)
    p = plan("laplace", shape, dtype, loc, scale)
    half, coin = signed_half(next_key(key), p.shape, p.wide)
    size = -log(2.0 * half)
    return cast(moved(where(coin, size, -size), *p.parameters), p.dtype)


def logistic(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Distribution function 1 / (1 + exp(-(x - loc) / scale)).

    Args:
        shape: of the result; that of the parameters when None.
        loc: the mean.
        scale: how wide.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> logistic((2,)).shape
        (2,)

    Source: Verhulst 1845 for the logistic function.
    """
    require("logistic", "scale", scale, 0)
    p = plan("logistic", shape, dtype, loc, scale)
    half, coin = signed_half(next_key(key), p.shape, p.wide)
    size = log1p(-half) - log(half)
    return cast(moved(where(coin, size, -size), *p.parameters), p.dtype)


def cauchy(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Density 1 / (pi scale (1 + ((x - loc) / scale)^2)).

    Args:
        shape: of the result; that of the parameters when None.
        loc: the median.
        scale: half of the distance between the quartiles.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> cauchy((2,)).shape
        (2,)

    Source: Cauchy 1853.
    """
    require("cauchy", "scale", scale, 0)
    p = plan("cauchy", shape, dtype, loc, scale)
    half, coin = signed_half(next_key(key), p.shape, p.wide)
    size = cos(math.pi * half) / sin(math.pi * half)
    return cast(moved(where(coin, size, -size), *p.parameters), p.dtype)


def gumbel(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Distribution function exp(-exp(-(x - loc) / scale)).

    Args:
        shape: of the result; that of the parameters when None.
        loc: the mode.
        scale: how wide.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> gumbel((2,)).shape
        (2,)

    Source: Gumbel 1958, "Statistics of Extremes".
    """
    require("gumbel", "scale", scale, 0)
    p = plan("gumbel", shape, dtype, loc, scale)
    return cast(moved(standard_gumbel(next_key(key), p.shape, p.wide), *p.parameters), p.dtype)


def standard_gumbel(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    """Gumbel numbers with loc 0 and scale 1, computed in `dtype`."""
    return -log(short_wait(key, shape, dtype))


def rayleigh(
    shape: Shape | None = None, scale: Any = 1.0, *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """Density x / scale^2 exp(-x^2 / (2 scale^2)) for x >= 0.

    Args:
        shape: of the result; that of the parameters when None.
        scale: the mode.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> rayleigh((2,)).shape
        (2,)

    Source: Rayleigh 1880.
    """
    require("rayleigh", "scale", scale, 0)
    p = plan("rayleigh", shape, dtype, scale)
    size = sqrt(2.0 * exponential_unit(next_key(key), p.shape, p.wide))
    return cast(moved(size, 0.0, *p.parameters), p.dtype)


def weibull(
    concentration: Any,
    scale: Any = 1.0,
    shape: Shape | None = None,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Distribution function 1 - exp(-(x / scale)^concentration) for x >= 0.

    Args:
        concentration: positive.
        scale: positive.
        shape: of the result; that of the parameters when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> weibull(2.0, shape=(2,)).shape
        (2,)

    Source: Weibull 1951, "A statistical distribution function of wide applicability".
    """
    require("weibull", "concentration", concentration, 0, above=True)
    require("weibull", "scale", scale, 0)
    p = plan("weibull", shape, dtype, concentration, scale)
    concentration, scale = p.parameters
    wait = short_wait(next_key(key), p.shape, p.wide)
    return cast(moved(exp(log(wait) / concentration), 0.0, scale), p.dtype)


def pareto(
    concentration: Any,
    scale: Any = 1.0,
    shape: Shape | None = None,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """Distribution function 1 - (scale / x)^concentration for x >= scale.

    NumPy's `pareto` is this with scale 1, less 1.

    Args:
        concentration: positive.
        scale: the smallest number, positive.
        shape: of the result; that of the parameters when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> pareto(3.0, shape=(2,)).shape
        (2,)

    Source: Pareto 1896.
    """
    require("pareto", "concentration", concentration, 0, above=True)
    require("pareto", "scale", scale, 0)
    p = plan("pareto", shape, dtype, concentration, scale)
    concentration, scale = p.parameters
    wait = exponential_unit(next_key(key), p.shape, p.wide)
    return cast(moved(exp(wait / concentration), 0.0, scale), p.dtype)
