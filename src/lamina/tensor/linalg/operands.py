"""Data as matrices of floating or complex numbers, with errors that name the user's function."""

from __future__ import annotations

from typing import Any

from lamina.base import dtypes
from lamina.base.errors import DTypeError
from lamina.graph.ops.complex import imag, real
from lamina.graph.ops.linalg.matrices import matrix_sizes, square_size
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.promotion import broadcast_shapes, broadcast_to, common_dtype
from lamina.tensor.tensor import Tensor


def inexact(name: str, x: Any) -> Tensor:
    """`x` as a tensor of floating or complex numbers; integers become float32."""
    given = asarray(x)
    if given.dtype.kind not in ("int", "uint", "float", "complex"):
        raise DTypeError(
            f"{name}: no meaning for {given.dtype.long_name}",
            [f"x: {given.type}", "takes: int, uint, float, complex"],
            "cast it first, as in x.astype(lamina.float32)",
        )
    return given if given.dtype.is_inexact else cast(given, dtypes.float32)


def matrices(name: str, x: Any) -> Tensor:
    """`x` with at least two axes, floating or complex."""
    given = inexact(name, x)
    matrix_sizes(name, given.type)
    return given


def squares(name: str, x: Any) -> Tensor:
    """`x` as square matrices, floating or complex."""
    given = inexact(name, x)
    square_size(name, given.type)
    return given


def pair(name: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Both in the floating or complex dtype in which they meet."""
    a, b = asarray(x), asarray(y)
    dtype = common_dtype(name, (a, b))
    return inexact(name, cast(a, dtype)), inexact(name, cast(b, dtype))


def with_lead(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the same axes before the last two."""
    lead = broadcast_shapes(name, [a.shape[:-2], b.shape[:-2]])
    return (
        broadcast_to(a, (*lead, *a.shape[-2:])),
        broadcast_to(b, (*lead, *b.shape[-2:])),
    )


def squared_size(x: Tensor) -> Tensor:
    """|x|^2, element by element, real."""
    parts = real(x) * real(x)
    return parts + imag(x) * imag(x) if x.dtype.is_complex else parts
