"""Whether tensors are equal, or nearly so. Source for all: NumPy, the functions of these names."""

from __future__ import annotations

from typing import Any

from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.elementwise import abs, equal, isfinite, isnan, less_equal
from lamina.tensor.namespace.reductions import all
from lamina.tensor.promotion import meet
from lamina.tensor.tensor import Tensor


def isclose(
    x: Any, y: Any, /, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """|x - y| <= atol + rtol * |y|, element by element; infinities are close to themselves only.

    Example:
        >>> isclose(asarray([1.0, 2.0]), asarray([1.000001, 2.1]))
        Tensor([ True, False], shape=(2,), dtype=bool)
    """
    a, b = meet("isclose", x, y, floating=True)
    near = less_equal(abs(a - b), atol + rtol * abs(b)) & isfinite(a) & isfinite(b)
    found = near | equal(a, b)
    return found | (isnan(a) & isnan(b)) if equal_nan else found


def allclose(
    x: Any, y: Any, /, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether all elements are close."""
    return all(isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan))


def array_equal(x: Any, y: Any, /, *, equal_nan: bool = False) -> Tensor:
    """Whether shapes and all elements are equal."""
    a, b = asarray(x), asarray(y)
    if a.shape != b.shape:
        return asarray(False)
    found = equal(a, b)
    return all(found | (isnan(a) & isnan(b)) if equal_nan else found)
