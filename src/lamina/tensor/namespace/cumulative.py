"""Running sums, products and extremes along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import DTypeError, ShapeError
from lamina.graph import ops
from lamina.tensor.conversion import asarray, cast, full_of
from lamina.tensor.namespace.manipulation import concat, normal_axis, reshape
from lamina.tensor.namespace.reductions import accumulated
from lamina.tensor.tensor import Tensor


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """y[i] = x[0] + ... + x[i] along `axis`. Integers sum in 64 bits.

    Args:
        x: a tensor with axes.
        axis: along which; may be left out where there is one.
        dtype: of the result, and of the sums.
        include_initial: begin with 0, so that the axis has one element more.

    Example:
        >>> import lamina as lm
        >>> cumulative_sum(lm.asarray([1, 2, 3]), include_initial=True)
        Tensor([0, 1, 3, 6], shape=(4,), dtype=int64)

    Source: Python array API 2024.12, `cumulative_sum`.
    """
    f = ops.cumulative_sum
    return _standard("cumulative_sum", f, accumulated(x, dtype), axis, include_initial, 0)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """y[i] = x[0] * ... * x[i] along `axis`. Integers multiply in 64 bits.

    Args:
        x: a tensor with axes.
        axis: along which; may be left out where there is one.
        dtype: of the result, and of the products.
        include_initial: begin with 1, so that the axis has one element more.

    Example:
        >>> import lamina as lm
        >>> cumulative_prod(lm.asarray([2.0, 0.5, 3.0]))
        Tensor([2., 1., 3.], shape=(3,), dtype=float32)

    Source: Python array API 2024.12, `cumulative_prod`.
    """
    f = ops.cumulative_product
    return _standard("cumulative_prod", f, accumulated(x, dtype), axis, include_initial, 1)


def _standard(
    name: str,
    f: Callable[..., Tensor],
    x: Tensor,
    axis: int | None,
    include_initial: bool,
    initial: int,
) -> Tensor:
    if axis is None and x.ndim != 1:
        raise ShapeError(
            f"{name}: which axis?", [f"x: {x.type}"], "say it: axis=0, or flatten the tensor"
        )
    place = normal_axis(name, axis or 0, x.ndim) - x.ndim
    result = f(x, place)
    if not include_initial:
        return result
    sizes = tuple(1 if i - x.ndim == place else n for i, n in enumerate(x.shape))
    return concat([full_of(initial, x.dtype, sizes), result], axis=place)


def cumsum(x: Any, /, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumulative_sum`, of the flattened tensor where no axis is given. Source: NumPy."""
    return _flat_or_along("cumsum", ops.cumulative_sum, accumulated(x, dtype), axis)


def cumprod(x: Any, /, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumulative_prod`, of the flattened tensor where no axis is given. Source: NumPy."""
    return _flat_or_along("cumprod", ops.cumulative_product, accumulated(x, dtype), axis)


def cummax(x: Any, /, axis: int | None = None) -> Tensor:
    """y[i] = max(x[0], ..., x[i]) along `axis`, or of the flattened tensor; NaN wins.

    Source: NumPy, `maximum.accumulate`; JAX, `lax.cummax`.
    """
    return _flat_or_along("cummax", ops.cumulative_max, _real("cummax", x), axis)


def cummin(x: Any, /, axis: int | None = None) -> Tensor:
    """y[i] = min(x[0], ..., x[i]) along `axis`, or of the flattened tensor; NaN wins.

    Source: NumPy, `minimum.accumulate`; JAX, `lax.cummin`.
    """
    return _flat_or_along("cummin", ops.cumulative_min, _real("cummin", x), axis)


def logcumsumexp(x: Any, /, axis: int | None = None) -> Tensor:
    """y[i] = log(exp x[0] + ... + exp x[i]) along `axis`, or of the flattened tensor.

    Example:
        >>> import lamina as lm
        >>> logcumsumexp(lm.asarray([1000.0, 1000.0]))
        Tensor([1000.   , 1000.693], shape=(2,), dtype=float32)

    Source: PyTorch, `logcumsumexp`.
    """
    x = asarray(x)
    x = x if x.dtype.is_float else cast(x, dtypes.float32)
    return _flat_or_along("logcumsumexp", ops.cumulative_logsumexp, x, axis)


def _real(name: str, x: Any) -> Tensor:
    x = asarray(x)
    if x.dtype.kind not in ("int", "uint", "float"):
        raise DTypeError(
            f"{name}: no order for {x.dtype.long_name}", [f"x: {x.type}"], "cast it first"
        )
    return x


def _flat_or_along(name: str, f: Callable[..., Tensor], x: Tensor, axis: int | None) -> Tensor:
    if axis is None:
        return f(reshape(x, (-1,)), -1)
    return f(x, normal_axis(name, axis, x.ndim) - x.ndim)
