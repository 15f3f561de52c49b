"""What distributions take: dtypes, shapes and parameters, checked and brought together."""

from __future__ import annotations

import math
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.records import frozen
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.promotion import broadcast_shapes, is_number
from lamina.tensor.tensor import Tensor


@frozen
class Plan:
    """How a distribution is drawn.

    Attributes:
        shape: of the result.
        dtype: of the result.
        wide: what it is computed in.
        parameters: numbers, or tensors of dtype `wide`.
    """

    shape: tuple[int, ...]
    dtype: dtypes.DType
    wide: dtypes.DType
    parameters: tuple[Any, ...]


def plan(name: str, shape: Any, dtype: Any, /, *parameters: Any, wide: Any = None) -> Plan:
    """Check what a distribution was given.

    Args:
        name: of the distribution.
        shape: of the result; what the parameters broadcast to when None.
        dtype: of the result, floating.
        parameters: numbers or tensors.
        wide: what to compute in; float64 for float64 and else float32 when None.

    Raises:
        DTypeError: the dtype is not floating, or a parameter is complex.
        ShapeError: the parameters do not broadcast to the shape.
    """
    chosen = floating(name, dtype)
    wide = wide or wide_of(chosen)
    return Plan(*placed(name, shape, parameters, wide, chosen))


def placed(
    name: str, shape: Any, parameters: tuple[Any, ...], wide: dtypes.DType, dtype: dtypes.DType
) -> tuple[tuple[int, ...], dtypes.DType, dtypes.DType, tuple[Any, ...]]:
    """The fields of a Plan."""
    given = [p if is_number(p) else asarray(p) for p in parameters]
    tensors = [p for p in given if isinstance(p, Tensor)]
    for p in tensors:
        if p.dtype.kind not in ("float", "int", "uint"):
            raise DTypeError(
                f"{name}: parameters are real numbers",
                [f"parameter: {p.type}", "takes: float, int, uint"],
                "cast it, or take its real part",
            )
    lead = broadcast_shapes(name, [p.shape for p in tensors]) if tensors else ()
    sizes = lead if shape is None else sizes_of(shape)
    if len(lead) > len(sizes) or any(a not in (1, b) for a, b in zip(lead[::-1], sizes[::-1])):
        raise ShapeError(
            f"{name}: the parameters do not broadcast to the shape",
            [f"parameters: {lead}", f"shape: {sizes}"],
            "leave the shape out to have one number for each parameter",
        )
    ready = tuple(cast(p, wide) if isinstance(p, Tensor) else p for p in given)
    return sizes, dtype, wide, ready


def wide_of(dtype: dtypes.DType) -> dtypes.DType:
    """What numbers of a floating dtype are computed in."""
    return dtypes.float64 if dtype is dtypes.float64 else dtypes.float32


def floating(name: str, dtype: Any) -> dtypes.DType:
    """`dtype` as a DType.

    Raises:
        DTypeError: it is not floating.
    """
    chosen = dtypes.dtype(dtype)
    if not chosen.is_float:
        raise DTypeError(
            f"{name}: {chosen.long_name} is not floating",
            [f"dtype: {chosen.long_name}", "takes: float16, bfloat16, float32, float64"],
            "draw floating numbers and cast them",
        )
    return chosen


def integral(name: str, dtype: Any) -> dtypes.DType:
    """`dtype` as a DType.

    Raises:
        DTypeError: it is no integer type.
    """
    chosen = dtypes.dtype(dtype)
    if not chosen.is_integer:
        raise DTypeError(
            f"{name}: {chosen.long_name} is no integer type",
            [f"dtype: {chosen.long_name}", "takes: int8 to int64, uint8 to uint64"],
            "draw integers and cast them",
        )
    return chosen


def require(
    name: str, what: str, value: Any, low: float, high: float = math.inf, *, above: bool = False
) -> None:
    """Check a parameter that is a Python number; of tensors, wrong elements give NaN or garbage.

    Raises:
        UsageError: it is outside [low, high], or at `low` if it must be `above`.
    """
    if not is_number(value) or (low <= value <= high and not (above and value == low)):
        return
    left = "(" if above else "["
    right = ")" if high == math.inf else "]"
    raise UsageError(
        f"{name}: {what} is outside its range",
        [f"{what}: {value}", f"range: {left}{low:g}, {high:g}{right}"],
        "check the parameter",
    )
