"""Functions of real numbers that are computed in float64 and rounded once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import DTypeError
from lamina.tensor.conversion import cast
from lamina.tensor.promotion import meet
from lamina.tensor.tensor import Tensor


def reals(name: str, *operands: Any) -> tuple[Tensor, ...]:
    """The operands with one floating dtype and one shape.

    Raises:
        DTypeError: one of them is complex.
    """
    met = meet(name, *operands, floating=True)
    if not met[0].dtype.is_float:
        raise DTypeError(
            f"{name}: takes real numbers",
            [f"operand {i}: {x.type}" for i, x in enumerate(met)],
            "give the real and the imaginary part one after the other",
        )
    return met


def in_float64(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`function` with its operands in float64 and its result in their common dtype."""

    @functools.wraps(function)
    def rounded(*operands: Any) -> Tensor:
        met = reals(function.__name__, *operands)
        return cast(function(*[cast(x, dtypes.float64) for x in met]), met[0].dtype)

    return rounded


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Horner's scheme; coefficients from the constant term up."""
    result = x * coefficients[-1] + coefficients[-2]
    for coefficient in reversed(coefficients[:-2]):
        result = result * x + coefficient
    return result
