"""Sequences and matrices made from a rule. Source for all: NumPy, the functions of these names."""

from __future__ import annotations

import math
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.namespace.creation import arange, eye, linspace
from lamina.tensor.namespace.elementwise import pow, where
from lamina.tensor.namespace.manipulation import concat, expand_dims, flip
from lamina.tensor.tensor import Tensor


def identity(n: int, /, *, dtype: Any = None) -> Tensor:
    """The identity matrix of size n."""
    return eye(n, dtype=dtype)


def tri(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on and below diagonal `k`, zeros above.

    Shapes: -> [n_rows, n_cols]
    """
    columns = n_rows if n_cols is None else n_cols
    k = min(max(k, -n_rows), columns)
    below = arange(columns) <= expand_dims(arange(n_rows), axis=1) + k
    return cast(below, dtypes.float32 if dtype is None else dtypes.dtype(dtype))


def logspace(
    start: float,
    stop: float,
    /,
    num: int = 50,
    *,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: Any = None,
) -> Tensor:
    """base ** `linspace(start, stop, num)`: evenly spaced on a logarithmic scale.

    Example:
        >>> logspace(0, 2, 3)
        Tensor([  1.,  10., 100.], shape=(3,), dtype=float32)
    """
    exponents = linspace(start, stop, num, dtype=dtypes.float64, endpoint=endpoint)
    chosen = dtypes.float32 if dtype is None else dtypes.dtype(dtype)
    return cast(pow(float(base), exponents), chosen)


def geomspace(
    start: float, stop: float, /, num: int = 50, *, endpoint: bool = True, dtype: Any = None
) -> Tensor:
    """`num` numbers from `start` to `stop` with one ratio between neighbours.

    Raises:
        UsageError: an end is 0, or the ends differ in sign.
    """
    if start == 0 or stop == 0 or (start < 0) != (stop < 0):
        raise UsageError(
            "geomspace: no ratio leads from start to stop", [f"start: {start}", f"stop:  {stop}"]
        )
    (num,) = sizes_of(num)
    sign = -1.0 if start < 0 else 1.0
    ends = math.log10(abs(start)), math.log10(abs(stop))
    plain = sign * logspace(*ends, num, endpoint=endpoint, dtype=dtypes.float64)
    place = arange(num)
    exact = where(place == 0, float(start), plain)
    if endpoint and num > 1:
        exact = where(place == num - 1, float(stop), exact)
    return cast(exact, dtypes.float32 if dtype is None else dtypes.dtype(dtype))


def vander(x: Any, /, n_cols: int | None = None, *, increasing: bool = False) -> Tensor:
    """The powers of each element in a row: x ** (n - 1), ..., x, 1.

    Shapes: `x: [N] -> [N, n_cols]`

    Raises:
        ShapeError: x is no vector.
    """
    given = asarray(x)
    if given.ndim != 1:
        raise ShapeError("vander: x is no vector", [f"tensor: {given.type}"])
    count = given.shape[0] if n_cols is None else n_cols
    base = given if given.dtype is not dtypes.bool_ else cast(given, dtypes.int64)
    column = expand_dims(base, axis=1)
    columns = [column * 0 + 1]
    for _ in range(count - 1):
        columns.append(columns[-1] * column)
    if count < 1:
        return columns[0][:, :0]  # type: ignore[return-value]
    table = concat(columns, axis=1)
    return table if increasing else flip(table, axis=1)
