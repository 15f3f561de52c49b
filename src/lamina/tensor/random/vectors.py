"""Vectors and matrices: multivariate normal, directions, points of a ball, rotations."""

from __future__ import annotations

from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.linalg import cholesky, diagonal, qr
from lamina.tensor.namespace.elementwise import exp, log, sqrt, where
from lamina.tensor.namespace.linear_algebra import matmul
from lamina.tensor.namespace.manipulation import expand_dims, squeeze
from lamina.tensor.namespace.reductions import sum as sum_of
from lamina.tensor.promotion import broadcast_shapes, broadcast_to
from lamina.tensor.random.generator import next_key
from lamina.tensor.random.inverse import Key
from lamina.tensor.random.keys import Shape, split
from lamina.tensor.random.normals import standard_normal
from lamina.tensor.random.parameters import floating, wide_of
from lamina.tensor.random.units import positive_unit
from lamina.tensor.tensor import Tensor


def sphere(
    dimension: int, shape: Shape = (), *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """Directions: vectors of length 1, all equally likely.

    Args:
        dimension: how many components.
        shape: what stands before them.
        dtype: floating.
        key: where they come from; the default generator when None.

    Shapes: `-> [*shape, dimension]`

    Example:
        >>> sphere(3, (2,)).shape
        (2, 3)

    Source: Muller 1959, "A note on a method for generating points uniformly on n-spheres".
    """
    chosen, wide, sizes = _vectors("sphere", dimension, shape, dtype)
    x = standard_normal(next_key(key), (*sizes, dimension), wide)
    return cast(x / sqrt(sum_of(x * x, axis=-1, keepdims=True)), chosen)


def ball(
    dimension: int, shape: Shape = (), *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """Points of the ball of radius 1, uniform.

    Args:
        dimension: how many components.
        shape: what stands before them.
        dtype: floating.
        key: where they come from; the default generator when None.

    Shapes: `-> [*shape, dimension]`

    Example:
        >>> ball(3, (2,)).shape
        (2, 3)

    Source: Muller 1959; the radius is u^(1 / dimension).
    """
    chosen, wide, sizes = _vectors("ball", dimension, shape, dtype)
    first, second = split(next_key(key))
    x = standard_normal(first, (*sizes, dimension), wide)
    radius = exp(log(positive_unit(second, (*sizes, 1), wide)) / float(dimension))
    return cast(x * (radius / sqrt(sum_of(x * x, axis=-1, keepdims=True))), chosen)


def _vectors(name: str, dimension: int, shape: Shape, dtype: Any) -> Any:
    chosen = floating(name, dtype)
    if dimension < 1:
        raise ShapeError(
            f"{name}: a vector has at least one component",
            [f"dimension: {dimension}"],
            "give the number of components first, and the shape before them second",
        )
    return chosen, wide_of(chosen), sizes_of(shape)


def multivariate_normal(
    mean: Any,
    covariance: Any,
    shape: Shape | None = None,
    *,
    dtype: Any = dtypes.float32,
    key: Key = None,
) -> Tensor:
    """mean + L x, with x normal and L the Cholesky factor of the covariance.

    Args:
        mean: where they lie.
        covariance: symmetric and positive definite.
        shape: what stands before the components; that of the parameters when None.
        dtype: floating.
        key: where they come from; the default generator when None.

    Shapes: `mean: [*B, N], covariance: [*B, N, N] -> [*B, N]`, or `[*shape, N]`

    Raises:
        ShapeError: mean and covariance do not fit together.

    Example:
        >>> multivariate_normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]], (3,)).shape
        (3, 2)

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", XI.2.
    """
    chosen = floating("multivariate_normal", dtype)
    wide = wide_of(chosen)
    centre, spread = cast(asarray(mean), wide), cast(asarray(covariance), wide)
    n = centre.shape[-1] if centre.ndim else -1
    if spread.shape[-2:] != (n, n):
        raise ShapeError(
            "multivariate_normal: mean and covariance do not fit",
            [f"mean: {centre.type}", f"covariance: {spread.type}"],
            "the mean is [*B, N] and the covariance [*B, N, N]",
        )
    lead = broadcast_shapes("multivariate_normal", [centre.shape[:-1], spread.shape[:-2]])
    sizes = lead if shape is None else sizes_of(shape)
    x = standard_normal(next_key(key), (*sizes, n, 1), wide)
    factor = broadcast_to(cholesky(spread), (*sizes, n, n))
    return cast(centre + squeeze(matmul(factor, x), axis=-1), chosen)


def orthogonal(
    n: int, shape: Shape = (), *, dtype: Any = dtypes.float32, key: Key = None
) -> Tensor:
    """Orthogonal matrices, uniform (of Haar's measure): Q of a normal matrix, with signs mended.

    Args:
        n: rows and columns.
        shape: what stands before them.
        dtype: floating.
        key: where they come from; the default generator when None.

    Shapes: `-> [*shape, n, n]`

    Example:
        >>> orthogonal(3, (2,)).shape
        (2, 3, 3)

    Source: Mezzadri 2007, "How to generate random matrices from the classical compact groups".
    """
    chosen, wide, sizes = _vectors("orthogonal", n, shape, dtype)
    q, r = qr(standard_normal(next_key(key), (*sizes, n, n), wide))
    signs = where(diagonal(r) < 0.0, -1.0, 1.0)
    return cast(q * expand_dims(signs, axis=-2), chosen)
